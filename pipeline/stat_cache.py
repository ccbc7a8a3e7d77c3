"""What is known of files by their size and time, so that they need not be read again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from formats.checks.files import hash_file
from formats.commands import progress
from formats.disk import disk_error
from formats.errors import SampleError
from formats.fingerprint import sha256
from formats.image_header import MAX_PIXELS
from formats.manifest import FileRecord
from formats.places import Place, user_cache
from formats.remote_path import RemotePath
from formats.remote_set import REQUESTS
from formats.storage import write_whole
from pipeline.images import image_size
from pipeline.workers import cores

STAT_CACHE = ".stat-cache.json"
SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within the same clock tick: its hash is not remembered."""
BATCH = 64
"""Images that a thread takes at once: a million tasks of one each would fill a gigabyte."""
MAX_BYTES = 1 << 30
"""An image file is read as a whole: a larger one is refused before."""


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image file.

    Attributes:
        sha256: of its bytes, in hexadecimal.
        pixels: height times width by its header; 0 where that makes no sense.
    """

    sha256: str
    pixels: int


class _Stamp(NamedTuple):
    """A file's name, its size and what changes with it, and whether that can be relied on by now."""

    name: str
    row: tuple[int, int | str]
    settled: bool


class StatCache:
    """SHA-256 of files whose size and modification time have not changed since they were hashed.

    Kept in the set's folder, of a set in object storage in the user's cache folder: it names files of this
    machine. Losing it costs time, never correctness. With `paranoid` nothing in it is believed.
    """

    def __init__(self, folder: Place, *, paranoid: bool = False) -> None:
        self._path, self._paranoid = _home(folder), paranoid
        self._known: dict[str, list[int | str]] = {} if paranoid else _load(self._path)
        self._distrusted: Place | None = None
        self._seen: dict[str, list[int | str]] = {}

    def sha256(self, path: Place) -> str:
        """Return the SHA-256 of a file, in hexadecimal.

        Raises:
            OSError: it cannot be read.
        """
        return str(self._facts(_stamp(path), 1, lambda: [_hash(path)])[0])

    def sha256_of(self, path: Place, record: FileRecord) -> str:
        """Return the SHA-256 of a file a manifest names, an object's as recorded where its size is right.

        Raises:
            OSError: it cannot be read.
        """
        if not isinstance(path, RemotePath):
            return self.sha256(path)
        if self._paranoid or (self._distrusted is not None and path.is_relative_to(self._distrusted)):
            return hash_file(path)
        return record.sha256 if path.stat().st_size == record.bytes else ""

    def image(self, path: Place) -> ImageFacts:
        """Return what is known of an image file.

        Raises:
            OSError: it cannot be read.
            SampleError: it is too large to be read.
        """
        stamp = _stamp(path)
        if stamp.row[0] > MAX_BYTES:
            raise SampleError(
                str(path), found=f"expected an image file of at most {MAX_BYTES} bytes, found {stamp.row[0]}"
            )
        digest, pixels = self._facts(stamp, 2, lambda: _look(path))
        return ImageFacts(str(digest), int(pixels))

    def _facts(self, stamp: _Stamp, count: int, look: Callable[[], list[int | str]]) -> list[int | str]:
        row = self._known.get(stamp.name)
        if row is None or (row[0], row[1]) != stamp.row or len(row) != 2 + count:
            row = [*stamp.row, *look()]
        if stamp.settled:
            self._seen[stamp.name] = row
        return row[2:]

    def distrust(self, folder: Place) -> None:
        """Believe nothing of the files below a folder: they are hashed again."""
        self._distrusted = folder
        start = f"{folder.absolute()}/"
        self._known = {name: row for name, row in self._known.items() if not name.startswith(start)}

    def remember(self, path: Place, sha256: str) -> None:
        """Note the hash of a file that this build wrote; of an object the manifest is believed."""
        if not isinstance(path, RemotePath):
            stamp = _stamp(path)
            self._seen[stamp.name] = [*stamp.row, sha256]

    def save(self, *, forget: bool = True) -> None:
        """Write what was seen; what was not seen is forgotten, or kept. A disk at fault is told, no more."""
        kept = self._seen if forget else self._known | self._seen
        if kept == self._known:
            return
        try:
            data = json.dumps(kept, separators=(",", ":")).encode()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, sha256(data).encode() + b"\n" + data)
        except OSError as error:
            click.echo(
                f"note: the next build reads all files again: {disk_error(error, self._path)}", err=True
            )


def hash_images(
    images: Sequence[tuple[str, Place]], cache: StatCache, max_pixels: int = MAX_PIXELS
) -> tuple[dict[str, str], dict[str, str]]:
    """Hash image files on all cores; return SHA-256 by key, and by key why a file cannot be used.

    Pages of more than `max_pixels` are refused here, by their headers, and not when they are rendered: the
    limit is in no fingerprint, so no shard may depend on it.
    """
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    hashes, faults = {}, {}
    remote = any(isinstance(path, RemotePath) for _, path in images[:1])
    threads = REQUESTS if remote else cores()
    with progress(len(images), "hashing images") as shown, ThreadPoolExecutor(threads) as pool:
        for batch in pool.map(lambda batch: [(key, _try_image(path, cache)) for key, path in batch], batches):
            for key, facts in batch:
                if isinstance(facts, SampleError):
                    faults[key] = facts.found
                elif facts.pixels > max_pixels:
                    faults[key] = _too_large(facts.pixels, max_pixels)
                else:
                    hashes[key] = facts.sha256
            shown.advance(len(batch))
    return hashes, faults


def _too_large(pixels: int, limit: int) -> str:
    return f"expected at most {limit} pixels (source.max_pixels), found {pixels} by the image's header"


def _try_image(path: Place, cache: StatCache) -> ImageFacts | SampleError:
    try:
        return cache.image(path)
    except SampleError as error:
        return error
    except OSError as error:
        return SampleError(str(path), found=f"the image cannot be read: {error.strerror or error}")


def _look(path: Place) -> list[int | str]:
    data = path.read_bytes()
    try:
        height, width = image_size(data)
    except SampleError:
        return [sha256(data), 0]
    return [sha256(data), height * width]


def _hash(path: Place) -> str:
    return hash_file(path)


def _stamp(path: Place) -> _Stamp:
    if isinstance(path, RemotePath):
        known = path.stat()
        return _Stamp(path.url, (known.st_size, known.version), bool(known.version))
    name = str(path)
    found = os.stat(name)  # noqa: PTH116 -- of a million files the spelling counts
    settled = time.time_ns() - found.st_mtime_ns > SETTLED_NS
    absolute = name if name.startswith("/") else str(path.absolute())
    return _Stamp(absolute, (found.st_size, found.st_mtime_ns), settled)


def _home(folder: Place) -> Path:
    if not isinstance(folder, RemotePath):
        return folder / STAT_CACHE
    name = f"{sha256(folder.url.encode())[:24]}.json"
    return user_cache() / "stat" / name


def _load(path: Path) -> dict[str, list[int | str]]:
    """Return what was written, or nothing where a byte of it has changed: a wrong hash would be believed."""
    try:
        written, _, data = path.read_bytes().partition(b"\n")
        known = json.loads(data) if sha256(data).encode() == written else {}
    except (OSError, ValueError, RecursionError):
        return {}
    rows = known.items() if isinstance(known, dict) else ()
    return {name: row for name, row in rows if isinstance(row, list) and len(row) in (3, 4)}
