"""In which order an epoch reads a set, and what of it each process reads.

The order is a pure function of (seed, epoch, fingerprint of the set): a full permutation, so that no sample
comes twice or is missing. It does not depend on the number of processes. An epoch is cut into *global
batches* of `batch_size` samples, one an optimiser step; the processes share each of them. A run that goes on
with another number of processes therefore takes the same steps on the same samples.

The last global batch may be short. With `drop_last` it is left out: which samples these are changes with
every epoch. Without, it comes short; nothing is repeated or padded to fill it, and some processes get a
sample less, or none. Each has all batches of an epoch nevertheless, so that none waits for another in vain.
"""

from __future__ import annotations

import numpy as np

from formats.errors import UsageError
from train.lots import Numbers, permutation
from train.shard_order import lanes_of, shard_order


class ShareError(UsageError):
    """A batch that the processes of a run cannot share evenly: an error that each of them meets."""


def _unshared(batch_size: int, world: int) -> ShareError:
    fitting = [str(number) for number in range(1, 2 * world) if not batch_size % number]
    return ShareError(
        f"batch_size {batch_size} with {world} processes",
        expected="a multiple of the number of processes: each takes the same share of a batch",
        next_step=f"use {' or '.join(fitting)} processes, "
        f"or set data.stream.batch_size to a multiple of {world}",
    )


class Order:
    """One process's share of a set's global batches.

    Rank r takes the samples r, r + world, r + 2 world, ... of each global batch. All ranks have as many of
    each whole batch; of a short one (without `drop_last`) they may differ by one sample, and some may have
    none.

    Args:
        count: samples in the set.
        fingerprint: the set's fingerprint.
        seed: of the run.
        batch_size: samples of a global batch.
        shuffle: False: the order of the set, in every epoch.
        drop_last: leave out a short last batch.
        rank: this process, from 0.
        world: number of processes.
        shards: first number of each shard and the number of samples: shuffle some shards at a time, see
            `train.shard_order`; None: over the whole set.
        window: shards that are shuffled together.

    Raises:
        ShareError: the batch cannot be shared evenly.
        UsageError: there is not one batch.
    """

    def __init__(
        self,
        count: int,
        fingerprint: str,
        *,
        seed: int,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = True,
        rank: int = 0,
        world: int = 1,
        shards: Numbers | None = None,
        window: int = 1,
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} of {world}")
        if batch_size % world:
            raise _unshared(batch_size, world)
        self.count, self.fingerprint, self.seed = count, fingerprint, seed
        self.batch_size, self.shuffle = batch_size, shuffle
        self.rank, self.world = rank, world
        self._shards, self._window = shards, window
        whole, rest = divmod(count, batch_size)
        self._batches = whole + (not drop_last and rest > 0)
        if not self._batches:
            raise UsageError(
                f"a set of {count} samples in batches of {batch_size}",
                expected="at least one batch",
                next_step=f"set data.stream.batch_size to {count} or less, or data.stream.drop_last=false"
                if count
                else "build a set with samples",
            )

    def __len__(self) -> int:
        """Return the number of global batches of an epoch, the same for all ranks."""
        return self._batches

    def size(self, position: int) -> int:
        """Return the number of samples of global batch `position`, over all ranks."""
        return min(self.batch_size, self.count - position * self.batch_size)

    def epoch(self, epoch: int) -> Numbers:
        """Return all numbers of the set in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.count)
        if self._shards is not None:
            lanes = lanes_of(self.batch_size)
            return shard_order(
                self._shards, self.seed, epoch, self.fingerprint, lanes=lanes, window=self._window
            )
        return permutation(self.count, "order", self.seed, epoch, self.fingerprint)

    def share_from(self, numbers: Numbers, start: int) -> Numbers:
        """Return all of this rank's samples from global batch `start` on; see `share`."""
        rest = numbers[start * self.batch_size : len(self) * self.batch_size]
        return rest[self.rank :: self.world]

    def share(self, numbers: Numbers, position: int) -> Numbers:
        """Return this rank's samples of global batch `position` of the order that `epoch` gave."""
        return self.batch(numbers, position)[self.rank :: self.world]

    def batch(self, numbers: Numbers, position: int) -> Numbers:
        """Return all samples of global batch `position` of the order that `epoch` gave."""
        return numbers[position * self.batch_size : (position + 1) * self.batch_size]
