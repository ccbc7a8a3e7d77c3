"""The made pages: same bytes always, and polygons that sit tight on the ink."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_pages"


def _make(out: Path, *, workers: int) -> Path:
    command = [
        sys.executable,
        str(SCRIPT),
        str(out),
        "--pages",
        "10",
        "--seed",
        "3",
        "--workers",
        str(workers),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make(tmp_path_factory.mktemp("pages"), workers=1)


def _entries(pages: Path) -> dict[str, dict]:
    return {
        name: entry
        for split in ("train", "test")
        for name, entry in json.loads((pages / f"{split}.json").read_text())["images"].items()
    }


def test_the_number_of_workers_changes_no_byte(pages: Path, tmp_path: Path) -> None:
    again = _make(tmp_path, workers=2)
    files = sorted(path.relative_to(pages) for path in pages.rglob("*.*"))
    assert len(files) == 12
    assert files == sorted(path.relative_to(again) for path in again.rglob("*.*"))
    assert all((pages / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_splits_share_no_page_and_every_page_has_texts(pages: Path) -> None:
    train, test = (json.loads((pages / f"{split}.json").read_text())["images"] for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 2)
    assert not set(train) & set(test)
    assert all(8 <= len(entry["words"]) <= 40 for entry in _entries(pages).values())


def test_hashes_stand_for_what_nobody_can_read(pages: Path) -> None:
    words = [word for entry in _entries(pages).values() for word in entry["words"].values()]
    assert {word["illegibility"] for word in words} == {False, True}
    assert all((word["transcription"] == "###") == word["illegibility"] for word in words)


def test_polygons_lie_on_the_page_and_sit_tight_on_the_ink(pages: Path) -> None:
    slack = []
    for name, entry in _entries(pages).items():
        image_HW = cv2.imread(str(pages / "images" / name), cv2.IMREAD_GRAYSCALE)
        assert image_HW.shape == (entry["img_h"], entry["img_w"])
        for word in entry["words"].values():
            points = np.array(word["points"], np.float32)
            assert (points >= 0).all()
            assert (points <= (entry["img_w"] - 1, entry["img_h"] - 1)).all()
            if not word["illegibility"]:
                slack.append(_slack(image_HW, points))
    slack = np.array(slack)
    assert np.median(slack) < 0.2
    assert np.quantile(slack, 0.95) < 0.3


def _slack(image_HW: np.ndarray, points_42: np.ndarray) -> float:
    """Return the widest blank margin between a polygon's sides and its ink, in units of its height."""
    width, height = (int(np.linalg.norm(points_42[i] - points_42[i - 1])) for i in (1, 2))
    box_42 = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    flat_HW = cv2.warpPerspective(image_HW, cv2.getPerspectiveTransform(points_42, box_42), (width, height))
    _, ink_HW = cv2.threshold(flat_HW, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    columns, rows = np.flatnonzero(ink_HW.any(axis=0)), np.flatnonzero(ink_HW.any(axis=1))
    margins = (columns[0], width - 1 - columns[-1], rows[0], height - 1 - rows[-1])
    return float(max(margins)) / min(width, height)
