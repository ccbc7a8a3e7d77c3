from __future__ import annotations

from pathlib import Path

import pytest

from formats.errors import UsageError
from formats.shards import ShardSet
from train.validation import Validation


def test_a_split_without_pages_is_named_with_what_to_set(small_set: Path) -> None:
    empty = ShardSet(small_set, ["test"], names=())
    with pytest.raises(UsageError, match="a split without pages") as caught:
        Validation(empty, batch_size=2, threads=1)
    assert "data.val" in caught.value.next_step and "--split" in caught.value.next_step
