"""How far a build has come: a note in the set's folder while it runs, that decides nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

import click

from formats.places import Place
from formats.remote_path import RemotePath
from formats.storage import write_whole
from formats.wording import counted

NOTE = ".building.json"
EVERY_S = 1.0
"""Seconds between two notes, at least."""


@dataclass(frozen=True)
class BuildProgress:
    """How far a build has come.

    Attributes:
        samples: number of samples rendered by this build.
        of_samples: number of samples it has to render.
        shards: number of shards written by this build.
        of_shards: number of shards it has to write.
        seconds: since it began to render.
    """

    samples: int
    of_samples: int
    shards: int
    of_shards: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Estimated by the pace so far; None before the first shard."""
        return (self.of_samples - self.samples) * self.seconds / self.samples if self.samples else None


class ProgressNote:
    """The note of one build; where it cannot be written, the build goes on without."""

    def __init__(self, folder: Place, samples: int, shards: int) -> None:
        self._path, self._began, self._told = folder / NOTE, time.monotonic(), 0.0
        self._progress = BuildProgress(0, samples, 0, shards, 0.0)
        self._write()

    @property
    def progress(self) -> BuildProgress:
        """How far it has come."""
        return self._progress

    def advance(self, samples: int) -> None:
        """Count one more shard, of so many samples."""
        seconds, so_far = time.monotonic() - self._began, self._progress
        self._progress = replace(
            so_far,
            samples=so_far.samples + samples,
            shards=so_far.shards + 1,
            seconds=round(seconds, 1),
        )
        if time.monotonic() - self._told >= EVERY_S:
            self._write()

    def _write(self) -> None:
        self._told = time.monotonic()
        if isinstance(self._path, RemotePath):  # a request a second, for nobody who could see it
            return
        with suppress(OSError):
            write_whole(self._path, json.dumps(asdict(self._progress)).encode() + b"\n")


@contextmanager
def progress_note(folder: Place, samples: int, shards: int) -> Iterator[ProgressNote]:
    """Keep the note while a block runs, and tell how far it came where it is interrupted.

    A note that a killed build left is replaced.
    """
    note = ProgressNote(folder, samples, shards)
    try:
        yield note
    except KeyboardInterrupt:
        done = f"{note.progress.shards} of {counted(shards, 'shard')} made so far: they stay"
        click.echo(f"{done}, and the same command goes on", err=True)
        raise
    finally:
        forget_progress(folder)


def forget_progress(folder: Place) -> None:
    """Remove the note, if there is one; none is left in object storage."""
    if isinstance(folder, RemotePath):
        return
    with suppress(OSError):
        (folder / NOTE).unlink(missing_ok=True)


def read_progress(folder: Place) -> BuildProgress | None:
    """Return how far a build has come; None where there is no note, or it cannot be read.

    A killed build leaves its note: whoever asks looks first whether one is running
    (`pipeline.existing.lock_holder`).
    """
    if isinstance(folder, RemotePath):
        return None
    try:
        found = BuildProgress(**json.loads((folder / NOTE).read_bytes()))
        numbers = [found.samples, found.of_samples, found.shards, found.of_shards]
        whole = all(isinstance(number, int) and number >= 0 for number in numbers)
        return found if whole and isinstance(found.seconds, int | float) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None
