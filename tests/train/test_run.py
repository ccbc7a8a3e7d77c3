from __future__ import annotations

import functools
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_run import WORDS
from made_set import made_sample, make_set

from formats.errors import DamageError, SetError, StaleError, TextshardsError, UsageError
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from train.checkpoint import load_checkpoint
from train.journal.records import read_records
from train.model import DetectorSettings, build_detector
from train.run_folder import open_run
from train.summary import Outcome, describe, summary_of

ROOT = Path(__file__).parents[2]
STEPS = ["trainer.max_epochs=2", "trainer.log_every_n_steps=1", "exp_name=x"]


def train(
    shards: Path, runs: Path, *words: str, stop: Callable[[], bool] = lambda: False, **options: Any
) -> dict[str, Any]:
    """Train and return the summary."""
    words = words if "resume" in options else (*WORDS, *STEPS, f"logger.folder={runs}", *words)
    experiment = open_run(shards, None, words, **options)
    ended = experiment.run(stop, resume="resume" in options)
    return summary_of(experiment, ended)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the records without what a clock wrote."""
    return [
        {name: value for name, value in record.items() if name != "wall_s" and not name.startswith("time/")}
        for record in read_records(folder / "metrics.jsonl")
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "last.pt").weights


def assert_same_run(left: Path, right: Path) -> None:
    assert lines(left) == lines(right)
    for name, value in weights(left).items():
        assert torch.equal(value, weights(right)[name]), name


def stop_after(times: int) -> Callable[[], bool]:
    """Return what says stop when it is asked for the n-th time."""
    asked = itertools.count(1)
    return lambda: next(asked) >= times


def command(shards: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "train.run", "--shards", str(shards), *words]


def test_the_trainer_reaches_neither_the_pipeline_nor_numba() -> None:
    program = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path("train").rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
loaded = {name.partition(".")[0] for name in sys.modules}
assert "torch" in loaded
print(sorted(loaded & {"pipeline", "numba", "llvmlite", "webdataset"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["run", "evaluate", "predict"])
def test_help_is_quick_and_shows_an_example(name: str) -> None:
    program = (
        f"import sys\nfrom train.{name} import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\nassert 'torch' not in sys.modules, 'torch'"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert f"python -m train.{name} --" in done.stdout


def test_the_command_people_type(small_set: Path, tmp_path: Path) -> None:
    words = "trainer.max_epochs=1 trainer.limit_train_batches=1 trainer.limit_val_batches=10 exp_name=probe"
    settings = [*WORDS, "logger.wandb.enabled=false", f"logger.folder={tmp_path}", *words.split()]
    done = subprocess.run(
        command(small_set, *settings), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sha256-ts1:" in done.stderr
    assert "32 pages to learn from" in done.stderr
    assert "epoch 1/1  step 1/1" in done.stderr
    assert "best   H-mean" in done.stdout
    found = {path.name for path in (tmp_path / "probe").iterdir()}
    wanted = {"config.yaml", "metrics.jsonl", "summary.json", "curves.png"}
    assert wanted | {"best.pt", "best.json", "last.pt", "last.json"} <= found


def test_it_learns(small_run: Path) -> None:
    records = lines(small_run)
    losses = [record["loss"] for record in records if record["phase"] == "train"]
    hmeans = [record["hmean"] for record in records if record["phase"] == "val"]
    assert losses[-1] < losses[0] / 2
    assert hmeans[-1] > 0.7
    assert hmeans[0] < hmeans[-1]
    about = json.loads((small_run / "best.json").read_text())
    assert about["metrics"]["hmean"] == max(hmeans)
    assert about["set"]["fingerprint"].startswith("sha256-ts1:")
    assert about["config"]["model"]["width"] == 8
    summary = json.loads((small_run / "summary.json").read_text())
    assert (summary["samples_streamed"], summary["members_verified"]) == (480, 960)
    assert summary["fallbacks"] == "none possible"
    assert summary["finished"] and not summary["ended_early"]


def test_a_summary_says_when_members_were_checked(small_set: Path, tmp_path: Path) -> None:
    words = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", "data.stream.verify=first")
    summary = train(small_set, tmp_path, *words)
    assert "CRC-32C when read, raw pages when first read;" in Outcome(tmp_path / "x", True, summary).text()


def test_polygons_are_scored_by_a_protocol_for_polygons(small_set: Path, tmp_path: Path) -> None:
    words = (*WORDS, *STEPS, f"logger.folder={tmp_path}", "boxes.shape=polygon")
    validation = open_run(small_set, None, words).validation
    assert validation is not None and list(validation.protocols) == ["polygon", "cleval"]


def test_a_run_that_patience_ends_says_so(small_set: Path, tmp_path: Path) -> None:
    words = ("trainer.max_epochs=9", "trainer.patience=1", "optim.lr=1e-12", "trainer.limit_train_batches=1")
    summary = train(small_set, tmp_path, *words)
    assert summary["finished"] and summary["ended_early"] and summary["epochs"] < 9
    assert "trainer.patience" in Outcome(tmp_path / "x", True, summary).text()


@pytest.fixture(scope="module")
def undisturbed(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Run folders of runs that nothing disturbed, by their settings; each is trained once."""

    @functools.cache
    def folder(*words: str) -> Path:
        runs = tmp_path_factory.mktemp("undisturbed")
        train(small_set, runs, *words)
        return runs / "x"

    return folder


