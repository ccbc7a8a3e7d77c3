"""Packed keys are the strings they were made of."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.packed_keys import PackedKeys

PLACES = st.integers(-12, 12)


@given(st.lists(st.text(), max_size=8), PLACES, PLACES)
@settings(deadline=None)
def test_they_read_as_a_list_does(keys: list[str], first: int, last: int) -> None:
    packed = PackedKeys(keys)
    assert len(packed) == len(keys)
    assert list(packed) == keys
    assert packed[first:last] == keys[first:last]
    if -len(keys) <= first < len(keys):
        assert packed[first] == keys[first]
    else:
        with pytest.raises(IndexError):
            packed[first]


def test_sorted_keys_are_found() -> None:
    keys = sorted(f"page_{number}" for number in range(100))
    packed = PackedKeys(keys)
    assert [bisect_left(packed, key) for key in keys] == list(range(100))
    assert "page_7" in packed and "page_100" not in packed


def test_a_key_takes_its_letters_and_eight_bytes() -> None:
    assert PackedKeys(["ab", "cde"]).nbytes == 5 + 3 * 8
