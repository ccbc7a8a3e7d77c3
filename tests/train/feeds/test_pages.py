"""Pages through a DataLoader are those of the stream, also out of worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_set import made_sample, make_set
from torch.utils.data import DataLoader

from formats.errors import DamageError
from formats.sample import Bytes
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from train.feeds import PageDataset
from train.maps import MapReader, unpacked
from train.stream import Stream, StreamSettings

CANVAS = (64, 96)


def opened(folder: Path, maps: str = "distance") -> ShardSet:
    samples = [made_sample(number, CANVAS) for number in range(6)]
    encoding = EncodingSpec(maps=maps, image="raw")  # type: ignore[arg-type]
    return ShardSet(make_set(folder, samples, encoding=encoding, canvas=CANVAS))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("maps", ["distance", "planes"])
def test_pages_are_those_of_the_stream(tmp_path: Path, maps: str, workers: int) -> None:
    shard_set = opened(tmp_path, maps)
    stream = Stream(shard_set, StreamSettings(batch_size=3), seed=0, augment=None)
    loader = DataLoader(PageDataset(shard_set), batch_size=3, num_workers=workers)
    for mine, theirs in zip(loader, stream.epoch(0), strict=True):
        assert tuple(mine["number"].tolist()) == theirs.numbers
        assert torch.equal(mine["image"], theirs.images_NHWC)
        for name, plane_NHW in theirs.planes.items():
            packed = plane_NHW.shape != mine[name].shape
            assert torch.equal(mine[name], unpacked(plane_NHW) if packed else plane_NHW)
            assert mine[name].shape[1:] == CANVAS


@pytest.mark.parametrize("maps", ["distance", "planes"])
def test_its_planes_are_read_as_targets(tmp_path: Path, maps: str) -> None:
    shard_set = opened(tmp_path, maps)
    reader = MapReader(0.3, 0.7)
    batch = next(iter(DataLoader(PageDataset(shard_set), batch_size=6)))
    streamed = next(Stream(shard_set, StreamSettings(batch_size=6), seed=0, augment=None).epoch(0))
    for mine, theirs in zip(reader(batch, 0.4), reader(streamed.planes, 0.4), strict=True):
        assert mine.shape[1:] == CANVAS and torch.equal(mine, theirs)


def test_the_recipe_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "other_trainers.md").read_text()
    recipe = page[page.index("## A DataLoader") :].partition("```python\n")[2].partition("```")[0]
    samples = [made_sample(number, CANVAS, split="train") for number in range(6)]
    make_set(tmp_path / "sets/sroie", samples, encoding=EncodingSpec(), canvas=CANVAS)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(recipe.replace("num_workers=2", "num_workers=0"), "other_trainers.md", "exec"), names)
    assert names["batch"]["image"].shape == (4, *CANVAS, 3)
    assert names["maps"].prob_NHW.shape == (4, *CANVAS)


def test_the_recipe_of_a_network_and_a_loss_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "other_trainers.md").read_text()
    recipe = page[page.index("## A network and a loss") :].partition("```python\n")[2].partition("```")[0]
    samples = [made_sample(number, CANVAS, split="train") for number in range(6)]
    samples += [made_sample(100 + number, CANVAS, split="test") for number in range(2)]
    make_set(tmp_path / "sets/sroie", samples, encoding=EncodingSpec(), canvas=CANVAS)
    monkeypatch.chdir(tmp_path)
    small = recipe.replace("batch_size=8", "batch_size=3, crop=(64, 64)")
    names: dict[str, Any] = {}
    exec(compile(small, "other_trainers.md", "exec"), names)
    assert names["loss"].isfinite() and len(names["scored"]) == 2
    assert 0.0 <= float(capsys.readouterr().out) <= 1.0


def test_a_function_in_python_moves_page_and_planes(tmp_path: Path) -> None:
    def flip(image_HWC: Bytes, planes: dict[str, Bytes]) -> tuple[Bytes, dict[str, Bytes]]:
        return image_HWC[:, ::-1], {name: plane_HW[:, ::-1] for name, plane_HW in planes.items()}

    shard_set = opened(tmp_path)
    plain, flipped = PageDataset(shard_set)[4], PageDataset(shard_set, flip)[4]
    for name in ("image", "distance", "overlap", "prob_mask"):
        np.testing.assert_array_equal(flipped[name].numpy(), plain[name].numpy()[:, ::-1])


def test_damage_is_told_by_name(tmp_path: Path) -> None:
    shard_set = opened(tmp_path)
    shard, row = shard_set.locate(2)
    column = shard.columns["image"]
    data = bytearray(column.path.read_bytes())
    data[int(column.offset[row]) + 5] ^= 1
    column.path.write_bytes(data)
    with pytest.raises(DamageError, match=shard_set.key(2)):
        PageDataset(shard_set)[2]
    with pytest.raises(IndexError):
        PageDataset(shard_set)[len(shard_set)]