# The stop is asked about after each step and after each batch of a validation; with one batch a step the
# fifth time is in the middle of the first validation.
@pytest.mark.parametrize(("accumulate", "asked"), [(1, 1), (1, 4), (1, 5), (1, 8), (2, 1), (2, 5)])
def test_a_stopped_run_goes_on_to_the_same_bits(
    small_set: Path, tmp_path: Path, undisturbed: Callable[..., Path], accumulate: int, asked: int
) -> None:
    words = (f"trainer.accumulate_grad_batches={accumulate}", "trainer.ema_decay=0.9")
    summary = train(small_set, tmp_path, *words, stop=stop_after(asked))
    assert not summary["finished"]
    stopped = {"from_step": summary["steps"], "changed": {"data.stream.threads": [2, 3]}}
    summary = train(small_set, tmp_path, "data.stream.threads=3", resume=tmp_path / "x")
    assert summary["finished"]
    assert summary["resumed"] == [stopped]
    assert_same_run(undisturbed(*words), tmp_path / "x")


def test_a_run_stopped_in_a_validation_is_scored_and_saved_at_the_ratio_of_its_epoch(
    small_set: Path, tmp_path: Path, undisturbed: Callable[..., Path]
) -> None:
    words = ("targets.shrink_ratio=[0.8, 0.4]",)
    stopped = train(small_set, tmp_path, *words, stop=stop_after(11))  # in the second epoch's validation
    assert (stopped["epochs"], stopped["steps"]) == (1, 8)
    experiment, scored = open_run(small_set, None, (), resume=tmp_path / "x"), []
    evaluate = experiment.task.evaluate
    experiment.task.evaluate = lambda ratio: scored.append(ratio) or evaluate(ratio)
    assert experiment.run(lambda: False, resume=True) is not None
    assert scored == [0.4]
    assert_same_run(undisturbed(*words), tmp_path / "x")
    assert json.loads((tmp_path / "x/last.json").read_text())["shrink_ratio"] == 0.4


def test_two_runs_are_equal_to_the_bit(
    small_set: Path, tmp_path: Path, undisturbed: Callable[..., Path]
) -> None:
    train(small_set, tmp_path / "a", "data.stream.threads=4", "data.stream.prefetch=1")
    assert_same_run(undisturbed(), tmp_path / "a/x")
    train(small_set, tmp_path / "b", "seed=43")
    assert lines(tmp_path / "b/x") != lines(undisturbed())


