"""A feed gives another loop what our own loop gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_set import made_sample, make_set

from formats.errors import UsageError
from formats.spec import EncodingSpec
from train.augment import AugmentSettings
from train.feeds import BatchFeed
from train.stream import StreamSettings

CANVAS = (96, 128)
STREAM = StreamSettings(batch_size=3, crop=None)
STILL = AugmentSettings(
    flip=0.0, rotation=0.0, scale=(1.0, 1.0), brightness=0.0, contrast=0.0, text_share=0.0
)


def made(folder: Path, **encoding: str) -> Path:
    samples = [made_sample(number, CANVAS) for number in range(7)]
    return make_set(folder, samples, encoding=EncodingSpec(**encoding), canvas=CANVAS)


@pytest.mark.parametrize("maps", ["distance", "planes"])
def test_each_page_once_with_its_own_maps(tmp_path: Path, maps: str) -> None:
    feed = BatchFeed(made(tmp_path, maps=maps), stream=STREAM, augment=STILL)
    assert len(feed) == 2
    seen = []
    for batch in feed.epoch(0):
        assert batch.images_NHWC.shape == (3, *CANVAS, 3)
        assert {plane.dtype for plane in batch.targets} == {torch.float32}
        seen += batch.keys
        for row, key in enumerate(batch.keys):
            number = feed.shard_set.find(key)
            assert number is not None
            stored = feed.shard_set.maps(number)
            expected = stored.target_maps(0.4) if maps == "distance" else stored
            assert (batch.targets.prob_NHW[row].numpy() == expected.prob_HW).all()
            thresh_HW = 0.3 + 0.4 * expected.thresh_HW / 255
            np.testing.assert_allclose(batch.targets.thresh_NHW[row].numpy(), thresh_HW, atol=1e-6)
    assert len(set(seen)) == 6


def test_epochs_differ_and_repeat(tmp_path: Path) -> None:
    folder = made(tmp_path)
    first, second = (BatchFeed(folder, stream=STREAM, seed=7) for _ in range(2))
    orders = [[batch.keys for batch in feed.epoch(epoch)] for feed in (first, second) for epoch in (0, 1)]
    assert orders[:2] == orders[2:]
    assert orders[0] != orders[1]
    assert [batch.keys for batch in first.epoch(1, start=1)] == orders[1][1:]


def test_another_ratio_from_the_same_set(tmp_path: Path) -> None:
    feed = BatchFeed(made(tmp_path), stream=STREAM, augment=STILL)
    at = {
        ratio: next(iter(feed.epoch(0, shrink_ratio=ratio))).targets.prob_NHW.sum().item()
        for ratio in (0.4, 0.6)
    }
    assert at[0.6] > at[0.4] > 0


def test_planes_have_one_ratio(tmp_path: Path) -> None:
    feed = BatchFeed(made(tmp_path, maps="planes"), stream=STREAM, augment=STILL)
    with pytest.raises(UsageError, match=r"encoding\.maps=distance"):
        next(iter(feed.epoch(0, shrink_ratio=0.5)))


def test_processes_share_each_batch(tmp_path: Path) -> None:
    folder = made(tmp_path)
    stream = StreamSettings(batch_size=2, crop=None)
    shares = [BatchFeed(folder, stream=stream, rank=rank, world=2) for rank in range(2)]
    keys = [[key for batch in feed.epoch(0) for key in batch.keys] for feed in shares]
    assert len(keys[0]) == len(keys[1]) == 3
    assert not set(keys[0]) & set(keys[1])
