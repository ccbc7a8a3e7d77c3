from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.icdar import parse_line, parse_texts
from pipeline.sources.record import SourceText, UnusableError

FIELDS = st.sampled_from(
    ["0", "12", "-3", "+.5", " 7", "1e2", "-0", "2000000", "9" * 5000, "nan", "", "1_0", "٣", "x"]
)
LINES = st.tuples(
    st.lists(FIELDS, min_size=7, max_size=10), st.sampled_from(["", ",a,b", ",###", ",caf\xe9"])
)
BOX = [[38, 43], [920, 43], [920, 215], [38, 215]]


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        (",abc", "abc"),
        (",53200, KUALA LUMPUR", "53200, KUALA LUMPUR"),
        (",100,000", "100,000"),
        (",###", "###"),
        (",", ""),
        ("", None),
        (',"quoted"', '"quoted"'),
        (",nan", "nan"),
    ],
)
def test_a_quadrilateral_and_its_text(rest: str, text: str | None) -> None:
    source = parse_line("1,2,3,2, 3.5 ,4,-1,4" + rest, ("###",))
    np.testing.assert_array_equal(source.polygon_V2, [[1, 2], [3, 2], [3.5, 4], [-1, 4]])
    assert source.text == text
    assert source.dont_care == (text == "###")


@pytest.mark.parametrize("between", [" ", "\t", "  "])
@pytest.mark.parametrize("text", ["word", "two words", "###", "12, Main Street", None])
def test_a_quadrilateral_between_blanks(between: str, text: str | None) -> None:
    line = between.join(["10", "10", "200", "60", "190", "100", "5", "50", *([text] if text else [])])
    source = parse_line(line, ("###",))
    np.testing.assert_array_equal(source.polygon_V2, [[10, 10], [200, 60], [190, 100], [5, 50]])
    assert (source.text, source.dont_care) == (text, text == "###")


@pytest.mark.parametrize(
    "line", ["10 10 200 60 190 100 5 word", "10\t10\t200\t60\t190\tword", "1 2 3 4 12 Main St"]
)
def test_a_damaged_quadrilateral_between_blanks_is_no_box(line: str) -> None:
    with pytest.raises(UnusableError, match="expected 8 numbers and a text, or 4 numbers"):
        parse_line(line, ())


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('38, 43, 920, 215, "Tiredness"', "Tiredness"),
        ('38,43,920,215,"a, b, c, d, e"', "a, b, c, d, e"),
        (r'38,43,920,215,"say \"x\""', 'say "x"'),
        ('38 43 920 215 "kills, they say"', "kills, they say"),
        ("38 43 920 215 Tiredness kills", "Tiredness kills"),
        ("38,43,920,215,Hello, world", "Hello, world"),
        ("38,43,920,215,1966", "1966"),
        ("38,43,920,215", None),
        ("920,215,38,43", None),
        ("38 43 920 215", None),
        ("38\t43\t920\t215\tTiredness", "Tiredness"),
        ("38 43 920 215 1966", "1966"),
        ('38 43 920 215 "12 Main Street"', "12 Main Street"),
    ],
)
def test_a_box_and_its_text(line: str, text: str | None) -> None:
    source = parse_line(line, ())
    np.testing.assert_array_equal(source.polygon_V2, BOX)
    assert source.text == text


@pytest.mark.parametrize(
    "line",
    [
        "1,2,3,2,3,4,1,x,text",
        "1,2,3,2,3O,4,1,4,text",
        "1,2,3,2,3,4,text",
        "1,2,3,2,3,4",
        "1,2,3,text",
        "text",
        ",,,,,,,,",
        "1,2,3,2,nan,4,1,4,text",
        "1,2,3,2,1e300,4,1,4,text",
        "1,2,inf,4,'x'",
        "\0",
    ],
)
def test_damaged_lines_are_refused_not_taken_for_another_form(line: str) -> None:
    with pytest.raises(UnusableError, match="expected"):
        parse_line(line, ())


def test_the_line_of_a_fault_is_told() -> None:
    with pytest.raises(UnusableError) as caught:
        parse_texts(b"\xef\xbb\xbf1,2,3,2,3,4,1,4,a\r\n\r\n1,2,3\r\n", ())
    assert caught.value.line == 3


def read(file: Path) -> list[str | None]:
    return [text.text for text in parse_texts(file.read_bytes(), ())]


def test_a_gt_that_is_not_utf8(shared_data: Path) -> None:
    file = shared_data / "sroie/test/gt/X51006619503.txt"
    with pytest.raises(UnicodeDecodeError):
        file.read_bytes().decode()
    texts = read(file)
    assert len(texts) == len(file.read_bytes().strip().split(b"\n"))
    assert "KEPONG BARU£¬" in texts


def test_a_gt_with_a_blank_line(shared_data: Path) -> None:
    file = shared_data / "sroie/test/gt/X51006328967.txt"
    lines = file.read_bytes().decode().splitlines()
    assert not lines[49].strip()
    assert len(read(file)) == sum(bool(line.strip()) for line in lines) < len(lines)


def test_commas_in_real_texts(shared_data: Path) -> None:
    assert "53200, KUALA LUMPUR" in read(shared_data / "sroie/train/gt/X51005663279.txt")
    assert read(shared_data / "icdar2015/train/gt/gt_img_39.txt")[13] == "100,000"


def test_a_bom_and_crlf_leave_no_trace(shared_data: Path) -> None:
    for file in sorted((shared_data / "icdar2015").glob("*/gt/*.txt")):
        for text in parse_texts(file.read_bytes(), ()):
            assert text.polygon_V2.shape == (4, 2)
            assert text.text == text.text.strip("\r\n\ufeff") if text.text else True


def test_a_quad_annotated_twice_stays_twice(shared_data: Path) -> None:
    texts = parse_texts((shared_data / "sroie/test/gt/X51005230659.txt").read_bytes(), ())
    quad = [[69, 680], [234, 680], [234, 711], [69, 711]]
    assert sum(text.polygon_V2.tolist() == quad for text in texts) == 2


def outcome(parse: Callable[[], tuple[SourceText, ...]]) -> object:
    try:
        return parse()
    except UnusableError as error:
        return error.reason


@given(st.lists(LINES, max_size=4), st.sampled_from(["0", "12", "-3.5"]))
def test_a_page_at_once_is_its_lines_one_by_one(rows: list[tuple[list[str], str]], plain: str) -> None:
    for fields in ([fields for fields, _ in rows], [[plain] * 8 for _ in rows]):
        lines = [",".join(row) + rest for row, (_, rest) in zip(fields, rows, strict=True)]
        found = outcome(lambda lines=lines: parse_texts("\n".join(lines).encode(), ("###",)))
        assert found == outcome(lambda lines=lines: tuple(parse_line(line, ("###",)) for line in lines))


def test_polygons_of_a_page_are_frozen_and_have_no_negative_zero() -> None:
    for text in parse_texts(b"-0,-0.0,3,2,3.5,4,-1,4\n" * 3, ()):
        assert text.polygon_V2.dtype == np.float64 and text.polygon_V2.shape == (4, 2)
        assert not np.signbit(text.polygon_V2[0]).any()
        with pytest.raises(ValueError):
            text.polygon_V2[0, 0] = 9
