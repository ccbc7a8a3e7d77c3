from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats.errors import UsageError
from train.records import Position, Records, read_records
from train.wandb_sink import WandbSettings, WandbSink


class FakeRun:
    """W&B's own rule: without a step a row of its own; below the present step dropped, at it merged."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.rows, self.dropped = options, [], 0
        self.axes: dict[str, str] = {}
        self.finished = False

    def define_metric(self, name: str, step_metric: str) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        if step is not None and step < len(self.rows):
            self.dropped += 1
        elif step is not None and step == len(self.rows):
            self.rows[-1] |= values
        else:
            self.rows.append(values)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    made: list[FakeRun] = []

    def init(**options: Any) -> FakeRun:
        made.append(FakeRun(options))
        return made[-1]

    fake = types.ModuleType("wandb")
    fake.init = init  # type: ignore[attr-defined]
    fake.Image = lambda image_HWC: ("picture", image_HWC.shape)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return made


def test_nothing_is_dropped_and_nothing_merged(runs: list[FakeRun], tmp_path: Path) -> None:
    position = Position()
    sink = WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {"seed": 1})
    records = Records(tmp_path / "metrics.jsonl", position, [sink])
    for step in range(5):
        records.log("profile", {"wait": step})
        position.attempt(1, 1)
        records.log("train", {"loss": step, "hole": float("nan")})
        records.log("val", {"loss": step})
    records.close()
    (run,) = runs
    assert run.axes == {"*": "global_step"}
    assert run.dropped == 0
    assert run.finished
    lines = list(read_records(tmp_path / "metrics.jsonl"))
    assert [row["global_step"] for row in run.rows] == [line["global_step"] for line in lines]
    assert run.rows[1] == {
        "train/loss": 0.0,
        "global_step": 1,
        "epoch": 0,
        "batch": 1,
        "wall_s": lines[1]["wall_s"],
    }


def test_pictures_are_a_row_between_the_others(runs: list[FakeRun], tmp_path: Path) -> None:
    position = Position()
    records = Records(None, position, [WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {})])
    for _ in range(3):
        position.attempt(1, 1)
        records.log("train", {"loss": 1.0})
        records.log_pictures("val", {"page/a": np.zeros((4, 6, 3), np.uint8)})
        records.log("val", {"hmean": 0.5})
    records.close()
    (run,) = runs
    assert [row["global_step"] for row in run.rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(row["val/page/a"] == ("picture", (4, 6, 3)) for row in run.rows[1::3])
    assert run.dropped == 0


def test_a_run_that_goes_on_is_the_same_run(runs: list[FakeRun], tmp_path: Path) -> None:
    for _ in range(2):
        WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {}).close()
    assert runs[0].options["id"] == runs[1].options["id"]
    assert runs[1].options["resume"] == "allow"


def test_an_absent_package_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="pip install wandb"):
        WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {})
