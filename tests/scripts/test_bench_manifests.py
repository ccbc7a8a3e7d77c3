"""Each step of `scripts/bench_manifests` runs, on the smallest sets that it takes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = 10_000
STEPS = ("open for reading (index held)", "diff, same set", "plan and check, no change", "stat cache, save")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(ROOT / "scripts"))
    folder = tmp_path_factory.mktemp("sets")
    importlib.import_module("made_manifests").write_sets(folder, SAMPLES)
    sys.path.pop(0)
    return folder


@pytest.mark.parametrize("step", STEPS)
def test_a_step(sets: Path, step: str) -> None:
    command = [sys.executable, ROOT / "scripts" / "bench_manifests", "--step", step, "--folder", sets]
    done = subprocess.run(
        [*command, "--samples", str(SAMPLES)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["step"], found["samples"]) == (step, SAMPLES)
    assert found["seconds"] > 0 and found["json_mb"] > 0
