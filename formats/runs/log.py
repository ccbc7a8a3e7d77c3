"""A run's records, `metrics.jsonl`, read back: one flat JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STAMPS = ("global_step", "epoch", "batch", "phase", "wall_s")
"""Where and when a record was made; every record has them, and no value is called so."""


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Read a run's records, each as a flat mapping; a last line that a kill cut short is left out."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)
