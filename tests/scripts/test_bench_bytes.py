"""The benchmark of bytes, once, on a few pages: sizes do not depend on the machine's load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_bytes"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def test_a_page_of_maps_is_small(shared_data: Path) -> None:
    done = command("--data", str(shared_data), "--every", "8", "--turns", "1", "--levels", "1", "9", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pages"] == 11
    kb = {(row["pages"], row["maps"], row["codec"], row["level"]): row["kb"] for row in found["rows"]}
    assert kb["page", "distance", "zstd", 1] < 8.5
    assert kb["page", "distance", "zstd", 9] < 7.0
    assert 10 < kb["page", "distance", "lz4", 1] < kb["page", "float32", "npz", None]
    assert kb["crop", "distance", "zstd", 1] < kb["crop", "float32", "npz", None]


def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    done = command("--data", str(tmp_path))
    assert done.returncode == 2
    assert "--data" in done.stderr
