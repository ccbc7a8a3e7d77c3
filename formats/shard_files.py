"""Bytes of a shard's files, as a set that is open reads them: ranges of a file or an object, and sizes."""

from __future__ import annotations

import os
from pathlib import Path

from formats.errors import DamageError
from formats.manifest import REPAIR
from formats.places import Place
from formats.remote_path import RemotePath
from formats.storage import missing_file


def read_range(path: Place, size: int, offset: int) -> bytes:
    """Return so many bytes of a file or an object, from an offset on; fewer where it ends before.

    Raises:
        SetError: it cannot be read.
    """
    if isinstance(path, RemotePath):
        try:
            return path.read_range(offset, size)
        except FileNotFoundError as error:
            raise missing_file(path, error) from None
    # Opened for each read: some microseconds, and no descriptor to share, to run out of, or to keep stale.
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise missing_file(path, error) from None


def read_into(path: Path, out: memoryview, offset: int) -> int:
    """Fill `out` from a place of a file; return the number of bytes found there.

    Raises:
        SetError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.preadv(descriptor, [out], offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise missing_file(path, error) from None


def check_size(path: Path, size: int) -> None:
    """See that a file has its size.

    Raises:
        SetError: it cannot be read.
        DamageError: it has another.
    """
    try:
        found = path.stat().st_size
    except OSError as error:
        raise missing_file(path, error) from None
    if found != size:
        raise DamageError(
            str(path),
            expected=f"{size} bytes as recorded in the shard's manifest",
            found=f"{found} bytes",
            next_step=REPAIR,
        )
