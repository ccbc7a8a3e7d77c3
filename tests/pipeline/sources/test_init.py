"""Every annotation file of the real data, in every format it comes in, against the counts of its README."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from formats.image_header import read_header
from pipeline.sources import FORMATS, Annotations, SourceSettings, read_annotations, reader

LISTS = {"train": "train_list.txt", "test": "test_list.txt"}
FOLDERS = {split: {"images": f"{split}/images", "gt": f"{split}/gt"} for split in ("train", "test")}
# The four are receipts' printed asterisks: text there, don't-care by the usual transcriptions.
SROIE = {"train": (56, 2910, 4), "test": (30, 1659, 0)}
ICDAR = {"train": (26, 479, 313), "test": (14, 303, 235)}
TEN = {"test": (10, 82, 61)}

SOURCES: dict[str, tuple[dict[str, Any], dict[str, tuple[int, int, int]]]] = {
    "sroie lists": ({"format": "icdar", "root": "sroie", "splits": LISTS}, SROIE),
    "sroie folders": ({"format": "icdar", "root": "sroie", "splits": FOLDERS}, SROIE),
    "sroie ufo": (
        {
            "format": "ufo",
            "root": "sroie",
            "splits": {"train": "../formats/ufo/train.json", "test": "../formats/ufo/test.json"},
            "images": "{split}/images",
        },
        SROIE,
    ),
    "icdar lists": ({"format": "icdar", "root": "icdar2015", "splits": LISTS}, ICDAR),
    "icdar folders": ({"format": "icdar", "root": "icdar2015", "splits": FOLDERS}, ICDAR),
    "icdar paddle": (
        {
            "format": "paddle",
            "root": "icdar2015",
            "splits": {"train": "paddle_train_label.txt", "test": "paddle_test_label.txt"},
            "images": "{split}/images",
            "image_path": "name",
        },
        ICDAR,
    ),
    "total-text": (
        {"format": "polygons", "root": "totaltext", "splits": {"test": {"images": "images", "gt": "gt"}}},
        {"test": (2, 13, 1)},
    ),
} | {
    name: (
        {
            "format": name,
            "root": "icdar2015",
            "splits": {"test": f"../formats/{files}"},
            "images": "train/images",
            "image_path": "name",
        },
        TEN,
    )
    for name, files in {
        "labelme": "labelme/*.json",
        "coco": "mmocr0/instances_test.json",
        "mmocr0": "mmocr0/instances_test.txt",
        "mmocr1": "mmocr1/textdet_test.json",
    }.items()
}


def read(shared_data: Path, name: str) -> Annotations:
    values = SOURCES[name][0]
    return read_annotations(SourceSettings(**values | {"root": shared_data / values["root"]}))


def test_every_format_has_a_reader() -> None:
    # Of COCO-Text there are no real pages at hand.
    assert {values["format"] for values, _ in SOURCES.values()} == set(FORMATS) - {"cocotext"}
    assert all(callable(reader(name)) for name in FORMATS)


@pytest.mark.parametrize("name", SOURCES)
def test_counts_of_images_polygons_and_dont_cares(shared_data: Path, name: str) -> None:
    found = read(shared_data, name)
    assert found.rejected == ()
    counts: dict[str, Counter[str]] = {}
    for record in found.records:
        count = counts.setdefault(record.split, Counter())
        count.update(
            images=1, texts=len(record.texts), dont_care=sum(text.dont_care for text in record.texts)
        )
    assert {s: (c["images"], c["texts"], c["dont_care"]) for s, c in counts.items()} == SOURCES[name][1]
    assert list(found.records) == sorted(found.records, key=lambda record: (record.split, record.key))


@pytest.mark.parametrize("name", ["sroie ufo", "labelme", "coco", "mmocr0", "mmocr1"])
def test_stated_sizes_are_those_of_the_images(shared_data: Path, name: str) -> None:
    for record in read(shared_data, name).records:
        assert read_header(record.image.read_bytes()).turned_size == record.stated_size


def texts_by_name(annotations: Annotations, coordinates_only: bool = False) -> dict[str, list[object]]:
    return {
        record.key.rsplit("/", 1)[-1]: [
            (text.polygon_V2.tolist(), text.dont_care, None if coordinates_only else text.text)
            for text in record.texts
        ]
        for record in annotations.records
    }


@pytest.mark.parametrize("other", ["sroie folders", "sroie ufo"])
def test_the_formats_of_sroie_agree(shared_data: Path, other: str) -> None:
    expected = texts_by_name(read(shared_data, "sroie lists"), coordinates_only=True)
    assert texts_by_name(read(shared_data, other), coordinates_only=True) == expected


@pytest.mark.parametrize("other", ["labelme", "coco", "mmocr0", "mmocr1"])
def test_the_formats_of_icdar_agree(shared_data: Path, other: str) -> None:
    expected = texts_by_name(read(shared_data, "icdar lists"), coordinates_only=True)
    for name, texts in texts_by_name(read(shared_data, other), coordinates_only=True).items():
        assert sorted(map(str, texts)) == sorted(map(str, expected[name]))


def test_pages_whose_bytes_are_the_same_stay_two_samples(shared_data: Path) -> None:
    records = {record.key: record for record in read(shared_data, "sroie lists").records}
    first, second = (records[f"train/images/{name}.jpg"] for name in ("X51005268262", "X51005301659"))
    assert first.image.read_bytes() == second.image.read_bytes()
    assert first.texts != second.texts


def test_total_text_without_images_is_rejected_by_name(shared_data: Path) -> None:
    settings = SourceSettings(
        format="polygons",
        root=shared_data / "totaltext",
        splits={"test": {"images": "images", "gt": "gt_only/test"}},
    )
    found = read_annotations(settings)
    assert [record.key for record in found.records] == ["images/img623.jpg"]
    assert len(found.rejected) == 15
    assert (
        Counter(sample.reason.split(" in ")[0] for sample in found.rejected)["no image of this annotation"]
        == 14
    )
