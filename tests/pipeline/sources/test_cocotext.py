from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_pages import made_page

from formats.errors import SourceError, UsageError
from pipeline.start.folder import look_through
from pipeline.start.recognise import recognise

IMAGES = {
    "1": {"id": 1, "set": "train", "file_name": "a.jpg", "width": 128, "height": 96},
    "2": {"id": 2, "set": "val", "file_name": "b.jpg", "width": 128, "height": 96},
}
ANNOTATIONS: dict[str, dict[str, Any]] = {
    "7": {
        "image_id": 1,
        "mask": [0, 0, 9, 0, 12, 5, 9, 9, 0, 9],
        "bbox": [0, 0, 12, 9],
        "legibility": "legible",
        "utf8_string": "Try",
        "class": "machine printed",
    },
    "8": {"image_id": 1, "mask": [], "bbox": [20, 10, 5, 4], "legibility": "illegible"},
    "9": {"image_id": 2, "polygon": [0, 0, 9, 0, 9, 9, 0, 9], "legibility": "legible", "utf8_string": "no"},
}
FILE = {"cats": {}, "info": {}, "imgs": IMAGES, "anns": ANNOTATIONS, "imgToAnns": {"1": [7, 8], "2": [9]}}
BOTH = {"format": "cocotext", "splits": {"train": "coco.json", "val": "coco.json"}}


def test_one_file_holds_both_splits(read_source: Any) -> None:
    found = read_source({"b.jpg": b"", "coco.json": FILE}, **BOTH)
    assert found.rejected == ()
    assert [(row.key, row.split, row.stated_size) for row in found.records] == [
        ("a.jpg", "train", (96, 128)),
        ("b.jpg", "val", (96, 128)),
    ]
    first, second = found.records[0].texts
    assert (first.text, first.dont_care, len(first.polygon_V2)) == ("Try", False, 5)
    assert (second.text, second.dont_care) == (None, True)
    assert second.polygon_V2.tolist() == [[20, 10], [25, 10], [25, 14], [20, 14]]


def test_annotations_of_no_image_are_told(read_source: Any) -> None:
    file = FILE | {"anns": ANNOTATIONS | {"10": ANNOTATIONS["9"] | {"image_id": 404}}}
    found = read_source({"b.jpg": b"", "coco.json": file}, **BOTH)
    assert len(found.records) == len(found.rejected) == 2
    assert "1 annotations of an image id that is not among the images" in found.rejected[0].reason


def test_a_page_whose_mask_is_none_is_quarantined(read_source: Any) -> None:
    file = FILE | {"anns": ANNOTATIONS | {"9": ANNOTATIONS["9"] | {"mask": [1, 2, 3]}}}
    (rejected,) = read_source({"b.jpg": b"", "coco.json": file}, **BOTH).rejected
    assert rejected.key == "b.jpg"


@pytest.mark.parametrize(
    ("file", "splits", "told"),
    [
        (FILE, ("test",), r"images of the set 'test'\n  found:     'train', 'val'"),
        (
            FILE | {"anns": []},
            ("train",),
            r'expected:  COCO-Text JSON.*\n.*an object of "cats", "info", "imgs"',
        ),
        ([], ("train",), "a list of 0"),
    ],
)
def test_what_is_none_of_it(read_source: Any, file: Any, splits: tuple[str, ...], told: str) -> None:
    with pytest.raises(SourceError, match=told):
        read_source({"coco.json": file}, format="cocotext", splits=dict.fromkeys(splits, "coco.json"))


def test_the_other_readers_name_what_they_found(read_source: Any) -> None:
    with pytest.raises(
        SourceError, match='found:     an object of "cats", "info", "imgs", "anns", "imgToAnns"'
    ):
        read_source({"coco.json": FILE}, format="coco", splits={"train": "coco.json"})


def test_init_finds_both_splits(tmp_path: Path) -> None:
    (tmp_path / "train2014").mkdir()
    for number, name in enumerate("ab"):
        (tmp_path / "train2014" / f"{name}.jpg").write_bytes(made_page(number))
    (tmp_path / "cocotext.v2.json").write_text(json.dumps(FILE))
    found = recognise(look_through(tmp_path))[0].settings
    assert (found.format, found.images) == ("cocotext", "train2014")
    assert found.splits == {"train": "cocotext.v2.json", "val": "cocotext.v2.json"}


def test_sets_that_can_name_no_split_are_no_start(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(made_page(0))
    file = FILE | {"imgs": {"1": IMAGES["1"] | {"set": "../x"}}}
    (tmp_path / "coco.json").write_text(json.dumps(file))
    with pytest.raises(UsageError, match="1 files like cocotext"):
        recognise(look_through(tmp_path))
