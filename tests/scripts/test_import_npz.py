"""Maps of others, told from exact ones: each fault that such caches were found to have."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_pages import made_page

from formats.errors import SampleError
from formats.spec import TargetsSpec
from pipeline.sources import SourceSettings, read_annotations
from pipeline.sources.record import SourceRecord

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
npz_maps = importlib.import_module("npz_maps")
sys.path.pop(0)

TARGETS = TargetsSpec(small_text="keep", empty_shrink="keep")
CANVAS = (60, 80)
TEXTS = [[[10, 8], [90, 8], [90, 28], [10, 28]], [[12, 40], [120, 40], [120, 60], [12, 60]]]


def write_labels(folder: Path, names: list[str]) -> Path:
    (folder / "images").mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / "images" / name).write_bytes(made_page(number))
    words = {f"{i:04d}": {"points": points} for i, points in enumerate(TEXTS)}
    labels = folder / "train.json"
    labels.write_text(json.dumps({"images": {name: {"words": words} for name in names}}))
    return labels


@pytest.fixture
def record(tmp_path: Path) -> SourceRecord:
    labels = write_labels(tmp_path, ["a.jpg"])
    settings = SourceSettings(format="ufo", root=tmp_path / "images", splits={"train": str(labels)})
    return read_annotations(settings).records[0]


def saved(path: Path, prob: np.ndarray, thresh: np.ndarray, **names: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    arrays = {names.get("prob_name", "prob_map"): prob, names.get("thresh_name", "thresh_map"): thresh}
    np.savez_compressed(path, **arrays)
    return path


def verdict_of(
    tmp_path: Path,
    record: SourceRecord,
    change: Callable[[np.ndarray], np.ndarray],
    position: str = "top_left",
) -> Any:
    maps = npz_maps.exact_maps(record, CANVAS, TARGETS, position).maps
    prob = maps.prob_HW.astype(np.float32)
    thresh = (0.3 + maps.thresh_HW / 255 * 0.4).astype(np.float32)
    path = saved(tmp_path / "maps" / "a.npz", change(prob)[None], change(thresh)[None])
    return npz_maps.compare(record, npz_maps.read_maps(path), TARGETS)


@pytest.mark.parametrize("position", ["top_left", "center"])
def test_exact_maps_are_found_exact_where_they_lie(
    tmp_path: Path, record: SourceRecord, position: str
) -> None:
    found = verdict_of(tmp_path, record, lambda map_HW: map_HW, position)
    assert found == npz_maps.Compared("a.jpg", "exact", 1.0, 1.0, found.thresh_error, 0)
    assert found.thresh_error is not None and found.thresh_error < 1e-6


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda map_HW: map_HW[:, ::-1], "misplaced: mirrored left to right"),
        (lambda map_HW: map_HW[::-1], "misplaced: mirrored top to bottom"),
        (lambda map_HW: map_HW[::-1, ::-1], "misplaced: turned by 180 degrees"),
        (lambda map_HW: np.roll(map_HW, 30, axis=0), "misplaced"),
        (np.zeros_like, "empty"),
        (lambda map_HW: np.roll(map_HW, 1, axis=0), "near"),
    ],
)
def test_each_fault_is_named(
    tmp_path: Path, record: SourceRecord, change: Callable[[np.ndarray], np.ndarray], verdict: str
) -> None:
    found = verdict_of(tmp_path, record, change)
    assert found.verdict == verdict
    assert found.usable == (verdict == "near")


WHOLE = (192, 256)
"""A canvas on which texts are high enough for every renderer to draw them."""


def drawn(record: SourceRecord, texts: list[int], move: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Return a probability map as is usual, somewhat too large, of some of a page's texts."""
    prob_HW = np.zeros(WHOLE, np.uint8)
    maps = npz_maps.exact_maps(record, WHOLE, TARGETS, "top_left").maps
    for polygon_V2 in [npz_maps.placed_polygons(record, WHOLE, "top_left")[text] for text in texts]:
        left, top = polygon_V2.min(axis=0).astype(int)
        right, bottom = polygon_V2.max(axis=0).astype(int) + 1
        part = cv2.dilate(maps.prob_HW[top:bottom, left:right], np.ones((3, 3), np.uint8))
        prob_HW[top + move[0] : bottom + move[0], left + move[1] : right + move[1]] |= part
    return prob_HW.astype(np.float32)


@pytest.mark.parametrize(
    ("texts", "move", "verdict"),
    [
        ([0, 1], (0, 0), "near"),
        ([0], (0, 0), "other texts: 1 of 2 are not in the map"),
        ([1], (0, 0), "other texts: 1 of 2 are not in the map"),
    ],
)
def test_maps_of_older_labels_are_told(
    tmp_path: Path, record: SourceRecord, texts: list[int], move: tuple[int, int], verdict: str
) -> None:
    prob = drawn(record, texts, move)
    found = npz_maps.compare(record, npz_maps.Pair(prob, np.zeros_like(prob)), TARGETS)
    assert (found.verdict, found.usable) == (verdict, verdict == "near")


