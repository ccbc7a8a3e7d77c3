"""Which samples are shown, and that pages are shown without their padding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from encoded_sets import MadeSet

from formats.errors import UsageError
from formats.pictures.set_pictures import TILE, choose, facts_of, figure_of, nearest_keys, number_of, sheet_of
from formats.shards import ShardSet


@pytest.fixture
def opened(fresh: Callable[..., MadeSet]) -> ShardSet:
    return ShardSet(fresh("tar").folder)


def test_choice() -> None:
    assert choose(10, 3, None) == [0, 1, 2]
    assert choose(2, 5, None) == [0, 1]
    assert choose(1000, 5, 1) == choose(1000, 5, 1) == sorted(choose(1000, 5, 1))
    assert choose(1000, 5, 1) != choose(1000, 5, 2)
    assert choose(0, 5, 1) == []


def test_every_key_is_found(opened: ShardSet) -> None:
    assert [number_of(opened, opened.key(number)) for number in range(len(opened))] == [*range(len(opened))]
    for absent in ("", "a", "~"):
        assert opened.find(absent) is None


def test_nearest_keys(opened: ShardSet) -> None:
    assert nearest_keys(opened, "PAGE") == [opened.key(1)]
    assert nearest_keys(opened, "a.jpge")[0] == "a.jpg"
    assert nearest_keys(opened, "qqqqqq") == []
    with pytest.raises(UsageError) as caught:
        number_of(opened, "qqqqqq")
    assert "next step" not in str(caught.value)


def test_facts(opened: ShardSet) -> None:
    text = facts_of(opened, number_of(opened, "a.png"))
    assert text.startswith("a.png\n  split    train\n")
    assert f"image {len(opened.member(number_of(opened, 'a.png'), 'image'))}" in text


def test_facts_of_a_variant_stand_under_its_own_name(opened: ShardSet) -> None:
    page = opened.key(0)
    opened.shards[0].variant = 2
    assert facts_of(opened, 0).startswith(f"{page}#v2\n")


def test_sheet_is_made_of_tiles(opened: ShardSet) -> None:
    one, four = sheet_of(opened, [0], 4), sheet_of(opened, [0, 1, 2, 3], 2)
    assert one.shape[0] > TILE
    assert four.shape[0] > 2 * TILE
    assert four.shape[1] > 2 * one.shape[1]
    with pytest.raises(UsageError, match="no samples"):
        sheet_of(opened, [], 4)


def test_a_larger_ratio_shrinks_less(opened: ShardSet) -> None:
    small, large = figure_of(opened, 2), figure_of(opened, 2, 0.7)
    assert small.shape == large.shape
    assert not np.array_equal(small, large)
    with pytest.raises(UsageError, match="cannot be read"):
        figure_of(opened, 2, 0.2)
