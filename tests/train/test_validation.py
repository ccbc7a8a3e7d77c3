from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from formats.errors import UsageError
from formats.sample import Bytes
from formats.shards import ShardSet
from train.boxes import Detections
from train.ranks import Ranks
from train.validation import Validation


def test_a_split_without_pages_is_named_with_what_to_set(small_set: Path) -> None:
    empty = ShardSet(small_set, ["test"], names=())
    with pytest.raises(UsageError, match="a split without pages") as caught:
        Validation(empty, batch_size=2, threads=1)
    assert "data.val" in caught.value.next_step and "--split" in caught.value.next_step


@dataclass(frozen=True)
class Apart(Ranks):
    """One of several processes, which sees none of the others."""

    def gather(self, item: Any) -> list[Any]:
        return [item]


class Blind:
    """Finds nothing."""

    detector = SimpleNamespace(eval=lambda: None)
    fit = SimpleNamespace(apply=lambda image_HWC: image_HWC)

    def find(self, images: Sequence[Bytes]) -> list[Detections]:
        return [Detections((), np.zeros(0)) for _ in images]


@pytest.mark.parametrize(("limit", "shares"), [(1, [[0, 2], [1]]), (2, [[0, 2, 4], [1, 3, 5]]), (None, None)])
def test_a_limit_leaves_out_the_same_pages_for_any_number_of_processes(
    small_set: Path, limit: int | None, shares: list[list[int]] | None
) -> None:
    shard_set = ShardSet(small_set, ["test"])
    keys = []
    for rank in range(2):
        ranks = Apart(rank, 2)
        validation = Validation(shard_set, batch_size=3, threads=1, limit=limit, ranks=ranks)
        evaluation = validation.run(Blind())  # type: ignore[arg-type]
        assert evaluation is not None
        keys.append([page.key for page in evaluation.pages])
    wanted = shares or [list(range(rank, len(shard_set), 2)) for rank in range(2)]
    assert keys == [[shard_set.key(number) for number in share] for share in wanted]
