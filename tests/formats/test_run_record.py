from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_run_folder import made_run_folder

from formats import run_record
from formats.errors import DamageError, UsageError
from formats.run_record import read_run
from train.experiment import METRICS
from train.run_folder import CONFIG


def test_the_names_of_files_are_those_the_trainer_writes() -> None:
    assert (run_record.CONFIG, run_record.METRICS) == (CONFIG, METRICS)


def test_a_real_run_is_read_as_it_wrote_itself_down(small_run: Path) -> None:
    run = read_run(small_run)
    best = json.loads((small_run / "best.json").read_text())
    summary = json.loads((small_run / "summary.json").read_text())
    assert (run.name, run.seed, run.state) == ("small", 42, "finished")
    assert (run.epochs, run.steps, run.wall_s) == (15, 60, summary["wall_s"])
    assert run.best is not None and run.last is not None
    assert (run.best.step, run.best.metrics) == (best["step"], best["metrics"])
    assert run.last.step == 60
    assert run.settings["model.width"] == 8
    assert run.settings["data.stream.crop"] == [96, 96]
    assert run.facts["set"] == best["set"]["fingerprint"]
    assert run.facts["versions.torch"] == summary["versions"]["torch"]
    assert run.parts == best["set"]["parts"]
    assert run.figures["best/cleval/macro_hmean"] == best["metrics"]["cleval/macro_hmean"]
    assert run.figures["peak_rss_mb"] == summary["peak_rss_mb"]
    assert run.figures["samples_per_s"] > 0
    assert 0 <= run.figures["data_wait_share"] <= 1


def test_a_killed_run_is_unfinished_and_its_records_tell_how_far_it_came(
    small_run: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(small_run, killed)
    (killed / "summary.json").unlink()
    lines = (killed / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (killed / "metrics.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:20])
    run = read_run(killed)
    assert run.state == "unfinished"
    assert len(run.records) == 4
    assert run.steps == run.records[-1]["global_step"]
    assert run.wall_s == run.records[-1]["wall_s"]


def test_a_summary_that_the_records_have_passed_is_not_believed(tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path / "a", finished=False)
    assert read_run(folder).state == "stopped"
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"steps": 20, "wall_s": 1.0}))
    run = read_run(folder)
    assert (run.state, run.steps, run.wall_s) == ("unfinished", 30, 27.0)


def test_the_run_says_what_is_best_and_of_equals_the_later_is(tmp_path: Path) -> None:
    run = read_run(made_run_folder(tmp_path / "a", hmeans=(0.5, 0.8, 0.8, 0.7)))
    assert run.best is not None and run.last is not None
    assert (run.best.step, run.best.metrics["hmean"]) == (30, 0.8)
    assert (run.last.step, run.last.metrics["hmean"]) == (40, 0.7)
    other = read_run(made_run_folder(tmp_path / "b", "trainer.monitor=cleval/macro_hmean"))
    assert other.best is None, "a metric that was never recorded calls none best"


def test_a_run_before_its_first_record(tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path / "a", hmeans=(), finished=None)
    (folder / "last.json").unlink()
    run = read_run(folder)
    assert (run.state, run.steps, run.best, run.last) == ("unfinished", 0, None, None)
    assert run.facts == {"set": None, "processes": None}
    assert run.figures == {"wall_s": 0.0}


def test_what_was_changed_on_the_way(tmp_path: Path) -> None:
    steps = [
        {"from_step": 10, "changed": {"optim.lr": [0.1, 0.2]}},
        {"from_step": 20, "changed_set": ["a", "b"]},
    ]
    run = read_run(made_run_folder(tmp_path / "a", resumed=steps))
    assert run.changed == {"optim.lr": [0.1, 0.2], "set": ["a", "b"]}


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    made_run_folder(tmp_path / "runs/one")
    with pytest.raises(UsageError, match=r"runs/one") as caught:
        read_run(tmp_path / "runs")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="no such folder"):
        read_run(tmp_path / "nothing")
    (tmp_path / "runs/one/config.yaml").write_text("source: {root: x}\n")
    with pytest.raises(UsageError, match="no exp_name and no seed"):
        read_run(tmp_path / "runs/one")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.jsonl", "no JSON\n"),
        ("metrics.jsonl", '{"phase": "train"}\n'),
        ("metrics.jsonl", "[]\n"),
        ("summary.json", "{"),
        ("last.json", "[]"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, text: str) -> None:
    folder = made_run_folder(tmp_path / "a")
    (folder / name).write_text(text)
    with pytest.raises(DamageError, match=name) as caught:
        read_run(folder)
    assert caught.value.exit_code == 1
