from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_run import WORDS

from formats.errors import UsageError
from train.journal.records import Position, Records, read_records
from train.journal.wandb_sink import INIT_S, WandbSettings, WandbSink
from train.run_folder import open_run
from train.summary import describe


class FakeError(Exception):
    """What W&B's own errors derive from."""


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
    fake.Error = FakeError  # type: ignore[attr-defined]
    fake.Settings = dict  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("fault", [FakeError("No API key configured."), ValueError("key too short")])
def test_a_run_that_wandb_does_not_open_is_a_usage_error(
    runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception
) -> None:
    def init(**_options: Any) -> FakeRun:
        raise fault

    monkeypatch.setattr(sys.modules["wandb"], "init", init)
    with pytest.raises(UsageError) as caught:
        WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {})
    assert caught.value.found == str(fault)
    assert "wandb login" in caught.value.next_step
    assert "logger.wandb.mode=offline" in caught.value.next_step


def test_opening_has_a_limit_of_its_own(runs: list[FakeRun], tmp_path: Path) -> None:
    WandbSink(WandbSettings(enabled=True), tmp_path, "probe", {})
    assert runs[0].options["settings"] == {"init_timeout": INIT_S}


def test_a_run_that_wandb_did_not_open_has_not_begun(
    runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch, small_set: Path, tmp_path: Path
) -> None:
    def init(**_options: Any) -> FakeRun:
        raise FakeError

    words = [*WORDS, "trainer.max_epochs=1", "data.val=null", f"logger.folder={tmp_path}"]
    refused = open_run(small_set, None, [*words, "logger.wandb.enabled=true"])
    monkeypatch.setattr(sys.modules["wandb"], "init", init)
    with pytest.raises(UsageError):
        refused.run(lambda: False)
    again = open_run(small_set, None, [*words, "logger.wandb.mode=offline"])
    assert "note   logger.wandb.mode=offline logs nothing: logger.wandb.enabled is false" in describe(again)


def test_settings_that_send_nothing_are_named() -> None:
    assert WandbSettings().idle is None
    assert WandbSettings(enabled=True, mode="offline").idle is None
    assert WandbSettings(project="ours").idle == "logger.wandb.project=ours"


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from train.journal.records import Position, Records
from train.journal.wandb_sink import WandbSettings, WandbSink

folder = Path(sys.argv[1])
for start in (0, 4):  # a run, and the same run going on
    settings = WandbSettings(enabled=True, mode="offline", project="probe")
    position = Position(step=start, batch=start)
    sink = WandbSink(settings, folder, "probe", {"seed": 1})
    records = Records(folder / "metrics.jsonl", position, [sink], written=11 if start else 0)
    for step in range(start, start + 4):
        records.log("profile", {"wait": step})
        position.attempt(1, 1)
        records.log("train", {"loss": step})
        if step % 2:
            records.log_pictures("val", {"page/a": np.zeros((4, 6, 3), np.uint8)})
            records.log("val", {"hmean": 0.5})
    if not start:
        records.log("test", {"hmean": 0.25})
    records.close()
"""


def chunks(path: Path) -> Iterator[bytes]:
    """Yield the records of a W&B file: after a header of 7 bytes, a log as LevelDB writes it.

    Blocks of 32 KiB hold pieces, each with a checksum (4 bytes), a length (2) and a kind (1: a whole record;
    2, 3, 4: its first, a middle, its last piece); fewer than 7 bytes at a block's end are filling.
    """
    data, at, record = path.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""
    assert not record


def run_files(folder: Path) -> list[list[dict[str, Any]]]:
    """Return the history rows of W&B's own offline files, oldest file first."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime):
        rows = []
        for data in chunks(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                row = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
                rows.append({name: json.loads(value) for name, value in row.items()})
        found.append(rows)
    return found


def test_the_real_package_offline_keeps_every_record(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    environment = {**os.environ, "WANDB_SILENT": "false", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search("warn|drop|step must", said, re.IGNORECASE), said
    files = run_files(tmp_path)
    assert [len(rows) for rows in files] == [4 + 4 + 2 + 2 + 1, 4 + 4 + 2 + 2]
    steps = [row["global_step"] for row in files[0]]
    assert steps == [0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4]
    lines = list(read_records(tmp_path / "metrics.jsonl"))
    for rows, start in zip(files, (0, 11), strict=True):
        logged = [row for row in rows if not any("/page/" in name for name in row)]
        of_part = lines[start : start + len(logged)]
        assert len(logged) == len(of_part)
        for row, line in zip(logged, of_part, strict=True):
            (name,) = line.keys() - {"global_step", "epoch", "batch", "phase", "wall_s"}
            assert row[f"{line['phase']}/{name}"] == line[name]
            assert row["global_step"] == line["global_step"]
        counters = [row["_step"] for row in rows]
        assert counters == sorted(set(counters))