def test_texts_that_the_labels_do_not_have_are_told(record: SourceRecord) -> None:
    prob = drawn(record, [0, 1])
    prob[-40:-20, 20:80] = 1
    found = npz_maps.compare(record, npz_maps.Pair(prob, np.zeros_like(prob)), TARGETS)
    assert re.fullmatch(r"other texts: [0-9]+% of the map lies where none is", found.verdict)
    assert not found.usable


def test_a_text_that_was_moved_is_told(record: SourceRecord) -> None:
    prob = np.maximum(drawn(record, [1]), drawn(record, [0], (110, 20)))
    found = npz_maps.compare(record, npz_maps.Pair(prob, np.zeros_like(prob)), TARGETS)
    assert found.verdict.startswith("other texts: 1 of 2 are not in the map, ")


def test_holes_that_are_no_numbers_are_counted(tmp_path: Path, record: SourceRecord) -> None:
    def with_holes(map_HW: np.ndarray) -> np.ndarray:
        holed = map_HW.copy()
        holed[:2, :3] = np.nan
        return holed

    assert verdict_of(tmp_path, record, with_holes).nan == 12


def test_names_and_kinds_of_arrays(tmp_path: Path) -> None:
    prob, thresh = np.full((4, 6), 255, np.uint8), np.full((4, 6), 0.5, np.float16)
    pair = npz_maps.read_maps(
        saved(tmp_path / "m" / "a.npz", prob, thresh, prob_name="mine", thresh_name="yours"), "mine", "yours"
    )
    assert (pair.prob_HW.dtype, pair.prob_HW.max(), pair.thresh_HW.max()) == (np.float32, 1.0, 0.5)
    for prob, thresh, fault in (
        (np.zeros((4, 6)), np.zeros((4, 7)), "two maps of one size"),
        (np.zeros(4), np.zeros(4), "a map"),
        (np.array([["a"]]), np.zeros((1, 1)), "an array of numbers"),
    ):
        with pytest.raises(SampleError, match=fault):
            npz_maps.read_maps(saved(tmp_path / "m" / "b.npz", prob, thresh))
    with pytest.raises(SampleError, match="an array named prob_map or"):
        npz_maps.read_maps(saved(tmp_path / "m" / "c.npz", prob, thresh, prob_name="other"))
    (tmp_path / "d.npz").write_bytes(b"PK no zip")
    with pytest.raises(SampleError, match=r"a \.npz file"):
        npz_maps.read_maps(tmp_path / "d.npz")


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, prob_map=np.array([{}], dtype=object), thresh_map=np.zeros((1, 1)))
    with pytest.raises(SampleError, match="allow_pickle"):
        npz_maps.read_maps(path)


def test_the_command_tells_every_page_and_the_orphans(tmp_path: Path) -> None:
    labels = write_labels(tmp_path, ["a.jpg", "b.jpg", "c.jpg", "c.png.jpg"])
    (tmp_path / "images" / "c.png").write_bytes((tmp_path / "images" / "c.jpg").read_bytes())
    content = json.loads(labels.read_text())
    content["images"]["c.png"] = content["images"].pop("c.png.jpg")
    labels.write_text(json.dumps(content))
    settings = SourceSettings(format="ufo", root=tmp_path / "images", splits={"train": str(labels)})
    first = read_annotations(settings).records[0]
    maps = npz_maps.exact_maps(first, CANVAS, TARGETS, "top_left").maps
    for name in ("a", "ghost"):
        saved(tmp_path / "images_maps" / f"{name}.npz", maps.prob_HW, maps.thresh_HW)
    command = [sys.executable, ROOT / "scripts" / "import_npz", tmp_path / "images", "--labels", labels]
    done = subprocess.run(
        [*command, "--json", "--out", tmp_path / "report"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [page["verdict"] for page in report["pages"]] == [
        "exact",
        "nothing to compare: no such file",
        "shares its file with another page of the same stem",
        "shares its file with another page of the same stem",
    ]
    assert report["orphans"] == ["ghost.npz"]
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == report
    assert (tmp_path / "report" / "worst.png").stat().st_size > 500


def test_the_build_that_is_proposed_builds(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "old maps", ["a.jpg"])
    (tmp_path / "maps").mkdir()
    command = [sys.executable, ROOT / "scripts" / "import_npz", labels.parent / "images", "--labels", labels]
    done = subprocess.run(
        [*command, "--maps", tmp_path / "maps"], capture_output=True, text=True, check=False
    )
    (proposed,) = (line for line in done.stdout.splitlines() if "pipeline.build" in line)
    words = shlex.split(
        proposed.replace("sets/mine", str(tmp_path / "set")).replace("configs/", f"{ROOT}/configs/")
    )
    built = subprocess.run(
        [sys.executable, *words[1:], "--workers", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert "1 sample" in built.stdout
