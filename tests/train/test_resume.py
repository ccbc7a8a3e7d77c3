"""A run that goes on under other settings, each in turn: every page of the epoch once, or a clear refusal."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_run import WORDS
from made_set import made_sample, make_set
from node_program import noted

from formats.errors import UsageError
from formats.runs.page_results import PAGES, read_page_results, write_page_results
from formats.runs.record import read_records, read_run
from formats.spec import EncodingSpec
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.experiment import Experiment
from train.resume import ORDER
from train.run_folder import open_run
from train.summary import summary_of

CANVAS = (64, 64)
SETTINGS = (
    *WORDS,
    "data.val=null",
    "data.stream.batch_size=2",
    "data.stream.crop=[32,32]",
    "trainer.max_epochs=1",
    "trainer.log_every_n_steps=1",
    "exp_name=x",
)
"""One epoch of four steps."""

OTHER = {
    "exp_name": "y",
    "seed": "43",
    "data.train": "[train,test]",
    "data.val": "test",
    "data.stream.batch_size": "4",
    "data.stream.threads": "1",
    "data.stream.prefetch": "1",
    "data.stream.crop": "null",
    "data.stream.drop_last": "false",
    "data.stream.shuffle": "shards",
    "data.stream.shuffle_window": "1",
    "data.stream.cache_mb": "1",
    "data.stream.verify": "first",
    "data.augment.flip": "0",
    "data.augment.rotation": "0",
    "data.augment.scale": "[1.0,1.0]",
    "data.augment.text_share": "0",
    "data.augment.brightness": "0",
    "data.augment.contrast": "0",
    "data.augment.saturation": "0",
    "data.augment.grayscale": "0",
    "data.storage.cache_folder": "cache",
    "data.storage.cache_mb": "0",
    "data.storage.requests": "1",
    "data.storage.ahead": "1",
    "data.storage.downloads": "1",
    "data.eval_size": "32",
    "data.eval_batch_size": "1",
    "targets.shrink_ratio": "0.5",
    "model.backbone": "resnet34",
    "model.width": "16",
    "model.inner": "32",
    "model.freeze_batch_norm": "true",
    "optim.lr": "0.1",
    "optim.weight_decay": "0.5",
    "optim.betas": "[0.5,0.5]",
    "optim.eps": "0.1",
    "optim.schedule": "cosine",
    "optim.power": "2",
    "optim.warmup_steps": "3",
    "optim.final_share": "0.5",
    "optim.clip_norm": "null",
    "loss.prob_weight": "1",
    "loss.thresh_weight": "1",
    "loss.binary_weight": "2",
    "loss.steepness": "10",
    "loss.negative_ratio": "1",
    "loss.negatives_at_least": "1",
    "boxes.threshold": "0.5",
    "boxes.box_score": "0.5",
    "boxes.unclip": "1.5",
    "boxes.max_boxes": "1",
    "boxes.min_size": "1",
    "boxes.shape": "polygon",
    "trainer.max_epochs": "2",
    "trainer.limit_train_batches": "3",
    "trainer.limit_val_batches": "1",
    "trainer.accumulate_grad_batches": "3",
    "trainer.precision": "bf16-mixed",
    "trainer.log_every_n_steps": "2",
    "trainer.check_val_every_n_epoch": "2",
    "trainer.save_every_n_steps": "1",
    "trainer.patience": "1",
    "trainer.monitor": "cleval/hmean",
    "trainer.keep_best": "2",
    "trainer.ema_decay": "0.9",
    "trainer.device": "auto",
    "trainer.threads": "0",
    "trainer.sync_batchnorm": "true",
    "trainer.deterministic": "true",
    "trainer.channels_last": "false",
    "trainer.compile": "eager",
    "trainer.profile": "true",
    "logger.folder": "elsewhere",
    "logger.tensorboard": "true",
    "logger.wandb.enabled": "true",
    "logger.wandb.project": "other",
    "logger.wandb.entity": "other",
    "logger.wandb.mode": "offline",
    "logger.pictures": "0",
    "expect": "{shrink_ratio: 0.4}",
}
"""Every setting, and another value than `SETTINGS` has."""
REFUSED = ("model.backbone", "model.width", "model.inner", "logger.tensorboard", "logger.wandb.enabled")
"""Weights of another network; packages that this test takes away."""


def stop_after(times: int) -> Callable[[], bool]:
    """Return what says stop when it is asked for the n-th time."""
    asked = itertools.count(1)
    return lambda: next(asked) >= times


def begun(shards: Path, runs: Path, *words: str, asked: int = 2) -> tuple[Path, list[str]]:
    """Begin a run and stop it; return its folder, and the pages it learnt from."""
    experiment = open_run(shards, None, [*SETTINGS, f"logger.folder={runs}", *words])
    rows = noted(experiment)
    assert not experiment.run(stop_after(asked)).finished
    return runs / "x", [key for _, _, keys in rows for key in keys]


def gone_on(shards: Path, folder: Path, *words: str) -> tuple[Experiment, list[str], dict[str, Any]]:
    """Go on with a run; return it, the pages its first epoch then learnt from, and its summary."""
    experiment = open_run(shards, None, words, resume=folder)
    rows = noted(experiment)
    summary = summary_of(experiment, experiment.run(lambda: False, resume=True))
    assert summary["finished"]
    return experiment, [key for epoch, _, keys in rows if epoch == 0 for key in keys], summary


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pages to learn from in shards of two, and two to evaluate on."""
    pages = [made_sample(number, CANVAS, split="train") for number in range(8)]
    pages += [made_sample(1000 + number, CANVAS, split="test") for number in range(2)]
    encoding = EncodingSpec()
    return make_set(
        tmp_path_factory.mktemp("set"), pages, encoding=encoding, canvas=CANVAS, samples_per_shard=2
    )


