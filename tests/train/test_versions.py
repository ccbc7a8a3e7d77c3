"""Which variant of a page an epoch learns from: one of each page, each of them in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_pages import made_config, made_pages

from formats.settings import validate_settings
from formats.shards import ShardSet
from pipeline.assemble import build
from pipeline.config import BuildConfig
from train.augment import AugmentSettings
from train.feeds import BatchFeed, web_pages
from train.stream import Stream, StreamSettings
from train.versions import Versions

SETTINGS = StreamSettings(batch_size=2, threads=1, crop=(64, 64), drop_last=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_pages(made_pages(tmp_path_factory.mktemp("pages"), 7), 2, "test")
    values = made_config(root, "train", "test", variants={"count": 2})
    out = tmp_path_factory.mktemp("out") / "set"
    build(validate_settings(BuildConfig, values, "test"), out, command=["test"])
    return out


def keys_of(opened: ShardSet, stream: Stream, epoch: int, start: int = 0) -> list[str]:
    return [opened.key(number) for batch in stream.epoch(epoch, start) for number in batch.numbers]


def stream_of(opened: ShardSet, **share: int) -> Stream:
    return Stream(opened, SETTINGS, seed=3, augment=AugmentSettings(), **share)


def test_each_page_once_an_epoch_and_each_version_once_in_three(folder: Path) -> None:
    opened = ShardSet(folder, ["train"], variants=True)
    stream = stream_of(opened)
    seen = [keys_of(opened, stream, epoch) for epoch in range(3)]
    for keys in seen:
        assert sorted(key.partition("#")[0] for key in keys) == [f"train/page_{n}.jpg" for n in range(7)]
    assert len({key for keys in seen for key in keys}) == 21
    kinds = {key.partition("#")[2] for key in seen[0]}
    assert len(kinds) > 1  # not one variant for all pages
    assert keys_of(opened, stream, 1) == seen[1]
    assert keys_of(opened, stream, 1, start=2) == seen[1][4:]


def test_ranks_share_the_epoch_of_one(folder: Path) -> None:
    opened = ShardSet(folder, ["train"], variants=True)
    alone = keys_of(opened, stream_of(opened), 4)
    shared = [keys_of(opened, stream_of(opened, rank=rank, world=2), 4) for rank in (0, 1)]
    assert sorted(alone) == sorted(shared[0] + shared[1])


def test_whole_pages_of_a_set_with_variants_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="open it without"):
        Stream(ShardSet(folder, ["train"], variants=True), SETTINGS, seed=3, augment=None)


def test_a_feed_gives_a_version_of_each_page(folder: Path) -> None:
    feed = BatchFeed(str(folder), stream=SETTINGS, augment=AugmentSettings(), seed=3)
    opened = ShardSet(folder, ["train"], variants=True)
    keys = [key for batch in feed.epoch(1) for key in batch.keys]
    assert keys == keys_of(opened, stream_of(opened), 1)
    assert any("#v" in key for key in keys)


@pytest.mark.filterwarnings("ignore")
def test_webdataset_gives_pages_and_on_demand_their_variants(folder: Path) -> None:
    variants = [page.meta.variant for page in web_pages(str(folder), "train")]
    assert variants == [None] * 7
    numbers = [page.meta.variant and page.meta.variant.number for page in web_pages(folder, variants=True)]
    assert sorted(number or 0 for number in numbers) == [0] * 9 + [1] * 7 + [2] * 7


def test_a_set_opened_without_variants_has_pages_alone(folder: Path) -> None:
    opened = ShardSet(folder)
    assert len(opened) == opened.pages == 9
    assert not any("#v" in key for key in keys_of(opened, stream_of(opened), 0))
    pages = np.arange(5)
    assert Versions(opened, 0).chosen(pages, 9) is pages
