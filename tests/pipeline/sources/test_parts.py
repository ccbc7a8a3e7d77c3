"""Splits of several label files, patterns or pairs of folders."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from formats.errors import SourceError
from pipeline.sources import FolderPair, SourceSettings

ITEM = '[{"transcription": "a", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}]'
TWO_DAYS = {
    "day 1/a.jpg": b"",
    "day 2/b.jpg": b"",
    "day 1/Label.txt": f"day 1/a.jpg\t{ITEM}\n",
    "day 2/Label.txt": f"day 2/b.jpg\t{ITEM}\n",
}
BOTH = ["day 1/Label.txt", "day 2/Label.txt"]


@pytest.mark.parametrize("split", [BOTH, "day */Label.txt", ["day 1/Label.txt", "day [2]/*.txt"], BOTH * 2])
def test_a_split_of_two_label_files(read_source: Any, split: Any) -> None:
    found = read_source(TWO_DAYS, format="paddle", splits={"train": split})
    assert found.rejected == ()
    assert [(record.key, record.annotation) for record in found.records] == [
        ("day 1/a.jpg", "day 1/Label.txt:1"),
        ("day 2/b.jpg", "day 2/Label.txt:1"),
    ]


def test_one_file_is_the_same_records_however_it_is_written(read_source: Any) -> None:
    one, listed, matched = (
        read_source(TWO_DAYS, format="paddle", splits={"train": split})
        for split in ("day 1/Label.txt", ["day 1/Label.txt"], "*1/Label.txt")
    )
    assert one == listed == matched


def test_a_page_in_two_files_is_settled_as_one_that_stands_twice(read_source: Any) -> None:
    files = TWO_DAYS | {"day 2/Label.txt": f"day 1/a.jpg\t[]\nday 2/b.jpg\t{ITEM}\n"}
    found = read_source(files, format="paddle", splits={"train": BOTH})
    assert [record.key for record in found.records] == ["day 2/b.jpg"]
    (rejected,) = found.rejected
    assert rejected.key == "day 1/a.jpg"
    assert "day 1/Label.txt:1 and day 2/Label.txt:1" in rejected.reason


def test_images_beside_each_label_file(read_source: Any) -> None:
    files = TWO_DAYS | {"day 1/Label.txt": f"a.jpg\t{ITEM}\n", "day 2/Label.txt": f"b.jpg\t{ITEM}\n"}
    found = read_source(files, format="paddle", splits={"train": BOTH}, images="{folder}")
    assert [record.key for record in found.records] == ["day 1/a.jpg", "day 2/b.jpg"]


def test_several_pairs_of_folders(read_source: Any) -> None:
    files = {f"{day}/images/x.jpg": b"" for day in (1, 2)} | {f"{day}/gt/x.txt": "" for day in (1, 2)}
    pairs = [{"images": f"{day}/images", "gt": f"{day}/gt"} for day in (1, 2)]
    found = read_source(files, format="icdar", splits={"train": pairs})
    assert [record.key for record in found.records] == ["1/images/x.jpg", "2/images/x.jpg"]


def test_a_list_of_patterns_where_patterns_mean_pages(read_source: Any) -> None:
    page = {"imagePath": "p.jpg", "shapes": []}
    files = {f"{day}/p.jpg": b"" for day in "ab"} | {f"{day}/p.json": page for day in "ab"}
    found = read_source(files, format="labelme", splits={"train": ["a", "b/*.json"]})
    assert [record.key for record in found.records] == ["a/p.jpg", "b/p.jpg"]


def test_a_file_with_a_bracket_in_its_name_is_no_pattern(read_source: Any) -> None:
    found = read_source({"L[1].txt": f"a.jpg\t{ITEM}\n"}, format="paddle", splits={"train": "L[1].txt"})
    assert [record.annotation for record in found.records] == ["L[1].txt:1"]


def test_a_pattern_that_nothing_matches_is_told(read_source: Any) -> None:
    with pytest.raises(SourceError, match=r"label files matching 'day \?/x' below"):
        read_source(TWO_DAYS, format="paddle", splits={"train": "day ?/x"})


def test_a_list_is_read_into_parts() -> None:
    pair = {"images": "i", "gt": "g"}
    made = SourceSettings(format="icdar", root="r", splits={"train": ["a.txt", pair]})
    assert made.splits["train"] == ("a.txt", FolderPair(images="i", gt="g"))
    assert SourceSettings(**made.model_dump(mode="json")) == made


@pytest.mark.parametrize("value", [3, None, [], [["a"]], [3], {"images": "a"}])
def test_what_is_no_split(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"must be an annotation file|at least 1|Field required"):
        SourceSettings(format="icdar", root="r", splits={"train": value})


def test_pairs_in_a_list_are_for_formats_of_pairs() -> None:
    with pytest.raises(ValidationError, match="not a pair of folders"):
        SourceSettings(format="ufo", root="r", splits={"train": ["a", {"images": "a", "gt": "b"}]})
