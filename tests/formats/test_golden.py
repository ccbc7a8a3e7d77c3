"""Frozen sets of format v1: every later version reads them, and finds in them what was written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats.checks.sets import verify_set
from formats.manifest_files import load_set_manifest, load_shard_manifest, read_set_manifest
from formats.shards import ShardSet

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests" / "golden" / "v1"
SETS = ("tar", "tar-planes", "zarr", "zarr-distance")
MAPS = ("prob_HW", "prob_mask_HW", "thresh_HW", "thresh_mask_HW")


def freeze(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "freeze_golden"), "--out", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session", params=["frozen", "made now"])
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen sets, and the same ones as today's code writes them."""
    if request.param == "frozen":
        return FROZEN
    folder = tmp_path_factory.mktemp("golden")
    assert freeze(folder).returncode == 0
    return folder / "v1"


def digest_of(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_frozen_once(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    done = freeze(tmp_path)
    assert done.returncode == 1
    assert "never written again" in done.stderr
    assert list((tmp_path / "v1").iterdir()) == []


@pytest.mark.parametrize("name", SETS)
def test_verified(golden: Path, name: str) -> None:
    assert verify_set(golden / name, deep=True).problems == ()
    assert read_set_manifest(golden / name).fingerprint == sums(FROZEN)["fingerprints"][name]


@pytest.mark.parametrize("name", SETS)
def test_reading_and_writing_back_changes_no_byte(golden: Path, name: str) -> None:
    data = (golden / name / "manifest.json").read_bytes()
    assert load_set_manifest(data, name).dump() == data
    for path in (golden / name / "shards").glob("*.json"):
        assert load_shard_manifest(path.read_bytes(), name).dump() == path.read_bytes()


def sums(golden: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((golden / "sums.json").read_bytes())
    return loaded


@pytest.mark.parametrize("name", SETS)
def test_decoded_as_recorded(golden: Path, name: str) -> None:
    opened = ShardSet(golden / name)
    expected = {record["key"]: record for record in sums(golden)["samples"]}
    assert {opened.key(number) for number in range(len(opened))} == set(expected)
    lossless = ShardSet(golden / "zarr")
    for number in range(len(opened)):
        sample, record = opened.sample(number), expected[opened.key(number)]
        maps = sample.maps.target_maps(0.4)
        for field in MAPS:
            assert digest_of(getattr(maps, field)) == record["arrays"][field]
        if opened.encoding.image == "jpeg":
            # Decoders of JPEG may differ by a level; a sum of the decoded page would not outlive them.
            number_there = lossless.find(sample.meta.key)
            assert number_there is not None
            page = lossless.image(number_there).astype(int)
            assert np.abs(page - sample.image_HWC).mean() < 2
        else:
            assert digest_of(sample.image_HWC) == record["arrays"]["image_HWC"]
        assert sample.meta.split == record["split"]
        told = [[text.status, text.text, text.polygon_V2.tolist()] for text in sample.meta.texts]
        assert told == record["texts"]
