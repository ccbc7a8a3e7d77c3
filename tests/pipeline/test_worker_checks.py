from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from formats.errors import UsageError
from pipeline import worker_checks
from pipeline.worker_checks import judge, run_checked, versions


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ModuleNotFoundError("No module named 'pipeline'"), "with this package"),
        (PermissionError("no keys"), "reaches"),
        ((versions() | {"numpy": "1.0"}, True), "numpy"),
        ((versions(), False), "all machines share"),
    ],
)
def test_workers_that_cannot_do_the_work(tmp_path: Path, answer: Any, told: str) -> None:
    with pytest.raises(UsageError, match=r"worker tcp://w") as caught:
        judge("tcp://w", answer, versions(), tmp_path)
    assert told in caught.value.expected
    judge("tcp://w", (versions(), True), versions(), tmp_path)


def test_a_worker_is_looked_at_once_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(worker_checks, "look_around", lambda path: looks.append(path) or (versions(), True))
    for mark in ("a", "a", "b"):
        assert run_checked(abs, versions(), tmp_path, tmp_path / mark, -1) == 1
    assert looks == [tmp_path / "a", tmp_path / "b"]


def test_what_writes_bytes_is_compared() -> None:
    assert versions().keys() >= {"zarr", "shapely", "numba", "opencv-python", "numcodecs", "renderer"}
