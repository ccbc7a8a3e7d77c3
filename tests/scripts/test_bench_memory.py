"""The memory benchmark, once, on a few pages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_memory"
WORDS = ["data.stream.crop=[96,96]", "data.stream.batch_size=4", "trainer.threads=1", "trainer.device=cpu"]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def test_it_measures_a_process_of_its_own() -> None:
    done = command("--pages", "10", "--preset", "speed", "--json", *WORDS)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["preset"], found["pages"]) == ("speed", 10)
    assert 50 < found["peak_mb"] < 4000
    assert found["pages_per_s"] > 0
    # 8 pages to learn from, 640 x 480: image, distance plane, mask bits, and overlap where there is some.
    assert (found["cached_mb"] + 1) * 2**20 >= 8 * 640 * 480 * 4.1
    assert found["cached_mb"] * 2**20 <= 8 * 640 * 480 * 5.2


def test_sizes_are_numbers() -> None:
    done = command("--pages", "many")
    assert done.returncode == 2
    assert "numbers of pages" in done.stderr