@pytest.fixture(scope="module")
def half(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run that was stopped in the middle of its only epoch, and the pages it learnt from."""
    return begun(shards, tmp_path_factory.mktemp("half"))


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    for name in ("wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def leaves(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{before}{name}.")
        else:
            yield before + name


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_setting_is_forgotten_here() -> None:
    assert list(OTHER) == list(leaves(TrainConfig().model_dump(mode="json")))


@pytest.mark.parametrize("name", [name for name in OTHER if name not in REFUSED])
def test_each_page_of_the_epoch_is_learnt_once_whatever_changes(
    shards: Path, half: tuple[Path, list[str]], tmp_path: Path, name: str
) -> None:
    shutil.copytree(half[0], tmp_path / "x", symlinks=True)
    experiment, pages, summary = gone_on(shards, tmp_path / "x", f"{name}={OTHER[name]}")
    (step,) = summary["resumed"]
    assert list(step["changed"]) == [name] or name == "expect"
    assert ("begins_again" in step) == (name in ORDER)
    if name not in ORDER:
        pages = [*half[1], *pages]
    assert len(pages) == len(set(pages))
    every = {experiment.train_set.key(number) for number in range(experiment.train_set.pages)}
    assert set(pages) == every or (name == "trainer.limit_train_batches" and len(pages) == 3 * 2)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_up_is_refused_and_leaves_the_run_as_it_was(
    shards: Path, half: tuple[Path, list[str]], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "x"
    shutil.copytree(half[0], folder, symlinks=True)
    before = files(folder)
    with pytest.raises(UsageError):
        gone_on(shards, folder, f"{name}={OTHER[name]}")
    assert files(folder) == before
    assert len(gone_on(shards, folder)[1]) == 4


def test_weights_of_another_network_are_named(shards: Path, half: tuple[Path, list[str]]) -> None:
    with pytest.raises(UsageError, match="weights of a resnet18 of width 16") as caught:
        gone_on(shards, half[0], "model.width=16")
    assert "leave model.* as it was trained" in caught.value.next_step


def test_another_network_is_refused_where_nothing_is_left_to_do_too(shards: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, f"logger.folder={tmp_path}"]
    assert open_run(shards, None, settings).run(lambda: False).finished
    with pytest.raises(UsageError, match="weights of a resnet18 of width 16"):
        open_run(shards, None, ["model.width=16"], resume=tmp_path / "x").run(lambda: False, resume=True)


def test_an_epoch_that_begins_again_is_told(
    shards: Path, half: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(half[0], tmp_path / "x", symlinks=True)
    gone_on(shards, tmp_path / "x", "data.stream.batch_size=4", "seed=7")
    told = capsys.readouterr().err
    assert "epoch 1 begins again, 2 batches in: changed seed, data.stream.batch_size" in told


def test_an_epoch_stopped_in_its_validation_is_not_learnt_again(shards: Path, tmp_path: Path) -> None:
    folder, pages = begun(shards, tmp_path, "data.val=test", asked=5)
    assert len(pages) == 8
    experiment, again, summary = gone_on(shards, folder, "data.stream.batch_size=4")
    assert (again, experiment.records.position.epoch) == ([], 1)
    assert "begins_again" not in summary["resumed"][0]
    assert summary["best"] is not None


@pytest.mark.parametrize("word", ["data.stream.batch_size=4", "data.stream.batch_size=1"])
def test_the_learning_rate_falls_to_its_end_in_other_batches(shards: Path, tmp_path: Path, word: str) -> None:
    folder, _ = begun(shards, tmp_path, "trainer.max_epochs=3", "data.stream.crop=[64,64]", asked=10)
    gone_on(shards, folder, word)
    rates = [record["lr"] for record in read_records(folder / "metrics.jsonl")]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1e-2 * (1 / len(rates)) ** 0.9)


def test_patience_begins_anew_under_another_monitor(shards: Path, tmp_path: Path) -> None:
    words = ("data.val=test", "trainer.patience=1", "trainer.max_epochs=9", "optim.lr=1e-12")
    # Ended by patience: the second validation was no better than the first.
    folder = tmp_path / "x"
    ended = open_run(shards, None, [*SETTINGS, *words, f"logger.folder={tmp_path}"]).run(lambda: False)
    assert (ended.finished, ended.position.epoch) == (True, 2)
    # Nothing is left to do, and nothing is written: no summary of a part that read nothing.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}
    over = open_run(shards, None, (), resume=folder)
    assert over.run(lambda: False, resume=True) is None
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"} == before
    # By a metric not looked at before, the third is the best so far, and the fourth no better.
    experiment, *_ = gone_on(shards, folder, "trainer.monitor=cleval/hmean")
    assert experiment.records.position.epoch == 4


@pytest.mark.parametrize("word", ["data.eval_size=96", "trainer.limit_val_batches=1", "boxes.threshold=0.45"])
def test_scores_of_another_measure_begin_anew(
    shards: Path, tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("data.val=test", "trainer.max_epochs=2", "trainer.patience=1", "optim.lr=1e-12")
    folder, _ = begun(shards, tmp_path, *words, asked=9)  # the first epoch was validated
    first = load_checkpoint(folder / "best.pt").about
    _spoil_scores(folder, first["step"])
    _, _, summary = gone_on(shards, folder, word)
    name = word.partition("=")[0]
    assert f"the best score and patience begin anew: changed {name}" in capsys.readouterr().err
    assert summary["resumed"][0]["scores_from"] > first["step"]
    best = load_checkpoint(folder / "best.pt").about
    assert best["step"] == summary["best"]["step"] == summary["steps"] > first["step"]
    record = read_run(folder)
    assert record.best is not None and record.best.step == summary["steps"]
    results = read_page_results(folder / PAGES)
    assert results is not None and results.step == summary["steps"]
    assert (folder / "checkpoints" / f"step_{first['step']:08d}.pt").is_file()


def _spoil_scores(folder: Path, step: int) -> None:
    """Make the scores of a step such that none to come could be better, were they compared."""
    about = folder / "checkpoints" / f"step_{step:08d}.json"
    record = json.loads(about.read_text())
    record["metrics"]["hmean"] = 2.0
    about.write_text(json.dumps(record))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line |= {"hmean": 2.0} if line["phase"] == "val" else {}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pages = read_page_results(folder / PAGES)
    assert pages is not None
    write_page_results(folder / PAGES, replace(pages, value=2.0))


def test_a_run_without_an_average_gets_one_of_what_it_learnt(
    shards: Path, half: tuple[Path, list[str]], tmp_path: Path
) -> None:
    shutil.copytree(half[0], tmp_path / "x", symlinks=True)
    learnt = load_checkpoint(tmp_path / "x/last.pt").weights
    open_run(shards, None, ["trainer.ema_decay=0.999999", "optim.lr=1e-12"], resume=tmp_path / "x").run(
        stop_after(1), resume=True
    )
    found = load_checkpoint(tmp_path / "x/last.pt").weights
    name = "backbone.conv1.weight"
    torch.testing.assert_close(found[name], learnt[name], rtol=0, atol=1e-9)


def test_an_epoch_of_another_window_begins_again(shards: Path, tmp_path: Path) -> None:
    # Under shuffle=full the window decides nothing; here it decides the order of every batch.
    words = ("data.stream.shuffle=shards", "data.stream.shuffle_window=2")
    folder, _ = begun(shards, tmp_path, *words)
    _, pages, summary = gone_on(shards, folder, "data.stream.shuffle_window=1")
    assert summary["resumed"][0]["begins_again"] == {"epoch": 0, "batches": 2}
    assert len(pages) == len(set(pages)) == 8
