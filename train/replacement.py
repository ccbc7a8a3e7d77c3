"""A run that takes the place of an earlier one, which stands until the new one has begun.

The earlier run is moved into a folder of the run's folder, whose name says how far that has come; renaming
it is the one step from each state to the next, so that a process killed at any moment leaves one of three:

- MOVING: files of the earlier run lie there and in the run's folder, and nothing else does;
- ASIDE: all of it lies there; what lies in the run's folder is of a run that has not begun;
- REMOVING: the new run has begun; what lies there is to be removed.

`recover` makes a whole run of each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from formats.disk import writing
from formats.folder_lock import LOCK

MOVING, ASIDE, REMOVING = ".replaced-moving", ".replaced", ".replaced-removing"


@contextmanager
def replaced(folder: Path) -> Iterator[Callable[[], None]]:
    """Move the run in a folder aside while a block begins another; the caller holds the folder.

    The block calls what it is given when the new run has begun: the earlier one is removed then, and
    otherwise put back when the block ends.

    Raises:
        UsageError: the folder cannot be written to.
    """
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        with writing(folder):
            (folder / ASIDE).rename(folder / REMOVING)
            recover(folder)

    try:
        with writing(folder):
            _move_aside(folder)
        yield begin
    finally:
        if not begun:
            with writing(folder):
                recover(folder)


def unfinished(folder: Path) -> bool:
    """Whether a process was killed while a run took the place of the one in a folder."""
    return any((folder / name).exists() for name in (MOVING, ASIDE, REMOVING))


def recover(folder: Path) -> None:
    """Put back a run that was moved aside for one that has not begun; remove it for one that has.

    The caller holds the folder.
    """
    moving, aside, removing = (folder / name for name in (MOVING, ASIDE, REMOVING))
    if aside.exists():
        for path in _beside(folder):
            _remove(path)
        aside.rename(moving)
    if moving.exists():
        for path in list(moving.iterdir()):
            path.rename(folder / path.name)
        moving.rmdir()
    if removing.exists():
        shutil.rmtree(removing)


def _move_aside(folder: Path) -> None:
    (folder / MOVING).mkdir()
    for path in _beside(folder):
        path.rename(folder / MOVING / path.name)
    (folder / MOVING).rename(folder / ASIDE)


def _beside(folder: Path) -> list[Path]:
    """Return what lies in a run's folder, but for the lock and what this module makes."""
    return [path for path in folder.iterdir() if path.name not in (LOCK, MOVING, ASIDE, REMOVING)]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
