"""The files of a set in object storage: those that are on the local disk, and stretches of the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import click

from formats.errors import TextshardsError
from formats.manifest import FileRecord
from formats.remote_path import RemotePath
from formats.shards import ShardSet
from formats.storage import crc32c, missing_file
from train.shard_cache import ShardCache
from train.storage_settings import Traffic

Span = tuple[int, int]
"""Begin and end of a stretch of a file, in bytes."""


class RemoteFiles:
    """Bytes of files, by whichever way they come; safe to use from many threads.

    Args:
        cache: whole files on the local disk; None: ranges alone.

    Attributes:
        traffic: what it took.
        not_kept_why: why the first of the files that could not be fetched whole was not; "": all could.
    """

    def __init__(self, cache: ShardCache | None) -> None:
        self.cache, self.traffic, self.not_kept_why = cache, Traffic(), ""
        self._records: dict[str, FileRecord] = {}
        self._lock = threading.Lock()

    def know(self, opened: ShardSet) -> None:
        """Take up the files of an opened set."""
        self._records = {
            column.path.url: shard.files[str(column.path)]
            for shard in opened.shards
            for column in shard.columns.values()
            if isinstance(column.path, RemotePath)
        }

    def count(self, **amounts: float) -> None:
        """Add to the traffic's figures."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.traffic, name, getattr(self.traffic, name) + amount)

    def not_kept(self, path: RemotePath, error: Exception) -> None:
        """Count a file that the local disk could not take, or that did not come; the first is told."""
        self.count(not_kept=1)
        with self._lock:
            told, self.not_kept_why = self.not_kept_why, self.not_kept_why or _in_a_line(error)
        if not told:
            click.echo(
                f"note: {path} is read by ranges, as all files that the local cache cannot take:\n{error}",
                err=True,
            )

    def record(self, path: RemotePath) -> FileRecord:
        """Return the manifest's record of a file."""
        return self._records[path.url]

    def here(self, path: RemotePath) -> bool:
        """Tell whether a file is on the local disk."""
        record = self._records.get(path.url)
        return self.cache is not None and record is not None and self.cache.get(record.sha256) is not None

    def local(self, path: RemotePath, size: int, offset: int) -> bytes | None:
        """Return bytes of a file that is on the local disk; None where it is not."""
        record = self._records.get(path.url)
        found = self.cache.get(record.sha256) if self.cache is not None and record is not None else None
        if found is None or record is None:
            return None
        try:
            descriptor = os.open(found, os.O_RDONLY)
        except FileNotFoundError:  # another process made room
            assert self.cache is not None
            self.cache.forget(record.sha256)
            return None
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def drop(self, path: RemotePath) -> None:
        """Remove a file from the local disk: it came whole and was damaged since."""
        record = self._records.get(path.url)
        if self.cache is not None and record is not None:
            self.cache.drop(record.sha256)

    def stretch(self, path: RemotePath, span: Span) -> bytes:
        """Return bytes of a file from storage.

        Raises:
            SetError: there is no such file; other errors of formats/object_store.py.
        """
        try:
            data = path.read_range(span[0], span[1] - span[0])
        except FileNotFoundError as error:
            raise missing_file(path, error) from None
        self.count(range_bytes=len(data))
        return data

    def members(self, path: RemotePath, span: Span, wanted: Mapping[int, tuple[int, int]]) -> list[bytes]:
        """Return members out of one stretch of a file: asked for a second time where one came damaged.

        Args:
            path: the file.
            span: the stretch.
            wanted: size and CRC-32C of each member by its offset.
        """
        parts: list[bytes] = []
        for attempt in range(2):
            data = self.stretch(path, span)
            parts = [data[offset - span[0] :][:size] for offset, (size, _) in wanted.items()]
            if all(crc32c(part) == crc for part, (_, crc) in zip(parts, wanted.values(), strict=True)):
                break
            self.count(again=int(attempt == 0))
        return parts


def _in_a_line(error: Exception) -> str:
    if isinstance(error, TextshardsError):
        return ": ".join(part for part in (error.thing, error.found) if part)
    return " ".join(str(error).split()) or type(error).__name__
