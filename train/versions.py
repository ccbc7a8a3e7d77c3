"""Which variant of each page an epoch learns from, where a set holds distorted ones.

In n epochs, n being how many versions a page has (itself and its variants), each of them comes once, in an
order of the page's own: a pure function of (seed, epoch, key of the page). Which pages an epoch learns from,
and that each comes once, is train.order's affair and does not know of it.
"""

from __future__ import annotations

import numpy as np

from formats.shards import ShardSet
from train.lots import Numbers, permutation


class Versions:
    """The versions of a set's pages.

    Args:
        shard_set: the set; opened with its variants, or without, when each page is its only version.
        seed: of the run.
    """

    def __init__(self, shard_set: ShardSet, seed: int) -> None:
        self._set, self._seed = shard_set, seed
        self._versions = np.stack(shard_set.versions()) if len(shard_set) > shard_set.pages else None

    def chosen(self, pages: Numbers, epoch: int) -> Numbers:
        """Return the numbers of the samples that stand for pages, given by number, in an epoch."""
        if self._versions is None:
            return pages
        return np.array([self._choose(page, epoch) for page in pages.tolist()], np.int64)

    def _choose(self, page: int, epoch: int) -> int:
        assert self._versions is not None
        there = self._versions[:, page]
        there = there[there >= 0]
        round_, turn = divmod(epoch, len(there))
        drawn = permutation(len(there), "variant", self._seed, round_, self._set.key(page))
        return int(there[drawn[turn]])
