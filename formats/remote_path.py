"""An object in object storage, or the prefix of some, with what of `pathlib.Path` this project uses.

By fsspec: what is not there is a `FileNotFoundError`, any other fault an error of formats/object_store.py. An
object is written whole or not at all: storage shows it when its last byte has come and been acknowledged.
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from formats.object_store import PastEndError, request
from formats.redaction import redacted

PART = 32 << 20
"""Bytes of a part of an upload; what is under two parts goes in one request."""
PIECE = 8 << 20
"""Bytes asked for at once of an object that is read through."""


@dataclass(frozen=True)
class RemoteStat:
    """What storage tells of an object without giving it.

    Attributes:
        st_size: in bytes.
        version: changes with the content: its ETag, or else its time.
    """

    st_size: int
    version: str


class Listings:
    """What folders of a source hold, each asked for once: no request for each of a million pages."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, RemoteStat]] = {}
        self._lock = threading.Lock()

    def find(self, path: RemotePath) -> RemoteStat | None:
        """Return what is known of an object."""
        folder = path.parent.url
        with self._lock:
            if folder not in self._folders:
                found = _list(folder, recursive=False)
                self._folders[folder] = {row["name"].rpartition("/")[2]: _stat(row) for row in found}
            return self._folders[folder].get(path.name)


