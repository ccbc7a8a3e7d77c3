from __future__ import annotations

import pytest

from formats.wording import counted


@pytest.mark.parametrize(("count", "words"), [(0, "0 shards"), (1, "1 shard"), (2, "2 shards")])
def test_only_one_is_singular(count: int, words: str) -> None:
    assert counted(count, "shard") == words
