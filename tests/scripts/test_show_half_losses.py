"""The arithmetic of the losses in float16, on small maps; training by it takes too long for a test."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "show_half_losses"


def test_float32_losses_keep_what_naive_ones_lose() -> None:
    words = ["--side", "640", "--pages", "1"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    exact, kept, naive = found["arithmetic"]
    assert kept["loss"] == pytest.approx(exact["loss"], rel=1e-5)
    assert kept["gradient_error"] < 1e-3
    assert kept["gradients_lost"] == 0.0
    assert math.isnan(naive["loss"])
    assert naive["gradients_lost"] > 0.5
    assert found["trained"] == []
