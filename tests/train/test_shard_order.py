"""The order that reads some shards at a time: each sample once, the same for any number of processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.order import Order
from train.shard_order import lanes_of, shard_order

STARTS = np.cumsum([0, *(40 + 7 * (n % 5) for n in range(60))])


def order(rank: int = 0, world: int = 1, batch_size: int = 16) -> Order:
    return Order(
        int(STARTS[-1]), "f", seed=3, batch_size=batch_size, rank=rank, world=world, shards=STARTS, window=2
    )


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_each_sample_comes_once(sizes: list[int], lanes: int, window: int, epoch: int) -> None:
    starts = np.cumsum([0, *sizes])
    found = shard_order(starts, 1, epoch, "f", lanes=lanes, window=window)
    assert sorted(found.tolist()) == list(range(starts[-1]))
    assert np.array_equal(found, shard_order(starts, 1, epoch, "f", lanes=lanes, window=window))


def test_epochs_seeds_and_sets_have_orders_of_their_own() -> None:
    orders = {
        tuple(shard_order(STARTS, seed, epoch, name, lanes=4, window=2).tolist())
        for seed in (0, 1)
        for epoch in (0, 1)
        for name in ("a", "b")
    }
    assert len(orders) == 8


@pytest.mark.parametrize("world", [2, 4, 8])
def test_processes_share_what_one_would_read(world: int) -> None:
    whole = order().epoch(1)
    shares = [order(rank, world).share_from(order(rank, world).epoch(1), 0) for rank in range(world)]
    cut = len(order()) * 16
    assert sorted(np.concatenate(shares).tolist()) == sorted(whole[:cut].tolist())


def test_a_process_reads_its_own_share_of_the_shards_in_every_epoch() -> None:
    world = 4
    for rank in range(world):
        mine = order(rank, world)
        read = {
            int(shard)
            for epoch in range(3)
            for shard in np.searchsorted(STARTS, mine.share_from(mine.epoch(epoch), 0), side="right") - 1
        }
        # A lane of 16 has 60/16 shards and, at its two ends, a part of another.
        assert len(read) <= 60 / world + 2 * 16 / world
        assert len(read) < 0.5 * 60


def test_few_shards_are_open_at_once() -> None:
    shards = np.searchsorted(STARTS, order(batch_size=4).epoch(0), side="right") - 1
    spans = [np.flatnonzero(shards == shard) for shard in range(60)]
    open_at = np.zeros(len(shards))
    for span in spans:
        open_at[span[0] : span[-1] + 1] += 1
    assert open_at.max() <= 4 * 3


def test_lanes_divide_the_batch() -> None:
    assert [lanes_of(size) for size in (1, 16, 48, 96, 128, 97)] == [1, 16, 48, 48, 64, 1]
