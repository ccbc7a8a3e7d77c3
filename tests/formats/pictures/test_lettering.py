from __future__ import annotations

import re

import numpy as np
from PIL import ImageFont

from formats.pictures.lettering import DRAWABLE, Entry, drawable, legend, shortened, strip, text_width, write
from formats.pictures.palette import BAND, IGNORED, INK, TEXT


def test_ink_stands_where_it_was_asked_for() -> None:
    blank = np.full((60, 300, 3), 255, np.uint8)
    written = write(blank, "receipt 12", (40, 30), 20)
    rows, columns = np.nonzero((written != 255).any(axis=2))
    assert 40 <= columns.min() <= 43
    assert abs(columns.max() - (40 + text_width("receipt 12", 20))) < 4
    assert 15 < rows.min() < rows.max() < 45
    assert written.min() <= max(INK)
    assert (blank == 255).all()


def test_long_keys_keep_their_ends() -> None:
    key = "a/very/long/folder/name/page_0001.jpg"
    short = shortened(key, 16, 120.0)
    assert short.startswith("…")
    assert key.endswith(short[1:])
    assert text_width(short, 16) <= 120.0
    assert shortened(key, 16, 1000.0) == key
    assert (strip(key, 50, 16)[:, -1] == 255).all()


def test_characters_that_the_font_lacks_are_escaped_and_kept_apart() -> None:
    assert drawable("a·b…\u4e2d\n") == r"a·b…\u4e2d\n"
    assert drawable("K\xf6ln") == r"K\xf6ln"
    assert len({drawable(name) for name in ("\u4e2d.jpg", "\u6587.jpg", "o\u0308.jpg", "\xf6.jpg")}) == 4


def test_the_font_has_what_it_is_said_to_have() -> None:
    def drawn(character: str) -> bytes:
        return bytes(ImageFont.load_default(20).getmask(character))

    lacking = drawn("\uffff")
    assert all(drawn(character) != lacking for character in DRAWABLE)


def test_an_escape_is_never_cut_in_two() -> None:
    for width in range(20, 200, 7):
        assert not re.match(r"…(x|f6|6)", drawable(shortened("Stra\xf6\xf6\xf6e.jpg", 16, width)))


def test_a_legend_shows_every_colour_and_wraps() -> None:
    entries = [Entry("one", BAND), Entry("two", TEXT, "line"), Entry("three", IGNORED, "hatched")]
    wide, narrow = legend(entries, 600, 16), legend(entries, 150, 16)
    assert len(narrow) == 3 * len(wide)
    for color in (BAND, TEXT, IGNORED):
        assert (np.abs(wide.astype(int) - color).max(axis=2) < 12).any()
    heat = legend([Entry("heat", form="heat")], 300, 16)
    assert len(np.unique(heat[len(heat) // 2, :35], axis=0)) > 20
