"""What an epoch reads of a set in object storage, asked for before it is needed.

An epoch's order is known before it begins, so nothing has to be guessed. Samples that come up soon and whose
file is not here are asked for by range, many at once, neighbours in one request; the first batch comes that
way, one round trip after the set is open. Meanwhile whole files are fetched in the order they are needed, as
many as the cache holds at a time: a file that an epoch has done with makes room for the next.

With a full permutation every file is needed until the epoch's end. What does not fit then stays in storage
and is read by ranges; the files that are here stay, from epoch to epoch, instead of chasing each other out.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from formats.errors import DamageError, TextshardsError
from formats.manifest import FileRecord
from formats.remote_path import RemotePath
from formats.shard_index import Column
from formats.shards import ShardSet
from train.lots import Numbers
from train.remote_files import RemoteFiles, Span
from train.shard_cache import ShardCache
from train.storage_settings import StorageSettings

GAP, LONGEST = 64 << 10, 4 << 20
"""Samples no further apart than so many bytes are read in one request, up to so many bytes."""
TOGETHER = 16
"""Neighbours are looked for among so many samples of the order: what is needed first waits for no other."""
Coming = Future[bytes | None]
"""A member on its way; None: it is not coming this way, but lies in a file that is here."""


@dataclass(frozen=True)
class _Need:
    """A file an epoch reads: where it lies, and the places of its first and its last sample in the order."""

    path: RemotePath
    record: FileRecord
    first: int
    last: int


class ReadingAhead:
    """One epoch: ranges some samples ahead, whole files in the order they are needed.

    Args:
        files: where they are read and counted.
        settings: how many at once, and how far ahead.
        opened: the set.
        numbers: all samples that this process is going to read, in their order.
        members: names of the members it reads of each.

    Attributes:
        fault: a file that came damaged twice.
    """

    def __init__(
        self,
        files: RemoteFiles,
        settings: StorageSettings,
        opened: ShardSet,
        numbers: Numbers,
        members: tuple[str, ...],
    ) -> None:
        self.files, self.settings, self.opened = files, settings, opened
        self.numbers, self.members = numbers, members
        self.fault: DamageError | None = None
        self._coming: dict[tuple[str, int], Coming] = {}
        self._asked = self._reached = 0
        self._moved = threading.Condition()
        self._ended = False
        self._ranges = ThreadPoolExecutor(self.settings.requests, thread_name_prefix="ranges")
        self._files: list[_Need] = []
        self._whole: ThreadPoolExecutor | None = None

    def take(self, path: RemotePath, offset: int) -> Coming | None:
        """Return a member that was asked for, once; None: it was not."""
        with self._moved:
            return self._coming.pop((path.url, offset), None)

    def reached(self, place: int) -> None:
        """Note that the samples before a place in the order are being decoded; ask for what comes next."""
        with self._moved:
            self._reached = max(self._reached, place)
            self._moved.notify_all()
        until = min(place + self.settings.ahead, len(self.numbers))
        for begin in range(self._asked, until, TOGETHER):
            self._ask([int(number) for number in self.numbers[begin : min(begin + TOGETHER, until)]])
        self._asked = max(self._asked, until)
        if self._whole is None and self.files.cache is not None:
            self._begin_files(self.files.cache)

    def _ask(self, numbers: list[int]) -> None:
        rows: dict[RemotePath, dict[int, tuple[int, int]]] = {}
        for number in numbers:
            shard, row = self.opened.locate(number)
            for column in (shard.columns[name] for name in self.members):
                assert isinstance(column.path, RemotePath)
                if column.size[row] and not self.files.here(column.path):
                    place = rows.setdefault(column.path, {})
                    place[int(column.offset[row])] = (int(column.size[row]), int(column.crc32c[row]))
        for path, wanted in rows.items():
            for span, together in spans_of(wanted):
                coming: dict[tuple[str, int], Coming] = {(path.url, at): Future() for at in together}
                with self._moved:
                    self._coming |= coming
                self._ranges.submit(self._fetch, path, span, together, list(coming.values()))

    def _fetch(
        self,
        path: RemotePath,
        span: Span,
        wanted: dict[int, tuple[int, int]],
        coming: list[Coming],
    ) -> None:
        try:
            if self.files.here(path) or self._ended:
                parts: list[bytes | None] = [None] * len(wanted)
            else:
                parts = [*self.files.members(path, span, wanted)]
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
            _Need(path, self.files.record(path), first, len(self.numbers) if spread else last)
            for path, (first, last) in places.items()
        ]
        self._files.sort(key=lambda need: (spread and not self.files.here(need.path), need.first))
        self._taken: list[_Need] = []
        self._whole = ThreadPoolExecutor(self.settings.downloads, thread_name_prefix="files")
        for _ in range(self.settings.downloads):
            self._whole.submit(self._fetch_files, cache)

    def _fetch_files(self, cache: ShardCache) -> None:
        while (need := self._next_file(cache.limit)) is not None:
            try:
                travelled = cache.fetch(need.path, need.record, wait=False, stop=lambda: self._ended)
            except DamageError as error:
                self.fault = error
                return
            except (OSError, TextshardsError) as error:
                # Ranges go on without the file, and end the epoch where storage does not answer them either.
                self._give_up_room(need)
                self.files.not_kept(need.path, error)
                continue
            if travelled is None:
                self._give_up_room(need)
                with self._moved:  # another process is at it: look again later
                    self._files.append(need)
                    self._moved.wait(0.2)
                continue
            self.files.count(file_bytes=travelled, again=int(travelled > need.record.bytes))

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
        """End the epoch's threads; a file on its way is left at its next piece, what came and was not read
        is dropped.
        """
        with self._moved:
            self._ended = True
            self._moved.notify_all()
        self._ranges.shutdown(wait=True, cancel_futures=True)
        if self._whole is not None:
            self._whole.shutdown(wait=True, cancel_futures=True)


def spans_of(wanted: Mapping[int, tuple[int, int]]) -> list[tuple[Span, dict[int, tuple[int, int]]]]:
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