def test_killed_at_any_moment_it_goes_on_to_the_same_bits(small_set: Path, tmp_path: Path) -> None:
    words = ["trainer.max_epochs=4", "trainer.save_every_n_steps=3"]
    train(small_set, tmp_path / "whole", *words)
    settings = [*WORDS, *STEPS, *words, f"logger.folder={tmp_path / 'parts'}"]
    run = subprocess.Popen(command(small_set, *settings), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if "step 7/16" in line:
            os.kill(run.pid, signal.SIGKILL)
            break
    run.stderr.close()
    assert run.wait() == -signal.SIGKILL
    summary = train(small_set, tmp_path, resume=tmp_path / "parts/x")
    assert 6 <= summary["resumed"][0]["from_step"] <= 16
    assert_same_run(tmp_path / "whole/x", tmp_path / "parts/x")


def test_ctrl_c_saves_and_leaves(small_set: Path, tmp_path: Path) -> None:
    settings = [*WORDS, *STEPS, "trainer.max_epochs=500", f"logger.folder={tmp_path}"]
    run = subprocess.Popen(
        command(small_set, *settings), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr is not None
    while "step 5/" not in (line := run.stderr.readline()):
        assert line
    run.send_signal(signal.SIGINT)
    out, told = run.communicate(timeout=60)
    assert run.returncode == 130, told
    assert "go on  python -m train.run" in out
    step = json.loads((tmp_path / "x/summary.json").read_text())["steps"]
    assert json.loads((tmp_path / "x/last.json").read_text())["step"] == step >= 5


def damage(name: str, shards: Path) -> None:
    (tar,) = (shards / "shards").glob("train-*.tar")
    if name == "absent":
        tar.unlink()
    elif name == "short":
        tar.write_bytes(tar.read_bytes()[:-512])
    elif name == "flipped":
        data = bytearray(tar.read_bytes())
        for at in range(600, len(data), 2048):
            data[at] ^= 4
        tar.write_bytes(data)
    else:
        (shards / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("name", "error"),
    [("absent", SetError), ("short", DamageError), ("flipped", DamageError), ("no manifest", SetError)],
)
def test_a_damaged_set_is_an_error_never_a_fallback(
    small_set: Path, tmp_path: Path, name: str, error: type[TextshardsError]
) -> None:
    shards = tmp_path / "set"
    shutil.copytree(small_set, shards)
    damage(name, shards)
    with pytest.raises(error):
        train(shards, tmp_path / "runs")


def test_a_stale_set_is_an_error_before_anything_is_written(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(StaleError, match=r"targets\.shrink_ratio = 0\.5"):
        train(small_set, tmp_path, "expect={shrink_ratio: 0.5}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "word",
    [
        "data.train=[trian]",
        "data.val=val",
        "data.stream.batch_size=64",
        "targets.shrink_ratio=0.3",
        "trainer.device=cuda:7",
        "logger.wandb.enabled=true",
    ],
)
def test_settings_that_cannot_be_are_usage_errors(
    small_set: Path, tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError) as caught:
        train(small_set, tmp_path, word)
    assert caught.value.exit_code == 2


def test_a_run_never_goes_on_with_another_set(small_set: Path, tmp_path: Path) -> None:
    train(small_set, tmp_path, stop=stop_after(2))
    pages = [made_sample(number, (128, 96), split="train") for number in range(31)]
    pages += [made_sample(1000, (128, 96), split="test")]
    other = make_set(tmp_path / "other", pages, encoding=EncodingSpec(), canvas=(128, 96))
    with pytest.raises(StaleError, match="not the one this run began with"):
        train(other, tmp_path, resume=tmp_path / "x")


def test_an_earlier_run_is_kept_unless_told(small_set: Path, tmp_path: Path) -> None:
    train(small_set, tmp_path, "trainer.max_epochs=1", "data.val=null")
    with pytest.raises(UsageError, match="an earlier run"):
        train(small_set, tmp_path)
    summary = train(small_set, tmp_path, "trainer.max_epochs=2", replace=True)
    assert summary["epochs"] == 2
    assert [record["global_step"] for record in lines(tmp_path / "x") if record["phase"] == "val"] == [4, 8]


def test_the_shrink_ratio_moves_with_the_epochs(small_set: Path, tmp_path: Path) -> None:
    words = (*WORDS, *STEPS, "targets.shrink_ratio=[0.4, 0.6]", f"logger.folder={tmp_path}")
    experiment = open_run(small_set, None, words)
    positives = []
    for epoch in range(2):
        batch = next(experiment.task.batches(epoch, 0))
        distance_NHW = batch.planes["distance"].numpy()
        planes = [ShardSet(small_set, ["train"]).planes(number)["distance"] for number in batch.numbers]
        assert len(planes) == len(distance_NHW)
        share = experiment.task.targets(batch).prob_NHW.mean() / float(np.mean(distance_NHW >= 126))
        positives.append(float(share))
    assert positives == sorted(positives)
    assert positives[1] > 1.3 * positives[0]
    ended = experiment.run(lambda: False)
    assert ended.finished
    ratios = json.loads((tmp_path / "x/last.json").read_text())["shrink_ratio"]
    assert ratios == pytest.approx(0.6)


@pytest.mark.parametrize("maps", ["distance", "planes"])
@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_every_encoding_trains(tmp_path: Path, maps: Any, container: Any) -> None:
    pages = [made_sample(number, (96, 64), split="train") for number in range(8)]
    encoding = EncodingSpec(maps=maps, container=container)
    shards = make_set(tmp_path / "set", pages, encoding=encoding, canvas=(96, 64))
    words = ["data.stream.crop=[64,64]", "data.val=null", "trainer.max_epochs=2"]
    summary = train(shards, tmp_path, *words)
    assert summary["samples_streamed"] == 16
    assert summary["best"] is None
    if maps == "planes":
        with pytest.raises(UsageError, match="planes"):
            train(shards, tmp_path, *words, "targets.shrink_ratio=0.5", replace=True)


def test_weights_of_a_trunk_are_taken(small_set: Path, tmp_path: Path) -> None:
    torch.manual_seed(7)
    trunk = build_detector(DetectorSettings(width=8, inner=16)).backbone.state_dict()
    torch.save({**trunk, "fc.weight": torch.ones(2)}, tmp_path / "trunk.pth")
    words = (*WORDS, *STEPS, f"logger.folder={tmp_path}")
    experiment = open_run(small_set, None, words, weights=tmp_path / "trunk.pth")
    torch.testing.assert_close(experiment.detector.backbone.conv1.weight, trunk["conv1.weight"])
    assert "32 pages to learn from (train), 8 to evaluate on (test)" in describe(experiment)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_other_precisions_train(small_set: Path, tmp_path: Path, precision: str) -> None:
    train(
        small_set,
        tmp_path,
        f"trainer.precision={precision}",
        "trainer.limit_train_batches=2",
        "data.stream.crop=[64,64]",
    )
    losses = [record["loss"] for record in lines(tmp_path / "x") if record["phase"] == "train"]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
