"""An order of samples that reads a set shard by shard: for sets larger than the cache before object storage.

The batch's places are dealt out to *lanes*: place j belongs to lane j mod L. The shards, in an order of their
own, are cut into L stretches of as many samples, one a lane, for the whole run. In each epoch a lane takes
its shards in another order, some at a time, and shuffles the samples of those together. So few shards are
open at once, a sample meets those of all other lanes, and each sample comes once.

Rank r of W takes the places j = r mod W. Where W divides L these are whole lanes: a process then reads the
same share of the shards in every epoch, and its cache needs to hold no other. The order itself is a pure
function of (seed, epoch, fingerprint, batch size, window), whatever W is.
"""

from __future__ import annotations

import numpy as np

from train.lots import Numbers, permutation

MOST_LANES = 64


def lanes_of(batch_size: int) -> int:
    """Return the number of lanes: the largest divisor of the batch size, 64 at most."""
    return next(lanes for lanes in range(min(MOST_LANES, batch_size), 0, -1) if batch_size % lanes == 0)


def shard_order(
    starts: Numbers, seed: int, epoch: int, fingerprint: str, *, lanes: int, window: int
) -> Numbers:
    """Return the numbers of all samples in the order of one epoch.

    Args:
        starts: (S + 1,) first number of each shard, and the number of samples.
        seed: of the run.
        epoch: from 0.
        fingerprint: of the set.
        lanes: see above.
        window: shards that a lane shuffles together.
    """
    count = int(starts[-1])
    shards = permutation(len(starts) - 1, "shards", seed, fingerprint)
    sequence = np.concatenate([np.arange(starts[s], starts[s + 1]) for s in shards] or [np.arange(0)])
    ends = np.cumsum(np.diff(starts)[shards])
    whole, rest = divmod(count, lanes)
    order = np.empty(count, np.int64)
    begin = 0
    for lane in range(min(lanes, count)):
        end = begin + whole + (lane < rest)
        cuts = ends[(ends > begin) & (ends < end)] - begin
        pieces = np.split(sequence[begin:end], cuts)
        order[lane::lanes] = _shuffled(pieces, window, (seed, epoch, fingerprint, lane))
        begin = end
    return order


def _shuffled(pieces: list[Numbers], window: int, parts: tuple[str | int, ...]) -> Numbers:
    """Return the samples of a lane's shards: shards in random order, samples of a window of them mixed."""
    drawn = permutation(len(pieces), "pieces", *parts)
    together = [
        np.concatenate([pieces[p] for p in drawn[i : i + window]]) for i in range(0, len(drawn), window)
    ]
    return np.concatenate(
        [numbers[permutation(len(numbers), "window", i, *parts)] for i, numbers in enumerate(together)]
    )
