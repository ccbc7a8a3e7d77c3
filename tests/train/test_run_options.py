"""Options of a run that must not change what it learns: memory layout, compilation, profiler, pictures."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_run import WORDS

from train.checkpoint import load_checkpoint
from train.experiment import Experiment
from train.journal.records import read_records
from train.run_folder import open_run
from train.summary import describe, write_summary

SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.log_every_n_steps=1", "exp_name=x"]


def train(shards: Path, runs: Path, *words: str) -> Experiment:
    experiment = open_run(shards, None, [*WORDS, *SHORT, f"logger.folder={runs}", *words])
    experiment.run(lambda: False)
    return experiment


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "last.pt").weights


def losses(folder: Path) -> list[float]:
    """Return the loss of each step; Adam's first steps follow a gradient's sign, so weights say less."""
    records = read_records(folder / "metrics.jsonl")
    return [record["loss"] for record in records if record["phase"] == "train"]


@pytest.fixture(scope="module")
def plain(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    train(small_set, folder)
    return folder / "x"


def test_the_layout_reaches_weights_and_pages_and_changes_no_result(
    plain: Path, small_set: Path, tmp_path: Path
) -> None:
    experiment = train(small_set, tmp_path, "trainer.channels_last=false")
    assert experiment.detector.backbone.conv1.weight.is_contiguous()
    assert losses(tmp_path / "x") == pytest.approx(losses(plain), rel=1e-3)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_steps_learn_the_same_into_the_same_names(
    plain: Path, small_set: Path, tmp_path: Path, backend: str
) -> None:
    experiment = train(small_set, tmp_path, f"trainer.compile={backend}")
    assert experiment.task.compiler == backend
    assert list(weights(plain)) == list(weights(tmp_path / "x"))
    assert losses(tmp_path / "x") == pytest.approx(losses(plain), rel=1e-3)


@pytest.mark.parametrize("word", ["trainer.profile=true", "data.stream.cache_mb=64"])
def test_measuring_and_keeping_pages_change_no_bit(
    plain: Path, small_set: Path, tmp_path: Path, word: str
) -> None:
    train(small_set, tmp_path, word)
    for name, value in weights(plain).items():
        assert torch.equal(weights(tmp_path / "x")[name], value), name


def test_pages_from_memory_do_not_count_as_verified(small_set: Path, tmp_path: Path) -> None:
    words = [*WORDS, *SHORT, "trainer.max_epochs=3", "trainer.limit_train_batches=null", "data.val=null"]
    experiment = open_run(small_set, None, [*words, f"logger.folder={tmp_path}", "data.stream.cache_mb=64"])
    summary = write_summary(experiment, experiment.run(lambda: False)).summary
    assert summary["samples_streamed"] == 3 * 32
    assert summary["members_verified"] == 2 * 32
    assert summary["cache"]["hits"] == 2 * 32


def test_learning_rate_and_gradient_norm_are_in_every_train_record(plain: Path) -> None:
    records = [record for record in read_records(plain / "metrics.jsonl") if record["phase"] == "train"]
    assert len(records) == 2
    for record in records:
        assert record["lr"] > 0.0
        assert record["grad_norm"] > 0.0
        assert (record["loss_scale"], record["skipped_steps"]) == (1.0, 0)


class Writer:
    """Stands for TensorBoard's writer."""

    made: list[Writer]

    def __init__(self, folder: str, purge_step: int | None) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, int]] = []
        self.pictures: dict[str, tuple[np.ndarray, int]] = {}
        self.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        del value
        self.scalars.append((tag, step))

    def add_image(self, tag: str, image: np.ndarray, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        assert tag not in self.pictures
        self.pictures[tag] = (image, step)

    def close(self) -> None:
        pass


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    Writer.made = []
    fake: Any = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    return Writer.made


def test_validation_shows_its_first_pages(small_set: Path, tmp_path: Path, writers: list[Writer]) -> None:
    words = ["logger.tensorboard=true", "logger.pictures=3"]
    experiment = train(small_set, tmp_path, *words)
    (writer,) = writers
    assert experiment.validation is not None
    shard_set = experiment.validation.shard_set
    assert list(writer.pictures) == [f"val/page/{shard_set.key(number)}" for number in range(3)]
    for number, (image_HWC, step) in enumerate(writer.pictures.values()):
        assert (image_HWC.shape, image_HWC.dtype, step) == ((*shard_set.canvas, 3), np.uint8, 2)
        assert not np.array_equal(image_HWC, shard_set.image(number))  # something is drawn on it
    assert ("val/hmean", 2) in writer.scalars


def test_no_picture_is_drawn_that_nobody_takes(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writers: list[Writer]
) -> None:
    def drawn(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("train.figures.pictures.page_picture", drawn)
    train(small_set, tmp_path / "none")
    train(small_set, tmp_path / "off", "logger.tensorboard=true", "logger.pictures=0")
    assert not writers[0].pictures


def header(shards: Path, runs: Path, *words: str) -> str:
    return describe(open_run(shards, None, [*WORDS, "trainer.max_epochs=1", f"logger.folder={runs}", *words]))


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["data.train=[train,test]"], "note   the pages of test are learnt from too"),
        (["data.val=train"], "note   the pages of train are learnt from too"),
        (["data.val=null", "trainer.patience=3"], "note   trainer.patience=3 ends nothing: data.val is null"),
        (
            ["optim.warmup_steps=4"],
            "note   optim.warmup_steps=4: the rate rises to the end of the run, 4 steps",
        ),
    ],
)
def test_what_is_seldom_meant_is_noted(small_set: Path, tmp_path: Path, words: list[str], note: str) -> None:
    assert note in header(small_set, tmp_path, *words)
    assert "note" not in header(small_set, tmp_path, "optim.warmup_steps=3", "trainer.patience=3")


def test_a_shard_that_is_learnt_from_and_evaluated_on_is_one(small_set: Path, tmp_path: Path) -> None:
    words = [*WORDS, "trainer.max_epochs=1", f"logger.folder={tmp_path}", "data.val=train"]
    assert open_run(small_set, None, words).run(lambda: False).shards_verified == 1  # type: ignore[union-attr]


def test_the_header_of_a_resumed_run_says_where_it_goes_on(small_set: Path, tmp_path: Path) -> None:
    words = [*WORDS, "data.val=null", "trainer.max_epochs=2", f"logger.folder={tmp_path}", "exp_name=x"]
    open_run(small_set, None, words).run(lambda: True)
    again = open_run(small_set, None, ["data.stream.batch_size=4"], resume=tmp_path / "x")
    told = describe(again, resumed=True)
    assert "a step on 1: goes on from step 1; AdamW" in told
    assert " steps;" not in told
