"""The reader of a set in object storage, as a `ShardSet` has it: see train/reading_ahead.py for its way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from formats.errors import DamageError
from formats.places import Place
from formats.remote_path import RemotePath
from formats.shards import ShardSet
from formats.wording import counted
from train.lots import Numbers
from train.reading_ahead import ReadingAhead
from train.remote_files import RemoteFiles
from train.shard_cache import ShardCache
from train.storage_settings import StorageSettings, Traffic


class RemoteReader:
    """Reads members for a `ShardSet`. `plan` and `reached` tell it what comes.

    Args:
        settings: how it reads.
        cache: whole files on the local disk; None: ranges alone.

    Attributes:
        fault: a file that came damaged twice in a former epoch: the next read raises it.
    """

    def __init__(self, settings: StorageSettings, cache: ShardCache | None) -> None:
        self.settings, self.files = settings, RemoteFiles(cache)
        self.fault: DamageError | None = None
        self._ahead: ReadingAhead | None = None

    @property
    def traffic(self) -> Traffic:
        """What it took."""
        return self.files.traffic

    @property
    def fallbacks(self) -> str:
        """Files that were read by ranges because the local cache did not get them, and why; "": none."""
        files = self.files
        if not files.traffic.not_kept:
            return ""
        told = counted(files.traffic.not_kept, "file")
        return f"{told} not kept in the local cache but read by ranges ({files.not_kept_why})"

    def open(self, folder: Place, splits: Sequence[str] | None = None, *, variants: bool = False) -> ShardSet:
        """Open a set that is read by this reader."""
        opened = ShardSet(folder, splits, variants=variants, read=self, again=self.past_cache)
        self.files.know(opened)
        return opened

    def __call__(self, path: Place, size: int, offset: int) -> bytes:
        """Return bytes of a file; see `formats.shards.ReadRange`."""
        assert isinstance(path, RemotePath)
        self._raise_fault()
        data = self.files.local(path, size, offset)
        if data is not None:
            self.files.count(local=1)
            return data
        ahead = self._ahead
        coming = ahead.take(path, offset) if ahead is not None else None
        started = time.perf_counter()
        data = coming.result() if coming is not None else None
        if data is None:
            data = self.files.stretch(path, (offset, offset + size))
        self.files.count(ahead=int(coming is not None), late=int(coming is None))
        self.files.count(wait_s=time.perf_counter() - started)
        return data

    def _raise_fault(self) -> None:
        ahead = self._ahead
        fault = self.fault or (ahead.fault if ahead is not None else None)
        if fault is not None:
            raise fault

    def past_cache(self, path: Place, size: int, offset: int) -> bytes:
        """Return bytes from storage, and drop the file that is here: it came whole and was damaged since."""
        assert isinstance(path, RemotePath)
        self.files.drop(path)
        self.files.count(again=1)
        return self.files.stretch(path, (offset, offset + size))

    def plan(self, opened: ShardSet, numbers: Numbers, members: Iterable[str]) -> None:
        """Begin an epoch: these samples come, in this order, and these members of them are read.

        Args:
            opened: the set, as `open` returned it.
            numbers: all samples that this process is going to read.
            members: names of the members it reads.
        """
        self.end()
        self._ahead = ReadingAhead(self.files, self.settings, opened, numbers, tuple(members))
        self._ahead.reached(0)

    def reached(self, place: int) -> None:
        """Note that the samples before this place in the order are being decoded."""
        if self._ahead is not None:
            self._ahead.reached(place)

    def end(self) -> None:
        """End the epoch; what was asked for and not read is dropped."""
        if self._ahead is not None:
            self._ahead.close()
            self.fault = self.fault or self._ahead.fault
            self._ahead = None


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
