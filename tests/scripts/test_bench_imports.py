"""What `--help` of every command line imports; how long that takes is for the bench to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from loaded_script import loaded_script

bench = loaded_script("bench_imports")


def test_every_command_is_known() -> None:
    documented = {"build", "check", "clean", "health", "diff", "verify", "show", "run", "evaluate", "predict"}
    assert {"pipeline.build", "formats.diff", "train.run", "train.compare"} <= set(bench.commands())
    assert documented - {"check"} <= {name.partition(".")[2] for name in bench.commands()}


@pytest.mark.parametrize("module", bench.commands())
def test_help_imports_nothing_heavy(module: str) -> None:
    packages = bench.loaded(module)
    assert "click" in packages
    assert not packages & {"numba", "torch", "cv2", "zarr", "shapely", "matplotlib"}


def test_json() -> None:
    words = [sys.executable, str(Path(bench.__file__)), "--turns", "1", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found["seconds"]) == {"nothing", *bench.commands()}
    assert min(found["seconds"].values()) > 0
