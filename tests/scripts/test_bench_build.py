"""The bench of the build, once, on the scene pages at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from loaded_script import loaded_script

bench = loaded_script("bench_build")


def test_floor_and_build_are_measured_side_by_side(shared_data: Path) -> None:
    words = ["--sets", "icdar2015", "--turns", "1", "--workers", "--no-change", "20", "--json"]
    words += ["--data", str(shared_data)]
    done = subprocess.run(
        [sys.executable, bench.__file__, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (rate,) = found["rates"]
    assert rate["pages"] == 40
    assert 0 < rate["floor_ms"] < rate["build_ms"]
    assert rate["share"] == pytest.approx(rate["floor_ms"] / rate["build_ms"])
    assert 0 < rate["hashing_share"] < 0.5
    assert found["no_change"]["pages"] == 20


def test_scaling_leaves_start_up_out() -> None:
    rows = [bench.Workers("a", 1, 9.0, 10.0, 1.0), bench.Workers("a", 2, 12.0, 19.0, 1.0)]
    assert bench.scalings(rows) == {"a, 2 workers": 1.9}
    assert bench.missed([], rows, None) == []
    assert bench.missed([], [rows[0], bench.Workers("a", 2, 0.0, 17.0, 1.0)], None) == ["a, 2 workers: 1.70"]
