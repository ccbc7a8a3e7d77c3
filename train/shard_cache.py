"""Whole files of shards on a local disk, fetched from object storage once for all processes of a machine.

A file is named by its SHA-256, so that a set built anew can never be served from an old copy, and sets share
what they have in common. It is written beside, checked, and renamed: what bears its name is whole; what was
left half-way goes on the next time. A lock sees that two processes never fetch the same file at once. Where
room is short, the files least recently used go first; a reader that finds one gone asks storage again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from formats.disk import writing
from formats.errors import DamageError
from formats.manifest import REPAIR, FileRecord
from formats.remote_path import PIECE, RemotePath
from formats.storage import PARTIAL

TOUCH_S = 10.0
"""A file's time of use is noted at most so often: it orders hours, not milliseconds."""


class ShardCache:
    """Files by SHA-256, in a folder, up to a limit; safe to use from many threads and processes.

    Args:
        folder: where the files lie; made where missing.
        limit: bytes of all files together, at most.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()
        with writing(folder):
            (folder / "locks").mkdir(parents=True, exist_ok=True)

    def get(self, sha256: str) -> Path | None:
        """Return a file that is here; None where it is not."""
        path = self.folder / sha256
        now = time.monotonic()
        if now - self._used.get(sha256, -TOUCH_S) < TOUCH_S:
            return path
        try:
            os.utime(path)
        except FileNotFoundError:
            self.forget(sha256)
            return None
        self._used[sha256] = now
        return path

    def forget(self, sha256: str) -> None:
        """Note that a file has gone."""
        self._used.pop(sha256, None)

    def drop(self, sha256: str) -> None:
        """Remove a file that is no longer what it was fetched as; when next needed it is fetched anew."""
        (self.folder / sha256).unlink(missing_ok=True)
        self.forget(sha256)

    def fetch(
        self,
        source: RemotePath,
        record: FileRecord,
        *,
        wait: bool = True,
        stop: Callable[[], bool] = lambda: False,
    ) -> int | None:
        """See that a file is here; return the bytes that travelled for it.

        Args:
            source: where it lies in storage.
            record: its size and SHA-256.
            wait: for another process that is fetching it; else None is returned at once where one is.
            stop: asked between pieces; where it says so, None is returned.

        Raises:
            FileNotFoundError: storage has none.
            DamageError: what came is not the file recorded, twice.
            StorageError: storage that does not answer.
            TextshardsError: the disk is full.
        """
        with self._held(record.sha256[:2], wait=wait) as held:
            if not held:
                return None
            if self.get(record.sha256) is not None:
                return 0
            with writing(self.folder):
                self._make_room(record)
                return self._download(source, record, stop)

    def _download(self, source: RemotePath, record: FileRecord, stop: Callable[[], bool]) -> int | None:
        partial = self.folder / f"{record.sha256}{PARTIAL}"
        travelled = 0
        for _ in range(2):
            copy = _Copy()
            copy.run(source, record, partial, stop)
            travelled += copy.travelled
            if copy.stopped:
                return None
            if copy.sha256.hexdigest() == record.sha256:
                partial.replace(self.folder / record.sha256)
                return travelled
            partial.unlink()
        raise DamageError(
            str(source),
            expected=f"SHA-256 {record.sha256[:16]}... as recorded in the shard's manifest",
            found=f"{copy.sha256.hexdigest()[:16]}..., twice",
            next_step=REPAIR,
        )

    def _make_room(self, coming: FileRecord) -> None:
        """Remove the files used least recently until another has room."""
        with self._held("room", wait=True):
            files = []
            with os.scandir(self.folder) as entries:
                # Those half-way count too; one that nobody goes on with is soon the least recently used.
                for entry in entries:
                    if not entry.is_file() or entry.name == f"{coming.sha256}{PARTIAL}":
                        continue
                    with suppress(FileNotFoundError):  # it got its final name just now, or went
                        stat = entry.stat()
                        files.append((stat.st_mtime_ns, stat.st_size, entry.name))
            over = sum(bytes for _, bytes, _ in files) + coming.bytes - self.limit
            for _, bytes, name in sorted(files):
                if over <= 0:
                    return
                (self.folder / name).unlink(missing_ok=True)
                self.forget(name)
                over -= bytes

    @contextmanager
    def _held(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Hold one of the locks; they go with the process, however it ends."""
        with (self.folder / "locks" / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


class _Copy:
    """An object on its way to a file; one that was left half-way goes on where it was.

    Attributes:
        sha256: of what the file holds.
        travelled: bytes that came this time.
        stopped: whether it was told to stop.
    """

    def __init__(self) -> None:
        self.sha256, self.travelled, self.stopped = hashlib.sha256(), 0, False

    def run(self, source: RemotePath, record: FileRecord, to: Path, stop: Callable[[], bool]) -> None:
        """Copy piece by piece, each one request, until all has come, one is short, or `stop` says so."""
        with to.open("a+b") as file:
            file.seek(0)
            while data := file.read(PIECE):
                self.sha256.update(data)
            for offset in range(file.tell(), record.bytes, PIECE):
                self.stopped = stop()
                if self.stopped:
                    return
                size = min(PIECE, record.bytes - offset)
                data = source.read_range(offset, size)
                self.travelled += len(data)
                self.sha256.update(data)
                file.write(data)
                if len(data) < size:
                    return
