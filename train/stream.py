"""The stream: batches of a set, decoded ahead by threads into memory that is used again and again.

Each member is read at its recorded place and checked against its recorded CRC-32C (with verify=first a raw
page once only); each shard is hashed as a whole when it is first read, beside that (train.shard_hashes).
Decoding, decompression and warping drop Python's lock, so threads do what worker processes would, without
copying between processes.
Nothing is rendered here, and nothing is skipped: a sample that cannot be decoded ends the epoch with an error
that names it.
"""

from __future__ import annotations

import inspect
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import cv2
from pydantic import Field

from formats.shards import ShardSet
from formats.spec import Section, Side
from train.augment import AugmentSettings
from train.batch import Batch, Slot
from train.cache import PageCache
from train.decode import Decoder
from train.lots import Numbers
from train.order import Order
from train.remote_reader import RemoteReader
from train.shard_hashes import ShardHashes
from train.versions import Versions

MEMBERS_NOT_READ = ("meta",)
Verify = Literal["shards", "members", "first"]


class StreamSettings(Section):
    """How a set is streamed."""

    batch_size: int = Field(16, ge=1, le=65536, description="samples a step, over all processes together")
    threads: int = Field(2, ge=1, le=256, description="decode threads of each process")
    prefetch: int = Field(3, ge=1, le=64, description="batches decoded ahead")
    crop: tuple[Side, Side] | None = Field(
        (640, 640), description="height, width of training crops; null: the canvas. Evaluation: whole pages"
    )
    drop_last: bool = Field(True, description="leave out a short last batch; others are left out next epoch")
    shuffle: Literal["full", "shards"] = Field(
        "full",
        description="order of training: over the whole set, or some shards at a time (large remote sets)",
    )
    shuffle_window: int = Field(2, ge=1, le=4096, description="with shuffle=shards: shards a lane mixes")
    cache_mb: int = Field(
        0, ge=0, description="MiB of decoded pages that each process keeps for later epochs; 0: none"
    )
    verify: Verify = Field(
        "shards",
        description="members: what is read is checked against its CRC-32C; shards: that too, and each shard "
        "against its SHA-256 once, when first read; first: as shards, but raw pages only the first time",
    )


@dataclass
class Statistics:
    """What a stream did since it was made.

    Attributes:
        wait_s: seconds the consumer waited for a batch.
        samples: samples streamed.
        bytes_read: bytes of the shards read for them.
        cached: samples that came from memory instead.
    """

    wait_s: float = 0.0
    samples: int = 0
    bytes_read: int = 0
    cached: int = 0

    @property
    def read(self) -> int:
        """Samples whose members were read, and checked as `verify` says."""
        return self.samples - self.cached


@dataclass(frozen=True)
class _Pending:
    """A batch on its way.

    Attributes:
        rows: its rows that no thread has taken yet, with the samples' numbers.
        decoding: one a thread: the numbers of the samples that it read for its rows.
    """

    slot: Slot
    numbers: tuple[int, ...]
    position: int
    rows: Iterator[tuple[int, int]]
    decoding: list[Future[list[int]]]


