"""The streaming benchmark, once, on a few pages and without other libraries; and how it judges."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SROIE = ROOT.parent / "shared" / "data" / "sroie"
sys.path.append(str(ROOT / "scripts"))

import stream_checks  # noqa: E402


@pytest.mark.skipif(not SROIE.exists(), reason="no ../shared/data/sroie")
def test_it_measures_our_rows_and_what_is_usual(tmp_path: Path) -> None:
    words = ["--source", str(SROIE), "--samples", "4", "--batch-size", "2", "--passes", "1", "--cores", "1"]
    command = [
        sys.executable,
        str(ROOT / "scripts" / "bench_stream"),
        *words,
        "--no-peers",
        "--no-checks",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["row"]: row for row in found["rows"]}
    assert {"textshards", "JPEG decoding alone", "npz float32 + JPEG", "webdataset's loop"} <= rows.keys()
    assert all(row["samples"] == 4 and row["per_s"] > 0 for row in rows.values())
    assert {floor["floor"] for floor in found["floors"]} >= {"times npz, one core"}


def rate(row: str, cores: int, per_s: float) -> dict[str, object]:
    return {"row": row, "cores": cores, "per_s": per_s, "cpu_ms": 1e3 / per_s}


def test_a_floor_is_held_against_the_same_number_of_cores() -> None:
    rows = [
        rate("litdata", 1, 100),
        rate("litdata", 2, 10),
        rate("textshards", 1, 130),
        rate("textshards", 2, 20),
    ]
    found = {floor["floor"]: floor for floor in stream_checks.floors(rows, {})}
    assert found["times litdata, one core"]["holds"] and found["times litdata, one core"]["wall"] == 1.3
    assert not found["times litdata with two workers"]["holds"]
    assert found["times litdata with two workers"]["cpu"] == 2.0


def test_limits_are_upper_and_lower() -> None:
    checks = {"first batch of a fresh process, s": 2.0, "augmented, times the on-the-fly way": 9.0}
    found = {floor["floor"]: floor["holds"] for floor in stream_checks.floors([], checks)}
    assert found == {
        "first batch of a fresh process, s": False,
        "augmented, times the on-the-fly way": True,
    }
