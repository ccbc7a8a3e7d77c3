"""A run's folder, claimed: by one run at a time, and by a new run only where none has been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from formats.disk import writing
from formats.errors import TextshardsError
from formats.folder_lock import locked
from formats.runs.record import CONFIG, METRICS
from train.going_on import taken


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a run's folder, which is made; the lock goes with the process, however it ends.

    Raises:
        TextshardsError: another run holds it; names its process.
        UsageError: the folder cannot be written to.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)

    def held(holder: str) -> TextshardsError:
        return TextshardsError(
            f"run folder {folder} is being written by another process",
            found=holder or "a run that has just begun",
            next_step="wait until it has finished, or stop it; or choose another exp_name=NAME",
        )

    with locked(folder, held):
        yield


def check_new(folder: Path) -> None:
    """Refuse a folder that a run has written into.

    Raises:
        UsageError: one has.
    """
    if holds_run(folder):
        raise taken(folder)


def holds_run(folder: Path) -> bool:
    """Whether a run has written into a folder."""
    return any((folder / name).exists() for name in (METRICS, CONFIG))
