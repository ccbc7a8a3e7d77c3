"""The webdataset library over a set: the pages that our own reader gives, shuffled and batched its way."""

from __future__ import annotations

import gc
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_set import made_sample, make_set

from formats.errors import DamageError, SetError, UsageError
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from train.feeds import WebPage, web_pages

CANVAS = (96, 128)
pytestmark = pytest.mark.filterwarnings("ignore")


def made(folder: Path, **encoding: str) -> Path:
    samples = [
        made_sample(2 * number + (split == "test"), CANVAS, split=split)
        for number in range(5)
        for split in ("test", "train")
    ]
    return make_set(folder, samples, encoding=EncodingSpec(**encoding), canvas=CANVAS, samples_per_shard=2)


@pytest.mark.parametrize("maps", ["distance", "planes"])
@pytest.mark.parametrize("image", ["jpeg", "lz4", "raw"])
def test_pages_are_those_of_our_reader(tmp_path: Path, maps: str, image: str) -> None:
    folder = made(tmp_path, maps=maps, image=image)
    opened = ShardSet(folder)
    pages = list(web_pages(folder))
    assert sorted(page.key for page in pages) == sorted(map(opened.key, range(len(opened))))
    for page in pages:
        number = opened.find(page.key)
        assert number is not None
        sample = opened.sample(number)
        expected = sample.maps.target_maps(0.4) if maps == "distance" else sample.maps
        np.testing.assert_array_equal(page.image_HWC, sample.image_HWC)
        for plane in ("prob_HW", "prob_mask_HW", "thresh_HW", "thresh_mask_HW"):
            np.testing.assert_array_equal(getattr(page.maps, plane), getattr(expected, plane))
        assert page.meta.split == sample.meta.split


def test_its_shuffling_and_workers_lose_no_page(tmp_path: Path) -> None:
    import webdataset

    folder = made(tmp_path)
    opened = ShardSet(folder, ["train"])
    keys = map(opened.key, range(len(opened)))
    data = web_pages(folder, "train", shardshuffle=3).shuffle(4)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=2)
    assert Counter(page.key for page in loader) == dict.fromkeys(keys, 1)


def test_processes_share_the_shards_by_its_splitter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import webdataset

    folder = made(tmp_path)
    opened = ShardSet(folder, ["train"])
    keys = map(opened.key, range(len(opened)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    found: list[str] = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        with pytest.raises(ValueError, match="explicit nodesplitter"):
            list(web_pages(folder, "train"))
        found += [page.key for page in web_pages(folder, "train", nodesplitter=webdataset.split_by_node)]
    assert Counter(found) == dict.fromkeys(keys, 1)


def test_shards_behind_a_command(tmp_path: Path) -> None:
    folder = made(tmp_path / "a set")
    pages = web_pages(folder, "train", url=lambda path: f"pipe:cat {shlex.quote(str(folder / path))}")
    assert sum(isinstance(page, WebPage) for page in pages) == 5


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetError):
        web_pages(tmp_path / "absent")
    folder = made(tmp_path / "tar")
    with pytest.raises(UsageError, match="split 'dev'"):
        web_pages(folder, "dev")
    with pytest.raises(UsageError, match=r"encoding\.container: tar"):
        web_pages(made(tmp_path / "zarr", container="zarr"))
    shard = min((folder / "shards").glob("train*.tar"))
    data = bytearray(shard.read_bytes())
    at = data.index(b".maps.zst")
    data[at : at + 9] = b".nops.zst"
    shard.write_bytes(data)
    with pytest.raises((DamageError, ValueError)):
        list(web_pages(folder, "train"))
    gc.collect()  # the library leaves the file to the collector, which is to complain while this test runs
