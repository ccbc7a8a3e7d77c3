"""Which files are known to hold which bytes, by size and time, so that they need not be hashed again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from formats.commands import progress
from formats.errors import SampleError
from formats.storage import write_whole
from pipeline.workers import cores

STAT_CACHE = ".stat-cache.json"
SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within the same clock tick: its hash is not remembered."""


class StatCache:
    """SHA-256 of files whose size and modification time have not changed since they were hashed.

    Kept in the set's folder; losing it costs time, never correctness. With `paranoid` nothing in it is
    believed.
    """

    def __init__(self, folder: Path, *, paranoid: bool = False) -> None:
        self._path = folder / STAT_CACHE
        self._known: dict[str, list[int | str]] = {} if paranoid else _load(self._path)
        self._seen: dict[str, list[int | str]] = {}

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file, in hexadecimal.

        Raises:
            OSError: it cannot be read.
        """
        found = path.stat()
        name, stamp = str(path.absolute()), [found.st_size, found.st_mtime_ns]
        known = self._known.get(name)
        value = str(known[2]) if known is not None and known[:2] == stamp else _hash(path)
        if time.time_ns() - found.st_mtime_ns > SETTLED_NS:
            self._seen[name] = [*stamp, value]
        return value

    def remember(self, path: Path, sha256: str) -> None:
        """Note the hash of a file that this build wrote."""
        found = path.stat()
        self._seen[str(path.absolute())] = [found.st_size, found.st_mtime_ns, sha256]

    def save(self) -> None:
        """Write what was seen; what was not seen is forgotten."""
        if self._seen != self._known:
            write_whole(self._path, json.dumps(self._seen, separators=(",", ":")).encode())


def hash_images(
    images: Sequence[tuple[str, Path]], cache: StatCache
) -> tuple[dict[str, str], dict[str, str]]:
    """Hash image files on all cores; return SHA-256 by key, and by key why a file cannot be read."""
    hashes, faults = {}, {}
    with progress(len(images), "hashing images") as shown, ThreadPoolExecutor(cores()) as pool:
        for key, value in pool.map(lambda item: (item[0], _try_hash(item[1], cache)), images):
            if isinstance(value, SampleError):
                faults[key] = value.found
            else:
                hashes[key] = value
            shown.advance()
    return hashes, faults


def _try_hash(path: Path, cache: StatCache) -> str | SampleError:
    try:
        return cache.sha256(path)
    except OSError as error:
        return SampleError(str(path), found=f"the image cannot be read: {error.strerror or error}")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: row for name, row in known.items() if isinstance(row, list) and len(row) == 3}
