"""A handful of the rounds of scripts/check_kills: builds stopped at random instants end as if undisturbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_kills"


def test_stopped_builds_end_as_undisturbed_ones() -> None:
    words = ["--rounds", "3", "--interrupts", "1", "--seed", "3", "--json"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads(done.stdout)
    assert [row["how"] for row in rounds] == ["kill"] * 3 + ["ctrl-c"]
    assert {(row["container"], row["workers"]) for row in rounds} == {
        *(("tar", 1), ("zarr", 1), ("tar", 2), ("zarr", 2))
    }
    assert not [row["faults"] for row in rounds if row["faults"]]
