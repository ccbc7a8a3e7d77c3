"""Pages from memory are the pages from the shards, and no more of them than fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_set import made_sample, make_set

from formats.shards import ShardSet
from formats.spec import EncodingSpec
from train.augment import AugmentSettings
from train.cache import Decoded, PageCache
from train.stream import Stream, StreamSettings

CANVAS = (128, 96)
SAMPLES = 12


def page(value: int = 0, size: int = 100) -> Decoded:
    return Decoded(np.full((1, size, 3), value, np.uint8), {"distance": np.zeros((1, size), np.uint8)})


def test_what_has_found_room_stays_and_the_rest_is_not_kept() -> None:
    cache = PageCache(1000)
    for number in range(5):
        cache.offer(number, page(number))
    assert len(cache) == 2
    assert cache.bytes == 800
    kept = cache.get(1)
    assert kept is not None
    assert (kept.image_HWC == 1).all()
    assert cache.get(2) is None


def test_a_kept_page_is_a_copy_that_cannot_be_written() -> None:
    cache, mine = PageCache(1000), page(7)
    cache.offer(0, mine)
    mine.image_HWC[:] = 0
    kept = cache.get(0)
    assert kept is not None
    assert (kept.image_HWC == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        kept.image_HWC[:] = 1


def test_many_threads_never_pass_the_limit() -> None:
    cache = PageCache(40 * 400)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cache.offer(number % 90, page()), range(900)))
    assert len(cache) == 40
    assert cache.bytes == 40 * 400


@pytest.fixture(scope="module", params=["distance", "planes"])
def shard_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    samples = [made_sample(number, CANVAS) for number in range(SAMPLES)]
    encoding = EncodingSpec(maps=request.param)
    return ShardSet(make_set(tmp_path_factory.mktemp("set"), samples, encoding=encoding, canvas=CANVAS))


def stream(shard_set: ShardSet, cache_mb: int) -> Stream:
    settings = StreamSettings(batch_size=4, crop=(64, 96), cache_mb=cache_mb)
    return Stream(shard_set, settings, seed=5, augment=AugmentSettings())


def epochs(source: Stream, count: int) -> list[bytes]:
    found = []
    for epoch in range(count):
        for batch in source.epoch(epoch):
            planes = [plane.numpy().tobytes() for _, plane in sorted(batch.planes.items())]
            found.append(b"".join([batch.images_NHWC.numpy().tobytes(), *planes]))
    return found


def test_an_epoch_from_memory_is_the_epoch_from_the_shards(shard_set: ShardSet) -> None:
    plain, cached = stream(shard_set, 0), stream(shard_set, 64)
    assert epochs(plain, 3) == epochs(cached, 3)
    assert len(cached.cache) == SAMPLES
    assert cached.statistics.cached == 2 * SAMPLES
    assert cached.statistics.bytes_read * 3 == plain.statistics.bytes_read
    assert plain.statistics.cached == len(plain.cache) == 0


def test_where_not_all_fit_some_are_read_again(shard_set: ShardSet, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = stream(shard_set, 64)
    monkeypatch.setattr(cached.cache, "limit", 5 * (128 * 96 * 6))
    assert epochs(stream(shard_set, 0), 2) == epochs(cached, 2)
    assert 0 < len(cached.cache) < SAMPLES
    assert cached.cache.bytes <= cached.cache.limit
    assert cached.statistics.cached == len(cached.cache)


def test_evaluation_keeps_nothing(shard_set: ShardSet) -> None:
    whole = Stream(shard_set, StreamSettings(batch_size=4, cache_mb=64), seed=0, augment=None)
    epochs(whole, 2)
    assert len(whole.cache) == whole.statistics.cached == 0
