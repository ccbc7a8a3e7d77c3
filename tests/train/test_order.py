from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import UsageError
from train.lots import permutation
from train.order import Order

SET = "sha256-ts1:" + "0" * 64


def test_neighbours_in_the_set_are_not_neighbours_in_the_epoch() -> None:
    count = 20_000
    order = permutation(count, "order", 0, 0, SET)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 0.03
    same_shard = np.mean(order[:-1] // 256 == order[1:] // 256)
    assert same_shard == pytest.approx(256 / count, rel=0.25)


@given(
    st.integers(1, 60),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    st.sampled_from([12, 24]),
    st.booleans(),
    st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_any_number_of_processes_takes_the_same_global_batches(
    count: int, world: int, batch_size: int, drop_last: bool, epoch: int
) -> None:
    if drop_last and count < batch_size:
        return
    made = {"seed": 3, "batch_size": batch_size, "drop_last": drop_last}
    alone = Order(count, SET, **made)
    ranks = [Order(count, SET, **made, rank=rank, world=world) for rank in range(world)]
    numbers = alone.epoch(epoch)
    seen: list[int] = []
    assert all(len(rank) == len(alone) for rank in ranks)
    for position in range(len(alone)):
        shares = [rank.share(rank.epoch(epoch), position).tolist() for rank in ranks]
        together = sorted(number for share in shares for number in share)
        assert together == sorted(alone.share(numbers, position))
        assert max(map(len, shares)) - min(map(len, shares)) <= (0 if drop_last else 1)
        assert len(together) == alone.size(position)
        seen += together
    assert len(seen) == len(set(seen)) == (count // batch_size * batch_size if drop_last else count)


def test_what_is_left_out_changes_with_the_epoch() -> None:
    order = Order(35, SET, seed=0, batch_size=16)
    left_out = [set(order.epoch(epoch)[32:].tolist()) for epoch in range(200)]
    assert set().union(*left_out) == set(range(35))


def test_each_set_has_an_order_of_its_own() -> None:
    orders = [Order(99, name, seed=0, batch_size=3).epoch(0).tolist() for name in (SET, SET[:-1] + "1")]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_without_shuffle_the_order_is_that_of_the_set() -> None:
    order = Order(7, SET, seed=0, batch_size=3, shuffle=False, drop_last=False)
    assert [order.share(order.epoch(5), position).tolist() for position in range(3)] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="with 3 processes") as caught:
        Order(100, SET, seed=0, batch_size=16, world=3)
    assert (
        caught.value.next_step
        == "use 1 or 2 or 4 processes, or set data.stream.batch_size to a multiple of 3"
    )
    with pytest.raises(UsageError) as caught:
        Order(100, SET, seed=0, batch_size=2, world=3)
    assert caught.value.next_step.startswith("use 1 or 2 processes, or set data.stream.batch_size")


@pytest.mark.parametrize(("count", "drop_last"), [(15, True), (0, True), (0, False)])
def test_an_epoch_without_a_batch_is_refused(count: int, drop_last: bool) -> None:
    with pytest.raises(UsageError, match=f"a set of {count} samples in batches of 16") as caught:
        Order(count, SET, seed=0, batch_size=16, drop_last=drop_last)
    if count:
        assert "data.stream.batch_size to 15 or less, or data.stream.drop_last=" in caught.value.next_step


def test_an_unknown_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        Order(10, SET, seed=0, batch_size=2, rank=2, world=2)
