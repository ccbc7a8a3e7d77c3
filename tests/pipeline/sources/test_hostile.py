"""Annotations that are made to harm: what leaves the source folder, never ends, or takes for ever."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats.errors import SourceError
from pipeline.polygons import clean_polygon
from pipeline.sources import Annotations, SourceSettings, read_annotations
from pipeline.sources.reading import parse_json
from pipeline.sources.record import UnusableError
from pipeline.sources.text_fields import leading_numbers

LABELME = b'{"imagePath": "../images/a.jpg", "shapes": []}'


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < seconds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("images", "gt"):
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "root/images/a.jpg").write_bytes(b"x")
    return tmp_path / "root"


def read(root: Path, format: Any, split: Any) -> Annotations:
    return read_annotations(SourceSettings(format=format, root=root, splits={"train": split}))


def pairs(root: Path) -> Annotations:
    return read(root, "icdar", {"images": "images", "gt": "gt"})


TRAPS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link that leaves": lambda path: path.symlink_to("/etc/passwd"),
    "a circle of links": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_in_the_place_of_annotation_files(root: Path, trap: str) -> None:
    TRAPS[trap](root / "gt/a.txt")
    TRAPS[trap](root / "gt/a.json")
    for found in (pairs(root), read(root, "labelme", "gt/*.json")):
        assert not found.records
        assert len(found.rejected) == 1 + (trap == "a folder" and "no image" in found.rejected[-1].reason)
        assert "root:" not in found.rejected[0].reason  # of what /etc/passwd holds


def test_annotations_outside_the_root_by_configuration_are_believed(root: Path) -> None:
    outside = root.parent / "elsewhere"
    outside.mkdir()
    (outside / "a.txt").write_text("1,1,9,1,9,9,1,9,a\n")
    (outside / "a.json").write_bytes(LABELME.replace(b"../", b""))
    found = read(root, "icdar", {"images": "images", "gt": "../elsewhere"})
    assert [record.key for record in found.records] == ["images/a.jpg"]
    settings = SourceSettings(
        format="labelme", root=root, splits={"train": str(outside / "*.json")}, images="", image_path="name"
    )
    assert len(read_annotations(settings).rejected) == 1  # a.jpg lies in images/, the file says nothing of it


def test_links_in_circles_are_not_followed(root: Path) -> None:
    (root / "gt/a.json").write_bytes(LABELME)
    for name in ("round", "about"):
        (root / "gt" / name).symlink_to(".")
    with within(5):
        assert [record.key for record in read(root, "labelme", "**/*.json").records] == ["images/a.jpg"]
        assert len(pairs(root).rejected) == 1


def test_hidden_files_are_no_annotations(root: Path) -> None:
    (root / "gt/a.json").write_bytes(LABELME)
    (root / "gt/._a.json").write_bytes(b"what macOS writes")
    for pattern in ("gt", "gt/*.json", "**/*.json"):
        assert len(read(root, "labelme", pattern).records) == 1
        assert not read(root, "labelme", pattern).rejected


@pytest.mark.parametrize("pattern", ["", ".", "..", "**a", "a\0b", "x" * 5000, "no/*.json"])
def test_patterns_that_match_nothing(root: Path, pattern: str) -> None:
    with pytest.raises(SourceError):
        read(root, "labelme", pattern)


@pytest.mark.parametrize("where", ["x" * 5000, "a\0b", "\ud800"])
def test_folders_that_cannot_be(root: Path, where: str) -> None:
    with pytest.raises(SourceError, match=r"a (readable )?folder"):
        read(root / where, "icdar", "list.txt")
    with pytest.raises(SourceError):
        read(root, "icdar", {"images": where, "gt": "gt"})
    with pytest.raises(SourceError):
        read(root, "icdar", {"images": "images", "gt": where})


def test_a_name_that_fills_a_page_is_no_path(root: Path) -> None:
    (root / "list.txt").write_text("x/" * 3000 + "a.jpg\tgt/a.txt\n")
    rejected = read(root, "icdar", "list.txt").rejected[0]
    assert len(rejected.key) <= 300 and len(rejected.reason) < 300


def test_a_size_beyond_all_numbers_is_none(root: Path) -> None:
    (root / "a.json").write_text(
        '{"images": {"images/a.jpg": {"words": {}, "img_h": 1' + "0" * 400 + ', "img_w": 9}}}'
    )
    assert read(root, "ufo", "a.json").records[0].stated_size is None


def test_numbers_without_end_take_no_time() -> None:
    with within(2):
        assert leading_numbers(["1" * 200_000 + "x"]) == []
        assert leading_numbers(["1" * 200_000 + ".5"]) == [float("inf")]


def test_names_without_end_take_no_time() -> None:
    members = ",".join(f'"k{i}":1' for i in range(100_000))
    with within(2), pytest.raises(UnusableError, match="'k99999' stands twice"):
        parse_json("{" + members + ',"k99999":2}')


@pytest.mark.parametrize("shape", ["tangle", "grid", "line", "spike", "comb", "zigzag"])
def test_polygons_that_cross_themselves_everywhere(shape: str) -> None:
    rng = np.random.default_rng(0)
    number_V = np.arange(999)
    ring_V2 = {
        "tangle": rng.uniform(0, 100, (999, 2)),
        "grid": np.round(rng.uniform(-10, 10, (999, 2))),
        "line": np.stack([rng.integers(0, 50, 999), np.zeros(999)], axis=1),
        "spike": np.stack([rng.integers(0, 50, 999), (number_V == 3) * 9], axis=1),
        "comb": np.stack([number_V % 7, number_V % 11], axis=1),
        "zigzag": np.stack([number_V * 0.1, number_V % 2 * 90], axis=1),
    }[shape].astype(np.float64)
    with within(2):
        assert clean_polygon(ring_V2).problem == ("degenerate" if shape == "line" else "self_crossing")


def test_a_ring_drawn_three_times_is_one_ring() -> None:
    turn_V = np.arange(999) % 333 * (2 * np.pi / 333)
    clean = clean_polygon(50 * np.stack([np.cos(turn_V), np.sin(turn_V)], axis=1))
    assert clean.problem is None and len(clean.polygon_V2) == 333
