"""Several processes against one: real ones, started by torchrun (see tests/rank_program.py)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from made_run import CANVAS
from made_set import made_sample, make_set
from rank_program import SETTINGS, STEEP

from formats.errors import UsageError
from formats.spec import EncodingSpec
from train.checkpoint import load_checkpoint
from train.journal.records import read_records
from train.model import DetectorSettings, build_detector
from train.ranks import ALONE, Ranks, joined
from train.run_folder import open_run

TESTS = Path(__file__).parents[1]
LIMIT_S = 300.0


def torchrun(processes: int, *words: str) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(
        [*start, str(processes), *words],
        cwd=TESTS.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(run: subprocess.Popen[str]) -> str:
    """Wait for a run that should end well; return what it printed."""
    out, error = run.communicate(timeout=LIMIT_S)
    assert run.returncode == 0, error
    return out


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pages = [made_sample(number, CANVAS, split="train") for number in range(19)]
    pages += [made_sample(1000 + number, CANVAS, split="test") for number in range(5)]
    return make_set(tmp_path_factory.mktemp("set"), pages, encoding=EncodingSpec(), canvas=CANVAS)


@pytest.fixture(scope="module")
def folder(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders, with a whole run and a stopped one of one process in them."""
    folder = tmp_path_factory.mktemp("runs")
    for name, stops, more in (("whole_1", False, ()), ("stopped_1", True, ()), ("steep_1", False, STEEP)):
        words = (*SETTINGS, *more, f"logger.folder={folder / name}")
        assert open_run(shards, None, words).run(lambda says=stops: says).finished != stops  # type: ignore[misc]
    return folder


@pytest.fixture(scope="module", params=[2, 4])
def processes(
    request: pytest.FixtureRequest, shards: Path, folder: Path, small_run: Path, small_set: Path
) -> int:
    """How many processes have run the program, all its checks passed."""
    world: int = request.param
    paths = (shards, folder, small_run, small_set)
    finished(torchrun(world, "-m", "rank_program", *map(str, paths)))
    return world


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the records without what a clock wrote."""
    return [
        {name: value for name, value in record.items() if name != "wall_s" and not name.startswith("time/")}
        for record in read_records(folder / "metrics.jsonl")
    ]


def assert_equal_within_tolerance(left: Path, right: Path) -> None:
    """Same records at the same places; losses, gradient norms, metrics and weights nearly equal."""
    ours, theirs = lines(left), lines(right)
    assert [record.pop("phase") for record in ours] == [record.pop("phase") for record in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-6)
    weights, others = (load_checkpoint(folder / "last.pt").weights for folder in (left, right))
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-4)


def test_processes_together_train_as_one(processes: int, folder: Path) -> None:
    assert_equal_within_tolerance(folder / f"whole_{processes}/x", folder / "whole_1/x")
    summary = json.loads((folder / f"whole_{processes}/x/summary.json").read_text())
    assert (summary["samples_streamed"], summary["processes"]) == (3 * 19, processes)


def test_at_a_high_rate_they_part_by_rounding_alone(processes: int, folder: Path) -> None:
    ours, theirs = (load_checkpoint(folder / f"steep_{n}/x/last.pt").weights for n in (processes, 1))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=2e-6)


def test_a_run_goes_on_with_another_number_of_processes(processes: int, shards: Path, folder: Path) -> None:
    if processes == 2:
        resumed = folder / "stopped_2/x"
        assert json.loads((resumed / "summary.json").read_text())["steps"] == 1
        assert open_run(shards, None, (), resume=resumed).run(lambda: False, resume=True).finished
    else:
        resumed = folder / "stopped_1/x"
    assert_equal_within_tolerance(resumed, folder / "whole_1/x")
    (step,) = json.loads((resumed / "last.json").read_text())["resumed"]
    before, after = (2, 1) if processes == 2 else (1, processes)
    assert (step["from_step"], step["processes"]) == (1, [before, after])


def test_one_process_under_torchrun_is_one_process(shards: Path, folder: Path, tmp_path: Path) -> None:
    words = ["--shards", str(shards), *SETTINGS, f"logger.folder={tmp_path}"]
    assert "finished: 3 epochs" in finished(torchrun(1, "-m", "train.run", *words))
    assert lines(tmp_path / "x") == lines(folder / "whole_1/x")


def began(shards: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a long run of two processes; return after a few steps."""
    settings = [*SETTINGS, "trainer.max_epochs=5000", "data.val=null", f"logger.folder={folder}"]
    run = torchrun(2, "-m", "train.run", "--shards", str(shards), *settings)
    assert run.stderr is not None
    while "step 3/" not in (line := run.stderr.readline()):
        assert line, "the run ended"
    return run


