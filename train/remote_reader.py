"""Reading a set in object storage while training: from whole files on the local disk, else by ranges ahead.

An epoch's order is known before it begins, so nothing has to be guessed. Samples that come up soon and whose
file is not here are asked for by range, many at once, neighbours in one request; the first batch comes that
way, one round trip after the set is open. Meanwhile whole files are fetched in the order they are needed, as
many as the cache holds at a time: a file that an epoch has done with makes room for the next.

With a full permutation every file is needed until the epoch's end. What does not fit then stays in storage
and is read by ranges; the files that are here stay, from epoch to epoch, instead of chasing each other out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from formats.errors import DamageError, TextshardsError
from formats.manifest import FileRecord
from formats.places import Place
from formats.remote_path import RemotePath
from formats.shard_index import Column
from formats.shards import ShardSet
from formats.storage import crc32c, missing_file
from train.lots import Numbers
from train.shard_cache import ShardCache
from train.storage_settings import StorageSettings, Traffic

GAP, LONGEST = 64 << 10, 4 << 20
"""Samples no further apart than so many bytes are read in one request, up to so many bytes."""
TOGETHER = 16
"""Neighbours are looked for among so many samples of the order: what is needed first waits for no other."""
Span = tuple[int, int]


@dataclass(frozen=True)
class _Need:
    """A file an epoch reads: where it lies, and the places of its first and its last sample in the order."""

    path: RemotePath
    record: FileRecord
    first: int
    last: int


class RemoteReader:
    """Reads members for a `ShardSet`; see above. `plan` and `reached` tell it what comes.

    Args:
        settings: how it reads.
        cache: whole files on the local disk; None: ranges alone.

    Attributes:
        traffic: what it took.
        fault: a file that came damaged twice: the next read raises it.
    """

    def __init__(self, settings: StorageSettings, cache: ShardCache | None) -> None:
        self.settings, self.cache, self.traffic = settings, cache, Traffic()
        self._records: dict[str, FileRecord] = {}
        self._coming: dict[tuple[str, int], Future[bytes | None]] = {}
        self._lock = threading.Lock()
        self._plan: _Plan | None = None
        self.fault: DamageError | None = None

    def open(self, folder: Place, splits: Sequence[str] | None = None, *, variants: bool = False) -> ShardSet:
        """Open a set that is read by this reader."""
        opened = ShardSet(folder, splits, variants=variants, read=self, again=self.past_cache)
        self._records = {
            column.path.url: shard.files[str(column.path)]
            for shard in opened.shards
            for column in shard.columns.values()
            if isinstance(column.path, RemotePath)
        }
        return opened

    def __call__(self, path: Place, size: int, offset: int) -> bytes:
        """Return bytes of a file; see `formats.shards.ReadRange`."""
        assert isinstance(path, RemotePath)
        if self.fault is not None:
            raise self.fault
        data = self._local(path, size, offset)
        if data is not None:
            self._count(local=1)
            return data
        with self._lock:
            coming = self._coming.pop((path.url, offset), None)
        started = time.perf_counter()
        data = coming.result() if coming is not None else None
        if data is None:
            data = self._range(path, offset, size)
        self._count(ahead=int(coming is not None), late=int(coming is None))
        self._count(wait_s=time.perf_counter() - started)
        return data

    def _count(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.traffic, name, getattr(self.traffic, name) + amount)

    def _local(self, path: RemotePath, size: int, offset: int) -> bytes | None:
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

    def past_cache(self, path: Place, size: int, offset: int) -> bytes:
        """Return bytes from storage, and drop the file that is here: it came whole and was damaged since."""
        assert isinstance(path, RemotePath)
        record = self._records.get(path.url)
        if self.cache is not None and record is not None:
            self.cache.drop(record.sha256)
        self._count(again=1)
        return self._range(path, offset, size)

    def _range(self, path: RemotePath, offset: int, size: int) -> bytes:
        try:
            data = path.read_range(offset, size)
        except FileNotFoundError as error:
            raise missing_file(path, error) from None
        self._count(range_bytes=len(data))
        return data

    def plan(self, opened: ShardSet, numbers: Numbers, members: Iterable[str]) -> None:
        """Begin an epoch: these samples come, in this order, and these members of them are read.

        Args:
            opened: the set, as `open` returned it.
            numbers: all samples that this process is going to read.
            members: names of the members it reads.
        """
        self.end()
        self._plan = _Plan(self, opened, numbers, tuple(members))
        self.reached(0)

    def reached(self, place: int) -> None:
        """Note that the samples before this place in the order are being decoded."""
        if self._plan is not None:
            self._plan.advance(place)

    def end(self) -> None:
        """End the epoch; what was asked for and not read is dropped."""
        if self._plan is not None:
            self._plan.close()
            self._plan = None
        with self._lock:
            self._coming.clear()

    def expect(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Future[bytes | None]]:
        """Note members that are on their way; return what takes their bytes."""
        coming: dict[tuple[str, int], Future[bytes | None]] = {key: Future() for key in keys}
        with self._lock:
            self._coming |= coming
        return coming

    def here(self, path: RemotePath) -> bool:
        """Tell whether a file is on the local disk."""
        record = self._records.get(path.url)
        return self.cache is not None and record is not None and self.cache.get(record.sha256) is not None

    def record(self, path: RemotePath) -> FileRecord:
        """Return the manifest's record of a file."""
        return self._records[path.url]

    def fetch_ranges(
        self, path: RemotePath, span: Span, wanted: Mapping[int, tuple[int, int]]
    ) -> list[bytes]:
        """Return members out of one stretch of a file: asked for a second time where one came damaged.

        Args:
            path: the file.
            span: begin and end of the stretch.
            wanted: size and CRC-32C of each member by its offset.
        """
        parts: list[bytes] = []
        for attempt in range(2):
            data = self._range(path, span[0], span[1] - span[0])
            parts = [data[offset - span[0] :][:size] for offset, (size, _) in wanted.items()]
            if all(crc32c(part) == crc for part, (_, crc) in zip(parts, wanted.values(), strict=True)):
                break
            self._count(again=int(attempt == 0))
        return parts


