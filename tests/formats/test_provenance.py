"""Records of builds: read with care, compared without the noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from formats.provenance import (
    BuildRate,
    ProvenanceChange,
    build_rate,
    compare_provenance,
    read_provenance,
)

RECORD: dict[str, Any] = {
    "build": {"samples": 86, "seconds": 2.0, "samples_per_second": 43.0, "workers": 2},
    "versions": {"python": "3.11.2", "numpy": "2.1.0"},
    "command": ["python", "-m", "pipeline.build"],
    "host": "one",
    "time": "2026-01-02T03:04:05Z",
    "git": None,
    "config": {"source": {"root": "a"}, "targets": {"shrink_ratio": 0.4}},
}


def test_rate() -> None:
    assert build_rate(RECORD) == BuildRate(43.0, 2)


@pytest.mark.parametrize(
    "build",
    [None, 3, {}, {"samples_per_second": 0.0, "workers": 2}, {"samples_per_second": "fast", "workers": 2}],
)
def test_no_rate(build: object) -> None:
    assert build_rate(RECORD | {"build": build}) is None
    assert build_rate(None) is None


def test_differences_without_pace_and_settings() -> None:
    other = json.loads(json.dumps(RECORD))
    other["build"]["seconds"] = 9.0
    other["config"] = {"source": {"root": "b"}, "targets": {"shrink_ratio": 0.5}}
    other["versions"] = {"python": "3.11.2", "numpy": "2.2.0", "zarr": "3.1.6"}
    del other["git"]
    assert compare_provenance(RECORD, other) == (
        ProvenanceChange("versions.numpy", "2.1.0", "2.2.0"),
        ProvenanceChange("config.source.root", "a", "b"),
        ProvenanceChange("versions.zarr", None, "3.1.6"),
    )
    assert compare_provenance(RECORD, None) == ()
    assert compare_provenance(RECORD, RECORD) == ()


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff", b"[" * 100_000])
def test_absent_or_unreadable(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "provenance.json").write_bytes(content)
    assert read_provenance(tmp_path) is None
