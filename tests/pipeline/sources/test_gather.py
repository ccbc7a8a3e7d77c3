from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from formats.errors import SourceError
from pipeline.sources import SourceSettings, read_annotations

QUAD = "0,0,9,0,9,9,0,9,a\n"
GT = {"1.txt": QUAD, "2.txt": QUAD.replace(",a", ",b"), "3.txt": "broken\n"}


def read_list(read_source: Any, train: str, test: str = "", **files: Any) -> Any:
    lists = {"train.txt": train.replace(" ", "\t"), "test.txt": test.replace(" ", "\t")}
    return read_source(GT | lists | files, format="icdar", splits={"train": "train.txt", "test": "test.txt"})


def test_samples_are_sorted_by_split_and_key(read_source: Any) -> None:
    files = dict.fromkeys(("x/b.jpg", "x/a.jpg", "a.png"), b"")
    found = read_list(
        read_source, "x/b.jpg 1.txt\na.png 1.txt\nx/a.jpg 3.txt\nzzz 1.txt", "a.jpg 1.txt", **files
    )
    assert [(record.split, record.key) for record in found.records] == [
        ("test", "a.jpg"),
        ("train", "a.png"),
        ("train", "x/b.jpg"),
    ]
    assert [(sample.key, sample.where) for sample in found.rejected] == [
        ("x/a.jpg", "3.txt:1"),
        ("zzz", "1.txt"),
    ]


def test_one_stem_with_two_extensions_is_two_keys(read_source: Any) -> None:
    found = read_list(read_source, "a.jpg 1.txt\na.png 2.txt", **{"a.png": b""})
    assert [(record.key, record.texts[0].text) for record in found.records] == [
        ("a.jpg", "a"),
        ("a.png", "b"),
    ]


def test_an_image_in_two_splits_is_an_error_however_it_is_spelled(read_source: Any) -> None:
    for line in ("a.jpg 1.txt", "./a.jpg 2.txt", "x/../a.jpg 3.txt"):
        with pytest.raises(SourceError, match=r"image 'a\.jpg'") as caught:
            read_list(read_source, "a.jpg 1.txt", line)
        assert caught.value.found == "it in 'test' and in 'train'"


def test_an_image_annotated_twice_alike_is_one_sample(read_source: Any) -> None:
    found = read_list(read_source, "a.jpg 1.txt\n./a.jpg 1.txt")
    assert (len(found.records), found.rejected) == (1, ())


@pytest.mark.parametrize("second", ["2.txt", "3.txt"])
def test_an_image_annotated_twice_differently_is_rejected_naming_both(read_source: Any, second: str) -> None:
    (rejected,) = read_list(read_source, f"a.jpg 1.txt\na.jpg {second}").rejected
    assert rejected.key == "a.jpg"
    assert rejected.reason.startswith(
        "expected one annotation, found 2 that differ or cannot be read: 1.txt and "
    )


def test_entries_that_name_no_image_are_counted_each_and_are_in_no_split_twice(read_source: Any) -> None:
    files = {name: {"data_list": [{"instances": []}]} for name in ("train.json", "test.json")}
    splits = {"train": "train.json", "test": "test.json"}
    found = read_source(files, format="mmocr1", splits=splits)
    assert [(row.split, row.key) for row in found.rejected] == [
        ("test", "test.json: data_list[0]"),
        ("train", "train.json: data_list[0]"),
    ]
    images = [{"id": 7}, {"height": 1}, {"height": 2}, {"id": 1, "file_name": "a.jpg"}]
    files = {"coco.json": {"images": images, "annotations": []}}
    found = read_source(files, format="coco", splits={"train": "coco.json"})
    keys = ["images[0], id 7", "images[1], id None", "images[2], id None"]
    assert [row.key for row in found.rejected] == [f"coco.json: {key}" for key in keys]
    assert [record.key for record in found.records] == ["a.jpg"]


def test_no_image_outside_the_root_is_read(read_source: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link.jpg").symlink_to(tmp_path / "secret.jpg")
    lines = [f"{name} 1.txt" for name in ("../secret.jpg", f"{tmp_path}/secret.jpg", "link.jpg", "a.jpg")]
    found = read_list(read_source, "\n".join(lines))
    assert [record.key for record in found.records] == ["a.jpg"]
    assert [sample.key for sample in found.rejected] == sorted(
        ["../secret.jpg", f"{tmp_path}/secret.jpg", "link.jpg"]
    )


def test_a_root_that_is_itself_a_link(read_source: Any, tmp_path: Path) -> None:
    read_list(read_source, "a.jpg 1.txt")
    (tmp_path / "link").symlink_to("root")
    settings = SourceSettings(format="icdar", root=tmp_path / "link", splits={"train": "train.txt"})
    (record,) = read_annotations(settings).records
    assert (record.key, record.annotation) == ("a.jpg", "1.txt")


def test_the_same_source_elsewhere_gives_the_same_keys_and_places(read_source: Any, tmp_path: Path) -> None:
    here = read_list(read_source, "a.jpg 1.txt\nb.jpg 3.txt")
    os.rename(tmp_path / "root", tmp_path / "moved")
    there = read_annotations(
        SourceSettings(
            format="icdar", root=tmp_path / "moved", splits={"train": "train.txt", "test": "test.txt"}
        )
    )
    assert there.rejected == here.rejected
    assert [(r.key, r.annotation, r.texts) for r in there.records] == [
        (r.key, r.annotation, r.texts) for r in here.records
    ]


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root, found in (
        ("none", r"nothing at /.*/none\n.*counts from the current folder"),
        ("file", "a file"),
    ):
        with pytest.raises(SourceError, match=found):
            read_annotations(SourceSettings(format="icdar", root=tmp_path / root, splits={"train": "x"}))