def open_set(
    shards: Place, splits: Sequence[str], settings: StorageSettings, *, variants: bool = False
) -> tuple[ShardSet, RemoteReader | None]:
    """Open splits of a set, on demand with their variants; one in object storage with a reader of its own.

    Raises:
        TextshardsError: see `formats.shards.ShardSet`.
    """
    if not isinstance(shards, RemotePath):
        return ShardSet(shards, splits, variants=variants), None
    reader = RemoteReader(settings, settings.open_cache())
    return reader.open(shards, splits, variants=variants), reader


class _Plan:
    """One epoch: ranges some samples ahead, whole files in the order they are needed."""

    def __init__(
        self, reader: RemoteReader, opened: ShardSet, numbers: Numbers, members: tuple[str, ...]
    ) -> None:
        self.reader, self.opened, self.numbers, self.members = reader, opened, numbers, members
        self._asked = self._reached = 0
        self._moved = threading.Condition()
        self._ended = False
        settings = reader.settings
        self._ranges = ThreadPoolExecutor(settings.requests, thread_name_prefix="ranges")
        self._files: list[_Need] = []
        self._whole: ThreadPoolExecutor | None = None

    def advance(self, place: int) -> None:
        """Ask for what comes up from a place on."""
        with self._moved:
            self._reached = max(self._reached, place)
            self._moved.notify_all()
        until = min(place + self.reader.settings.ahead, len(self.numbers))
        for begin in range(self._asked, until, TOGETHER):
            self._ask([int(number) for number in self.numbers[begin : min(begin + TOGETHER, until)]])
        self._asked = max(self._asked, until)
        if self._whole is None and self.reader.cache is not None:
            self._begin_files(self.reader.cache)

    def _ask(self, numbers: list[int]) -> None:
        rows: dict[RemotePath, dict[int, tuple[int, int]]] = {}
        for number in numbers:
            shard, row = self.opened.locate(number)
            for column in (shard.columns[name] for name in self.members):
                assert isinstance(column.path, RemotePath)
                if column.size[row] and not self.reader.here(column.path):
                    place = rows.setdefault(column.path, {})
                    place[int(column.offset[row])] = (int(column.size[row]), int(column.crc32c[row]))
        for path, wanted in rows.items():
            for span, together in _spans(wanted):
                coming = self.reader.expect((path.url, offset) for offset in together)
                self._ranges.submit(self._fetch, path, span, together, list(coming.values()))

    def _fetch(
        self,
        path: RemotePath,
        span: Span,
        wanted: dict[int, tuple[int, int]],
        coming: list[Future[bytes | None]],
    ) -> None:
        try:
            if self.reader.here(path) or self._ended:
                parts: list[bytes | None] = [None] * len(wanted)
            else:
                parts = [*self.reader.fetch_ranges(path, span, wanted)]
            for future, part in zip(coming, parts, strict=True):
                future.set_result(part)
        except BaseException as error:
            for future in coming:
                future.set_exception(error)

    def _begin_files(self, cache: ShardCache) -> None:
        places: dict[RemotePath, list[int]] = {}
        shards = np.searchsorted(self.opened.starts, self.numbers, side="right") - 1
        for shard in dict.fromkeys(shards.tolist()):
            found = np.flatnonzero(shards == shard)
            columns: list[Column] = [self.opened.shards[shard].columns[name] for name in self.members]
            for column in columns:
                assert isinstance(column.path, RemotePath)
                places[column.path] = [int(found[0]), int(found[-1])]
        reach = np.mean([last - first for first, last in places.values()] or [0])
        # Of a full permutation each file is needed to the end, and in the next epoch: what is here stays.
        spread = bool(reach > len(self.numbers) / 2)
        self._files = [
            _Need(path, self.reader.record(path), first, len(self.numbers) if spread else last)
            for path, (first, last) in places.items()
        ]
        self._files.sort(key=lambda need: (spread and not self.reader.here(need.path), need.first))
        self._taken: list[_Need] = []
        self._whole = ThreadPoolExecutor(self.reader.settings.downloads, thread_name_prefix="files")
        for _ in range(self.reader.settings.downloads):
            self._whole.submit(self._fetch_files, cache)

    def _fetch_files(self, cache: ShardCache) -> None:
        while (need := self._next_file(cache.limit)) is not None:
            try:
                travelled = cache.fetch(need.path, need.record, wait=False, stop=lambda: self._ended)
            except DamageError as error:
                self.reader.fault = error
                return
            except (OSError, TextshardsError):
                # Ranges go on without the file, and end the epoch where storage does not answer them either.
                self._give_up_room(need)
                continue
            if travelled is None:
                self._give_up_room(need)
                with self._moved:  # another process is at it: look again later
                    self._files.append(need)
                    self._moved.wait(0.2)
                continue
            self.reader._count(file_bytes=travelled, again=int(travelled > need.record.bytes))

    def _next_file(self, limit: int) -> _Need | None:
        """Return the next file to fetch, as soon as those still needed leave room for it."""
        with self._moved:
            while self._files and not self._ended:
                need = self._files[0]
                self._taken = [taken for taken in self._taken if taken.last >= self._reached]
                room = limit - sum(taken.record.bytes for taken in self._taken)
                if need.last < self._reached or need.record.bytes > limit:
                    self._files.pop(0)
                elif need.record.bytes <= room:
                    self._taken.append(self._files.pop(0))
                    return need
                else:
                    self._moved.wait(1.0)
        return None

    def _give_up_room(self, need: _Need) -> None:
        with self._moved:
            self._taken = [taken for taken in self._taken if taken is not need]

    def close(self) -> None:
        """End the epoch's threads; a file on its way is left at its next piece."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()
        self._ranges.shutdown(wait=True, cancel_futures=True)
        if self._whole is not None:
            self._whole.shutdown(wait=True, cancel_futures=True)


def _spans(wanted: Mapping[int, tuple[int, int]]) -> list[tuple[Span, dict[int, tuple[int, int]]]]:
    """Return the stretches of a file that cover members, neighbours together: each with its members."""
    spans: list[tuple[Span, dict[int, tuple[int, int]]]] = []
    for offset, (size, crc) in sorted(wanted.items()):
        if spans:
            (begin, end), together = spans[-1]
            if offset - end <= GAP and offset + size - begin <= LONGEST:
                spans[-1] = ((begin, max(end, offset + size)), {**together, offset: (size, crc)})
                continue
        spans.append(((offset, offset + size), {offset: (size, crc)}))
    return spans
