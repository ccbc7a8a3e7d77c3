from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from train.lots import permutation, random_key

SET = "sha256-ts1:" + "0" * 64


@given(st.integers(0, 300), st.integers(0, 2**63), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_permutation_holds_every_number_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(count, "order", seed, epoch, SET)) == list(range(count))


def test_permutation_is_frozen() -> None:
    # A run that is resumed under a later version must meet the same order.
    assert permutation(10, "order", 42, 0, SET).tolist() == [1, 9, 0, 2, 3, 7, 8, 6, 5, 4]


def test_permutation_depends_on_each_of_its_arguments() -> None:
    first = permutation(100, "order", 1, 1, SET).tolist()
    others = [
        permutation(100, "order", 2, 1, SET),
        permutation(100, "order", 1, 2, SET),
        permutation(100, "order", 1, 1, SET[:-1] + "1"),
    ]
    assert permutation(100, "order", 1, 1, SET).tolist() == first
    assert all(other.tolist() != first for other in others)


def test_random_key_keeps_its_parts_apart() -> None:
    assert random_key("a", 1, 12) != random_key("a", 11, 2)
    assert random_key("a", "b") != random_key("ab", "")
