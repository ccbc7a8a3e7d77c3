"""Words in pictures: titles, labels, legends. The font is the one inside Pillow, so no machine lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from formats.pictures.drawing import draw_polygons
from formats.pictures.palette import INK, WHITE, Color, heat_table
from formats.sample import Bytes

DRAWABLE = "©«°±´·»‘’“”…‹›™"
"""What the font has besides ASCII."""


@dataclass(frozen=True)
class Entry:
    """One entry of a legend: a swatch and what it stands for."""

    label: str
    color: Color = INK
    form: Literal["line", "dashed", "fill", "hatched", "heat"] = "fill"


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def drawable(text: str) -> str:
    r"""Return the text with an escape for each character that the font lacks: ``\xf6`` for "ö".

    Names that differ still do so, as they would not with one sign for all that cannot be drawn.
    """
    return "".join(c if (c.isascii() and c.isprintable()) or c in DRAWABLE else ascii(c)[1:-1] for c in text)


def text_width(text: str, size: int) -> float:
    """Return how wide a line of text is, in pixels, at a font size in pixels."""
    return float(_font(size).getlength(drawable(text)))


def shortened(text: str, size: int, width: float) -> str:
    """Return the text, or as much of its end as fits a width in pixels: keys differ at their ends."""
    if text_width(text, size) <= width:
        return text
    for cut in range(1, len(text)):
        if text_width("…" + text[cut:], size) <= width:
            return "…" + text[cut:]
    return ""


def write(image_HWC: Bytes, text: str, at: tuple[float, float], size: int, color: Color = INK) -> Bytes:
    """Return the image with a line of text; `at` is the left end of its middle line, x and y in pixels."""
    picture = Image.fromarray(image_HWC)
    ImageDraw.Draw(picture).text(at, drawable(text), font=_font(size), fill=color, anchor="lm")
    return np.asarray(picture)


def strip(text: str, width: int, size: int, color: Color = INK, *, margin: int = 0) -> Bytes:
    """Return a white strip (1.6 size, width, 3) with one line of text, shortened where it does not fit."""
    blank_HWC = np.full((round(1.6 * size), width, 3), WHITE, np.uint8)
    line = shortened(text, size, width - 2 * margin)
    return write(blank_HWC, line, (margin, 0.8 * size), size, color)


def legend(entries: Sequence[Entry], width: int, size: int, *, margin: int = 0) -> Bytes:
    """Return a white strip (?, width, 3) of swatches and labels, in as many rows as they need."""
    swatch, gap = round(2.2 * size), round(0.5 * size)
    rows: list[list[tuple[float, Entry]]] = [[]]
    x = float(margin)
    for entry in entries:
        needed = swatch + gap + text_width(entry.label, size)
        if rows[-1] and x + needed > width - margin:
            rows.append([])
            x = float(margin)
        rows[-1].append((x, entry))
        x += needed + 1.6 * size
    pitch = round(1.9 * size)
    drawn_HWC = np.full((pitch * len(rows), width, 3), WHITE, np.uint8)
    for number, row in enumerate(rows):
        for left, entry in row:
            middle = (number + 0.5) * pitch
            drawn_HWC = _swatch(drawn_HWC, entry, (left, middle - 0.55 * size), (swatch, 1.1 * size))
            drawn_HWC = write(drawn_HWC, entry.label, (left + swatch + gap, middle), size)
    return drawn_HWC


def _swatch(
    image_HWC: Bytes, entry: Entry, corner: tuple[float, float], extent: tuple[float, float]
) -> Bytes:
    x0, y0 = (round(v) for v in corner)
    x1, y1 = x0 + round(extent[0]), y0 + round(extent[1])
    drawn_HWC = image_HWC.copy()
    if entry.form == "heat":
        drawn_HWC[y0:y1, x0:x1] = heat_table()[np.linspace(0, 255, x1 - x0).astype(int)]
        return drawn_HWC
    if entry.form == "fill":
        drawn_HWC[y0:y1, x0:x1] = entry.color
        return drawn_HWC
    box_42 = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    width = max(2.0, extent[1] / 8)
    hatched = entry.form == "hatched"
    return draw_polygons(
        drawn_HWC, [box_42], entry.color, width, dashed=entry.form != "line", hatched=hatched
    )