class Stream:
    """Batches of a set, epoch by epoch.

    With `augment`, crops in the order of a full permutation by (seed, epoch), of one variant of each page
    where the set was opened with them (train/versions.py); without, whole pages as stored in the order of the
    set, for evaluation. See `train.order` for what processes share and `train.augment`
    for what is drawn. Memory: (prefetch + 1) batches, the decoded page and planes of each thread, the cache.

    ::

        pages = ShardSet(Path("sets/sroie"), ["train"])
        stream = Stream(pages, StreamSettings(), seed=42, augment=AugmentSettings())
        for batch in stream.epoch(0):
            batch.images_NHWC, batch.planes  # uint8; train.maps.MapReader makes float targets of the planes

    OpenCV is told to use one thread a call, in the whole process: the threads here do better.

    Args:
        shard_set: the set.
        settings: how it is streamed.
        seed: of the run.
        augment: how pages are augmented; None: not at all.
        rank: this process, from 0.
        world: number of processes.

    Raises:
        UsageError: an epoch would have no batch, or processes cannot share one.
        ValueError: whole pages are asked for of a set that is open with its variants.
    """

    def __init__(
        self,
        shard_set: ShardSet,
        settings: StreamSettings,
        *,
        seed: int,
        augment: AugmentSettings | None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if augment is None and len(shard_set) > shard_set.pages:
            raise ValueError("whole pages of a set opened with variants: open it without, or augment")
        self.settings = settings
        self.statistics = Statistics()
        self._set = shard_set
        self._order = Order(
            len(shard_set) if augment is None else shard_set.pages,
            shard_set.manifest.fingerprint,
            seed=seed,
            batch_size=settings.batch_size,
            shuffle=augment is not None,
            drop_last=settings.drop_last,
            rank=rank,
            world=world,
            shards=_page_starts(shard_set) if settings.shuffle == "shards" else None,
            window=settings.shuffle_window,
        )
        self._decoder = Decoder(
            shard_set,
            crop=settings.crop,
            augment=augment,
            seed=seed,
            cache_bytes=settings.cache_mb << 20,
            once=settings.verify == "first",
        )
        self._versions = Versions(shard_set, seed) if augment is not None else None
        self._slots: list[Slot] = []
        self._running: weakref.ref[_Epoch] | None = None
        # Files that come from storage are hashed as they arrive (train.remote_reader).
        here = settings.verify != "members" and not isinstance(shard_set.read, RemoteReader)
        answered_for = shard_set.shards[rank::world] if here else []
        self._hashes = ShardHashes(shard_set, answered_for)
        columns = shard_set.shards[0].columns if shard_set.shards else {}
        self._members = [name for name in columns if name not in MEMBERS_NOT_READ]
        self._read_members = self._members if augment is not None else list(columns)

    def __len__(self) -> int:
        """Return the number of global batches of an epoch, the same for all processes."""
        return len(self._order)

    def size(self, position: int) -> int:
        """Return the number of samples of batch `position` of an epoch, over all processes."""
        return self._order.size(position)

    @property
    def cache(self) -> PageCache:
        """The decoded pages kept in memory."""
        return self._decoder.cache

    @property
    def shards_verified(self) -> int:
        """Number of shards hashed as a whole so far, in this process: the processes share them out."""
        return self._hashes.verified

    @property
    def verified_names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self._hashes.names)

    def finish_hashing(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Hash what is left of the shards that were read, unless `stop` says so meanwhile.

        Raises:
            DamageError, SetError: a shard is not what was written.
        """
        self.close()
        self._hashes.finish(stop)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch; an iteration that is still open cannot go on.

        Args:
            epoch: counted from 0.
            start: first batch to give: the number of batches taken before a run was stopped.

        Raises:
            DamageError, SetError: while iterating: a sample could not be decoded, or a shard's hash is not
                that of its manifest; names it.
        """
        if not 0 <= start <= len(self):
            raise ValueError(f"batch {start} of an epoch of {len(self)}")
        self.close()
        batches = _Epoch(self._batches(epoch, start))
        self._running = weakref.ref(batches)
        return batches

    def close(self) -> None:
        """End the iteration that is open, if any, and its threads."""
        batches = self._running() if self._running is not None else None
        if batches is not None:
            batches.close()

    def _batches(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        cv2.setNumThreads(1)
        with self._hashes.working():
            yield from self._decoded(epoch, start)

    def _decoded(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        order = self._order.epoch(epoch)
        reader = self._set.read if isinstance(self._set.read, RemoteReader) else None
        if reader is not None:
            coming = self._chosen(self._order.share_from(order, start), epoch)
            reader.plan(self._set, coming, self._read_members)
        free, pending = list(self._memory()), deque[_Pending]()
        pool = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="decode")
        position = start
        try:
            while position < len(self) or pending:
                while free and position < len(self):
                    if reader is not None:
                        reader.reached((position - start) * (self.settings.batch_size // self._order.world))
                    pending.append(self._begin(pool, free.pop(), order, epoch, position))
                    position += 1
                batch = self._finish(pending[0])
                taken = pending.popleft()
                yield batch
                free.append(taken.slot)
        finally:
            for left in pending:
                deque(left.rows, maxlen=0)  # no thread takes another
            pool.shutdown(wait=True, cancel_futures=True)
            # Not before: a row that is being decoded may wait for a range that has still to be asked for.
            if reader is not None:
                reader.end()

    def _memory(self) -> list[Slot]:
        local = -(-self.settings.batch_size // self._order.world)
        while len(self._slots) < min(self.settings.prefetch + 1, len(self)):
            self._slots.append(Slot(local, self._decoder.size, self._decoder.shapes))
        return self._slots

    def _begin(
        self, pool: ThreadPoolExecutor, slot: Slot, order: Numbers, epoch: int, position: int
    ) -> _Pending:
        numbers = tuple(self._chosen(self._order.share(order, position), epoch).tolist())
        everybody = self._chosen(self._order.batch(order, position), epoch).tolist()
        self._hashes.ask(self._set.locate(number)[0].name for number in everybody)
        slot.wait_until_free()
        # Each thread takes the next row that is left: a task a row would wake the consumer after each.
        rows = iter(enumerate(numbers))
        tasks = min(self.settings.threads, len(numbers))
        decoding = [pool.submit(self._decode_rows, slot, rows, epoch) for _ in range(tasks)]
        return _Pending(slot, numbers, position, rows, decoding)

    def _decode_rows(self, slot: Slot, rows: Iterator[tuple[int, int]], epoch: int) -> list[int]:
        """Decode the rows that are left; return the numbers of the samples that were read for it."""
        return [number for row, number in rows if self._decoder(slot, row, number, epoch)]

    def _chosen(self, pages: Numbers, epoch: int) -> Numbers:
        return pages if self._versions is None else self._versions.chosen(pages, epoch)

    def _finish(self, pending: _Pending) -> Batch:
        started = time.perf_counter()
        read = [number for decoded in pending.decoding for number in decoded.result()]
        self._hashes.check()
        self.statistics.wait_s += time.perf_counter() - started
        self.statistics.samples += len(pending.numbers)
        self.statistics.cached += len(pending.numbers) - len(read)
        self.statistics.bytes_read += sum(self._set.stored_bytes(number, self._members) for number in read)
        return Batch.of(pending.slot, pending.numbers, pending.position)


class _Epoch(Iterator[Batch]):
    """An epoch's batches. Closed from outside it says so, where a generator would seem to be at its end."""

    def __init__(self, batches: Generator[Batch, None, None]) -> None:
        self._batches, self._closed = batches, False

    def __next__(self) -> Batch:
        if self._closed:
            raise RuntimeError("an epoch that was ended: the stream was closed, or began another epoch")
        return next(self._batches)

    def close(self) -> None:
        """End the iteration."""
        self._closed = inspect.getgeneratorstate(self._batches) != inspect.GEN_CLOSED
        self._batches.close()


def _page_starts(shard_set: ShardSet) -> Numbers:
    """Return the first number of each shard of pages as they are, and the number of pages."""
    return shard_set.starts[shard_set.starts <= shard_set.pages]