class RemotePath:
    """An object, or the prefix of some, in object storage.

    Args:
        url: such as ``s3://bucket/prefix``.
        listings: answers of listings to go by, for paths below it too.
    """

    __slots__ = ("_listings", "url")

    def __init__(self, url: str, listings: Listings | None = None) -> None:
        scheme, _, rest = url.partition("://")
        self.url = f"{scheme}://{posixpath.normpath(rest).lstrip('/')}"
        self._listings = listings

    def __str__(self) -> str:
        return redacted(self.url)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Paths are equal by their URL."""
        return isinstance(other, RemotePath) and self.url == other.url

    def __lt__(self, other: RemotePath) -> bool:
        """Paths are sorted by their URL."""
        return self.url < other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return (RemotePath, (self.url,))

    def __truediv__(self, name: str | PurePosixPath) -> RemotePath:
        return RemotePath(f"{self.url}/{name}", self._listings)

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The extension of the last part."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The prefix above."""
        return RemotePath(self.url.rpartition("/")[0], self._listings)

    def as_posix(self) -> str:
        """Return the URL."""
        return self.url

    def absolute(self) -> RemotePath:
        """Return the path: it has no other form."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:  # noqa: ARG002
        """Return the path: storage has no links."""
        return self

    def relative_to(self, other: RemotePath) -> PurePosixPath:
        """Return the path below another.

        Raises:
            ValueError: it does not lie below.
        """
        if not self.is_relative_to(other):
            raise ValueError(f"{self} is not below {other}")
        return PurePosixPath(self.url[len(other.url) :].lstrip("/"))

    def is_relative_to(self, other: object) -> bool:
        """Tell whether the path is another, or lies below it."""
        return isinstance(other, RemotePath) and f"{self.url}/".startswith(f"{other.url}/")

    def listed(self) -> RemotePath:
        """Return the path, going by listings from now on: for sources, which a build looks at once."""
        return RemotePath(self.url, Listings())

    def stat(self) -> RemoteStat:
        """Return size and version.

        Raises:
            FileNotFoundError: there is no such object.
        """
        if self._listings is not None:
            found = self._listings.find(self)
            if found is None:
                raise _absent(self.url)
            return found
        row = request("looking at", self.url, lambda store, seconds: _sync(store, "info", seconds, self.url))
        if row["type"] != "file":
            raise _absent(self.url)
        return _stat(row)

    def is_file(self) -> bool:
        """Tell whether there is such an object."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    exists = is_file

    def is_dir(self) -> bool:
        """Tell whether any object lies below."""
        return next(iter(self.iterdir()), None) is not None

    def iterdir(self) -> Iterator[RemotePath]:
        """Yield objects and prefixes right below; lists, so never in the hot path."""
        scheme = self.url.partition("://")[0]
        for row in _list(self.url, recursive=False, folders=True):
            yield RemotePath(f"{scheme}://{row['name']}", self._listings)

    def rglob(self, pattern: str) -> Iterator[RemotePath]:
        """Yield the objects below, at any depth, whose names match; lists."""
        scheme = self.url.partition("://")[0]
        for row in _list(self.url, recursive=True):
            path = RemotePath(f"{scheme}://{row['name']}", self._listings)
            if fnmatchcase(path.name, pattern):
                yield path

    def read_bytes(self) -> bytes:
        """Return an object's bytes."""
        return self._read(None, None, 0)

    def read_range(self, offset: int, size: int) -> bytes:
        """Return some bytes of an object: fewer where it ends before."""
        try:
            return self._read(offset, offset + size, size)
        except PastEndError:
            return b""

    def _read(self, start: int | None, end: int | None, size: int) -> bytes:
        # s3fs would ask for the size before a whole object, to read it in parts: a round trip for nothing.
        options = {"max_concurrency": 1} if self.url.startswith("s3") else {}

        def call(store: Any, seconds: float) -> bytes:
            seconds = seconds if size else 10 * seconds
            data: bytes = _sync(store, "cat_file", seconds, self.url, start=start, end=end, **options)
            return data

        return request("reading", self.url, call, size)

    def pieces(self) -> Iterator[bytes]:
        """Yield an object's bytes in pieces of some megabytes, each one request.

        Raises:
            FileNotFoundError: there is no such object.
        """
        size = self.stat().st_size
        for offset in range(0, size, PIECE):
            yield self.read_range(offset, min(PIECE, size - offset))

    def download(self, file: Path) -> None:
        """Write an object's bytes to a file; see `pieces`."""
        pieces = self.pieces()
        first = next(pieces, b"")
        with file.open("wb") as opened:
            opened.write(first)
            for piece in pieces:
                opened.write(piece)

    def write_bytes(self, data: bytes) -> None:
        """Write an object, whole; one of this name is replaced at that instant."""
        request(
            "writing",
            self.url,
            lambda store, seconds: _sync(store, "pipe_file", seconds, self.url, data),
            len(data),
        )

    def upload(self, file: Path) -> None:
        """Write an object from a file, in parts where it is long; it shows when all of them have come."""
        size = file.stat().st_size
        options = {"chunksize": PART} if self.url.startswith("s3") else {}
        request(
            "writing",
            self.url,
            lambda store, seconds: _sync(store, "put_file", seconds, str(file), self.url, **options),
            size,
        )

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove an object."""
        try:
            request("removing", self.url, lambda store, seconds: _sync(store, "_rm_file", seconds, self.url))
        except FileNotFoundError:
            if not missing_ok:
                raise


def _sync(store: Any, method: str, seconds: float, *arguments: Any, **options: Any) -> Any:
    """Call a method of a file system, within so many seconds where it can be cut."""
    if not getattr(store, "async_impl", False):
        return getattr(store, method.removeprefix("_"))(*arguments, **options)
    from fsspec.asyn import sync

    coroutine = getattr(store, f"_{method.removeprefix('_')}")
    return sync(store.loop, coroutine, *arguments, timeout=seconds, **options)


def _list(url: str, *, recursive: bool, folders: bool = False) -> list[dict[str, Any]]:
    method = "find" if recursive else "ls"
    try:
        found = request(
            "listing",
            url,
            lambda store, seconds: _sync(store, method, 100 * seconds, url, detail=True),
        )
    except FileNotFoundError:
        return []
    rows = list(found.values()) if isinstance(found, dict) else found
    own = url.partition("://")[2]
    return [row for row in rows if (folders or row["type"] == "file") and row["name"].rstrip("/") != own]


def _absent(url: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), redacted(url))


def _stat(row: dict[str, Any]) -> RemoteStat:
    version = next(
        (row[name] for name in ("ETag", "etag", "LastModified", "updated", "last_modified") if row.get(name)),
        "",
    )
    return RemoteStat(int(row["size"]), str(version))
