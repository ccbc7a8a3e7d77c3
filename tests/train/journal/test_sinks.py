from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import train.journal.sinks as module
from formats.errors import DamageError, UsageError
from train.config import load_config
from train.journal.records import Position, Record, read_records
from train.journal.sinks import open_records


class Kept:
    """Stands for TensorBoard's sink."""

    made: list[Kept]

    def __init__(self, folder: Path, step: int) -> None:
        self.place, self.records, self.closed = (folder, step), list[Record](), False
        self.made.append(self)

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    Kept.made = []
    monkeypatch.setattr(module, "TensorBoardSink", Kept)

    def no_package(*_: Any) -> None:
        raise UsageError("logger.wandb.enabled", expected="the package wandb")

    monkeypatch.setattr(module, "WandbSink", no_package)


LOGGED = ["logger.tensorboard=true", "trainer.max_epochs=3"]


def test_records_go_where_the_configuration_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(None, LOGGED)
    records = open_records(tmp_path, config, Position(step=7), 12, opening="the epoch begins again")
    records.log("val", {"hmean": 0.5})
    records.close()
    (sink,) = Kept.made
    assert (sink.place, len(sink.records), sink.closed) == ((tmp_path / "tensorboard", 7), 1, True)
    assert len(list(read_records(tmp_path / "metrics.jsonl"))) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == ["the epoch begins again", "epoch 1/3  val: H-mean 0.5000"]


def test_where_one_cannot_be_opened_the_others_are_closed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wandb"):
        open_records(tmp_path, load_config(None, [*LOGGED, "logger.wandb.enabled=true"]), Position(), 12)
    with pytest.raises(DamageError, match=r"metrics\.jsonl"):
        open_records(tmp_path, load_config(None, LOGGED), Position(), 12, {"records": 3, "wall_s": 1.0})
    assert [sink.closed for sink in Kept.made] == [True, True]
