"""Faults of the disk as errors a user can act on."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from formats.errors import TextshardsError, UsageError
from formats.places import Place

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


@contextmanager
def writing(place: Place) -> Iterator[None]:
    """Turn what the system says while files are written at a place into one error that names it.

    Raises:
        UsageError: the place cannot be written to.
        TextshardsError: the disk is full, or another fault of it.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, place if isinstance(place, Path) else None) from None


def temporary_folder() -> Path:
    """Return where temporary files go: what the environment names, or else the system's folder.

    Raises:
        UsageError: the environment names a folder that cannot be used. Python would take another without a
            word, and fill a disk that nobody meant.
    """
    for name in ("TMPDIR", "TEMP", "TMP"):  # as Python's tempfile asks them
        named = os.environ.get(name)
        if named:
            _check_temporary(name, Path(named))
            break
    return Path(tempfile.gettempdir())


def _check_temporary(name: str, folder: Path) -> None:
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return
    found = (
        "no such folder" if not folder.exists() else "no folder" if not folder.is_dir() else "not writable"
    )
    raise UsageError(
        f"{name}={folder}",
        expected="a folder that can be written, for temporary files",
        found=found,
        next_step=f"make that folder, or set {name} to another",
    )


def disk_error(error: OSError, place: Path | None = None) -> TextshardsError:
    """Return the error for what the system said.

    Args:
        error: as raised.
        place: the file or folder that was being written; None where something was read, or nobody knows.
    """
    said = (error.strerror or str(error)).lower()
    where = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else place
    if error.errno in FULL:
        full = place or where
        return TextshardsError(
            f"cannot write in {place}" if place else f"cannot write {where or 'a file'}",
            expected="room on the disk",
            found=f"{said}; {_room(full)}" if full else said,
            next_step="make room, then run the same command again: what is finished is kept",
        )
    if place is not None and (error.errno in _NOT_OURS or _no_place(error, place, where)):
        return UsageError(
            f"cannot write in {place}",
            expected="a folder that can be written",
            found=f"{where}: {said}" if where not in (None, place) else said,
            next_step="name another folder, or mend its permissions",
        )
    if place is None and where is not None and error.errno in (errno.ENOENT, *_NOT_OURS):
        return UsageError(
            f"cannot use {where}",
            expected="a path that is there, and that you may read, or write",
            found=said,
            next_step="check the path and its permissions",
        )
    written = place is not None
    return TextshardsError(
        f"cannot {'write' if written else 'use'} {where or 'a file'}",
        expected=f"a file that can be {'written' if written else 'read'}",
        found=said,
        next_step="mend this, then run the same command again",
    )


def _no_place(error: OSError, place: Path, where: Path | None) -> bool:
    """Whether a place cannot be made: what is not there is itself, or lies above it."""
    return error.errno == errno.ENOENT and where is not None and place.is_relative_to(where)


def _room(place: Path) -> str:
    for folder in (place, *place.absolute().parents):
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        return f"{usage.free / 1e6:.1f} MB of {usage.total / 1e6:.1f} MB are free there"
    return "how much is free cannot be told"