def test_a_stop_is_agreed_on(shards: Path, tmp_path: Path) -> None:
    run = began(shards, tmp_path)
    os.kill(workers(run)[1], signal.SIGTERM)
    out, error = run.communicate(timeout=LIMIT_S)
    assert out.count("stopped: ") == out.count("go on  python -m train.run") == 1, error
    summary = json.loads((tmp_path / "x/summary.json").read_text())
    assert json.loads((tmp_path / "x/last.json").read_text())["step"] == summary["steps"] >= 3
    steps = [record["global_step"] for record in lines(tmp_path / "x")]
    assert steps == list(range(1, summary["steps"] + 1))


def test_a_process_that_is_lost_ends_the_others(shards: Path, tmp_path: Path) -> None:
    run = began(shards, tmp_path)
    os.kill(workers(run)[1], signal.SIGKILL)
    _, error = run.communicate(timeout=LIMIT_S)
    assert run.returncode != 0
    assert "error: the other processes of this run" in error
    assert "then --resume the run" in error
    assert "Traceback" not in error.partition("error: the other processes")[0]


def workers(run: subprocess.Popen[str]) -> list[int]:
    """Return the process ids of a torchrun's workers, oldest first."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return [int(child) for child in children]


def test_frozen_batch_norms_keep_their_statistics_and_learn_their_scale() -> None:
    detector = build_detector(DetectorSettings(width=8, inner=16, freeze_batch_norm=True)).train()
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms if norm.running_mean is not None]
    detector(torch.randn(2, 3, 64, 64)).prob_NHW.sum().backward()
    assert detector.training
    after = [norm.running_mean for norm in norms if norm.running_mean is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(norm.weight.requires_grad for norm in norms)
    assert norms[0].weight.grad is not None


def test_synchronised_batch_norms_on_gpus_keep_the_names_of_the_weights() -> None:
    detector = build_detector(DetectorSettings(width=8, inner=16))
    names = list(detector.state_dict())
    Ranks(0, 2).synchronise_batch_norm(detector, torch.device("cuda"))
    assert list(detector.state_dict()) == names
    assert isinstance(detector.backbone.bn1, torch.nn.SyncBatchNorm)


def test_a_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    assert Ranks(1, 2, 1).device(torch.device("cuda")) == torch.device("cuda:1")
    assert taken == [1]
    assert Ranks(1, 2, 1).device(torch.device("cpu")) == torch.device("cpu")
    assert ALONE.device(torch.device("cuda:5")) == torch.device("cuda:5")
    for ranks, name in ((Ranks(2, 3, 2), "cuda"), (Ranks(1, 2, 1), "cuda:1")):
        with pytest.raises(UsageError, match="a GPU for each process") as caught:
            ranks.device(torch.device(name))
        assert "--nproc-per-node 2" in caught.value.next_step


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as ranks:
        values = torch.ones(2)
        assert ranks is ALONE
        assert ranks.first
        assert ranks.sum(values) is ranks.total(values) is values
        assert ranks.any(True) and not ranks.any(False)
        assert ranks.gather("a") == ["a"]


def test_a_batch_that_cannot_be_shared_is_told_once(shards: Path, tmp_path: Path) -> None:
    words = [*SETTINGS, "data.stream.batch_size=8", f"logger.folder={tmp_path}"]
    refused = torchrun(3, "-m", "train.run", "--shards", str(shards), *words)
    _, said = refused.communicate(timeout=LIMIT_S)
    assert refused.returncode != 0
    assert said.count("error: batch_size 8 with 3 processes") == 1
