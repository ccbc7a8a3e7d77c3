"""Files that are whole or absent, and reads that are checked."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, overload

import numpy as np
from google_crc32c import value as _crc32c

from formats.errors import DamageError, SetError
from formats.places import Place
from formats.remote_path import RemotePath

Payload = TypeVar("Payload", bytes, memoryview)
PARTIAL = ".partial"
"""Suffix of what is being written; nothing with it is ever read."""


def partial_name(name: str) -> str:
    """Return what a file is called while it is written: of all that write it at once, each its own name."""
    return f"{name}.{secrets.token_hex(4)}{PARTIAL}"


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C (Castagnoli) of bytes."""
    # Of a view the library reads an array that cannot be written, and not the view itself.
    checksum: int = _crc32c(np.frombuffer(data, np.uint8) if isinstance(data, memoryview) else data)
    return checksum


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place and move it there when the block ends well; else nothing is left."""
    partial = path.with_name(partial_name(path.name))
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            error.filename = str(
                path
            )  # what whoever tells of it calls the file; writing knows no name at all
        raise


def write_whole(path: Place, data: bytes) -> None:
    """Write bytes as a whole file, see `whole_file`, or as an object, which is whole or absent by itself."""
    if isinstance(path, RemotePath):
        path.write_bytes(data)
        return
    with whole_file(path) as file:
        file.write(data)


@overload
def inside(folder: Path, name: str, by: str = "") -> Path: ...


@overload
def inside(folder: RemotePath, name: str, by: str = "") -> RemotePath: ...


@overload
def inside(folder: Place, name: str, by: str = "") -> Place: ...


def inside(folder: Place, name: str, by: str = "") -> Place:
    """Return the path of a name that a manifest gives, which never leaves the set's folder.

    Args:
        folder: the set's folder.
        name: as the manifest gives it.
        by: the manifest's own name in the folder, for errors.

    Raises:
        SetError: the name is absolute, climbs out of the folder, or is no file name at all.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\\" in name or not name.isprintable():
        raise SetError(
            f"file name {name!r} in {folder / by if by else f'a manifest of {folder}'}",
            expected="a path below the set's folder",
            found="one that no build writes",
            next_step="do not trust this set: get it anew, or build it from its sources into another folder",
        )
    return folder / name


def checked(data: Payload, crc: int, what: str, size: int | None = None) -> Payload:
    """Return bytes whose CRC-32C, and size where it is given, are as recorded.

    Raises:
        DamageError: they are not.
    """
    if size is not None and len(data) < size:
        raise DamageError(
            what,
            expected=f"{size} bytes at the place recorded in the shard's manifest",
            found=f"{len(data)}: the file is cut short",
            next_step="run python -m formats.verify on the set; building it again repairs the shard",
        )
    found = crc32c(data)
    if found != crc:
        raise DamageError(
            what,
            expected=f"CRC-32C {crc:08x} as recorded in the shard's manifest",
            found=f"{found:08x}: the bytes changed after they were written",
            next_step="run python -m formats.verify on the set; building it again repairs the shard",
        )
    return data


def missing_file(path: Place, error: OSError) -> SetError:
    """Return what to raise where a file of a set cannot be read."""
    return SetError(
        str(path),
        expected="a file that the set's manifest names",
        found=error.strerror or str(error),
        next_step="if the set was rebuilt meanwhile, open it again; else run python -m pipeline.build",
    )
