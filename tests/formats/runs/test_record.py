from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_run_folder import made_run_folder

from formats.errors import DamageError, UsageError
from formats.runs.record import read_run


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


def test_the_wait_for_data_is_that_of_the_whole_run(tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path / "a", hmeans=(0.5, 0.6, 0.7))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines[0] |= {"time/data_wait_share": 0.5, "wall_s": 18.0}  # a slow beginning, as long as the rest
    lines[2]["wall_s"], lines[4]["wall_s"] = 27.0, 36.0
    for line, before in zip(lines[1::2], lines[::2], strict=True):
        line["wall_s"] = before["wall_s"]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_run(folder).pace["data_wait_share"] == pytest.approx((0.5 + 0.01) / 2)
    summary = json.loads((folder / "summary.json").read_text()) | {"data_wait_share": 0.3}
    (folder / "summary.json").write_text(json.dumps(summary))
    assert read_run(folder).pace["data_wait_share"] == 0.3
    (folder / "summary.json").write_text(json.dumps(summary | {"resumed": [{"from_step": 10}]}))
    assert read_run(folder).pace["data_wait_share"] == pytest.approx((0.5 + 0.01) / 2)


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
        ("summary.json", '{"finished": true}'),
        ("summary.json", "[" * 100_000),
        ("metrics.jsonl", "[" * 100_000 + "\n"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, text: str) -> None:
    folder = made_run_folder(tmp_path / "a")
    (folder / name).write_text(text)
    with pytest.raises(DamageError, match=name) as caught:
        read_run(folder)
    assert caught.value.exit_code == 1


def test_a_seed_that_is_no_number_is_named(tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path / "a")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("seed: 42", "seed: x"))
    with pytest.raises(DamageError, match=r"config\.yaml, field seed"):
        read_run(folder)
