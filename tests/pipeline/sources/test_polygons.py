from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.polygons import parse_texts
from pipeline.sources.record import SourceText, UnusableError

QUAD = "1,2,3,2,3,4,1,4"


def parse(*lines: str) -> tuple[SourceText, ...]:
    return parse_texts("\n".join(lines).encode(), ("###",))


@pytest.mark.parametrize(
    ("rest", "vertices", "text"),
    [
        ("word", 4, "word"),
        ("1966", 4, "1966"),
        ("53200, KUALA LUMPUR", 4, "53200, KUALA LUMPUR"),
        ("1,000", 4, "1,000"),
        ("a,b,1,2", 4, "a,b,1,2"),
        ("", 4, ""),
        ("nan", 4, "nan"),
        ("5,6,word", 5, "word"),
        # A text that begins with two numbers cannot be told from a vertex.
        ("1,234,567", 5, "567"),
    ],
)
def test_where_the_coordinates_end(rest: str, vertices: int, text: str) -> None:
    source = parse(f"{QUAD},{rest}", f"{QUAD},other")[0]
    assert (len(source.polygon_V2), source.text) == (vertices, text)


def test_a_file_of_coordinates_alone() -> None:
    triangle = "1,2,3,2,3,4"
    for source, vertices in zip(parse(QUAD, triangle), (4, 3), strict=True):
        assert (len(source.polygon_V2), source.text) == (vertices, None)
    # One line with a text, and every last field is one: the first line is then three points and "1,4".
    assert parse(QUAD, f"{QUAD},word")[0].text == "1,4"


def test_few_points_are_taken_where_nothing_else_is_wrong() -> None:
    assert [len(source.polygon_V2) for source in parse("221,208,###", "1,2,3,4,x", "7,4,211,4,4,84,###")] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    "line",
    [
        "word",
        "1,word",
        "10,abc,30,40,50,60,text",
        "10,20,abc,40,50,60,70,80,text",
        "1,2,3,4,nan,6,7,8,x",
        "1,2,3,1e300,5,6,x",
    ],
)
def test_damaged_lines_are_refused(line: str) -> None:
    with pytest.raises(UnusableError) as caught:
        parse(f"{QUAD},a", line)
    assert caught.value.line == 2


def test_a_hundred_thousand_vertices() -> None:
    with pytest.raises(UnusableError, match="found 100000"):
        parse(",".join(["1,2"] * 100_000) + ",word")


@given(
    st.lists(st.tuples(st.integers(-99, 9999), st.integers(-99, 9999)), min_size=3, max_size=20),
    st.text(st.characters(blacklist_characters=",\r\n\ufeff", blacklist_categories=["Cs"]), min_size=1),
)
def test_what_is_written_is_read(points: list[tuple[int, int]], text: str) -> None:
    if not text.strip():
        return
    line = ",".join(f"{x},{y}" for x, y in points) + f",{text}"
    (source,) = parse(line)
    assert source.polygon_V2.tolist() == [list(map(float, point)) for point in points]
    assert source.text == text


def test_a_number_as_a_text_on_a_real_page(shared_data: Path) -> None:
    texts = parse_texts((shared_data / "totaltext/gt/img623.jpg.txt").read_bytes(), ("###",))
    assert [(len(text.polygon_V2), text.text) for text in texts][-2:] == [(4, "1966"), (4, "###")]
    assert [len(text.polygon_V2) for text in texts] == [19, 6, 6, 11, 7, 6, 4, 4, 4]


def test_total_text_without_images(shared_data: Path) -> None:
    counts = {}
    for split in ("train", "test"):
        files = sorted((shared_data / "totaltext/gt_only" / split).glob("*.txt"))
        texts = [text for file in files for text in parse_texts(file.read_bytes(), ("###",))]
        counts[split] = (len(files), len(texts), sum(len(text.polygon_V2) < 4 for text in texts))
    # 239 lines: 236 polygons of four points and more, two triangles, one line with a single point.
    assert counts == {"train": (15, 156, 3), "test": (15, 83, 0)}
