from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import DamageError
from formats.sample import Bytes
from train.journal.records import STAMPS, Position, Record, Records, read_records


class Kept:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_every_record_is_stamped(tmp_path: Path) -> None:
    position, sink = Position(), Kept()
    records = Records(tmp_path / "metrics.jsonl", position, [sink], clock=Clock())
    records.log("train", {"loss": 2.0})
    position.attempt(batches=2, samples=16)
    records.log("train", {"loss": 1.0})
    position.next_epoch()
    records.log("val", {"hmean": 0.5})
    records.close()
    lines = list(read_records(tmp_path / "metrics.jsonl"))
    assert [list(line)[: len(STAMPS)] for line in lines] == [list(STAMPS)] * 3
    assert [(line["global_step"], line["epoch"], line["batch"], line["phase"]) for line in lines] == [
        (0, 0, 0, "train"),
        (1, 0, 2, "train"),
        (1, 1, 0, "val"),
    ]
    assert lines[0]["loss"] == 2.0
    assert lines[0]["wall_s"] < lines[1]["wall_s"] < lines[2]["wall_s"]
    assert [json.loads(record.line()) for record in sink.records] == lines
    assert sink.closed


MOVES = st.lists(st.sampled_from(["attempt", "epoch", "train", "val", "profile", "test"]), max_size=40)


@given(MOVES)
def test_no_interleaving_of_phases_lowers_a_step_or_loses_a_value(moves: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        position = Position()
        records = Records(path, position)
        logged = []
        for number, move in enumerate(moves):
            if move == "attempt":
                position.attempt(batches=1, samples=4)
            elif move == "epoch":
                position.next_epoch()
            else:
                records.log(move, {f"value{number}": number})
                logged.append((position.step, number))
        records.close()
        lines = list(read_records(path)) if path.exists() else []
    steps = [line["global_step"] for line in lines]
    assert steps == sorted(steps)
    assert [(line["global_step"], list(line.values())[-1]) for line in lines] == logged


def test_position_has_no_way_back() -> None:
    position = Position()
    for name in ("step", "epoch", "batch", "samples"):
        with pytest.raises(AttributeError):
            setattr(position, name, 0)


def test_a_value_logged_twice_at_a_step_is_told(tmp_path: Path) -> None:
    position = Position()
    records = Records(tmp_path / "metrics.jsonl", position)
    records.log("train", {"loss": 1.0})
    records.log("val", {"loss": 1.0})
    with pytest.warns(UserWarning, match="train/loss logged twice at step 0"):
        records.log("train", {"loss": 2.0})
    position.attempt(1, 1)
    records.log("train", {"loss": 3.0})
    records.close()
    assert len(list(read_records(tmp_path / "metrics.jsonl"))) == 4


def test_numbers_that_are_not_finite_stay_json(tmp_path: Path) -> None:
    records = Records(tmp_path / "metrics.jsonl", Position())
    records.log("train", {"a": float("nan"), "b": float("inf"), "c": 1.0})
    records.close()
    (line,) = read_records(tmp_path / "metrics.jsonl")
    assert (line["a"], line["b"], line["c"]) == (None, None, 1.0)


@pytest.mark.parametrize("name", STAMPS)
def test_a_value_cannot_hide_a_stamp(tmp_path: Path, name: str) -> None:
    records = Records(tmp_path / "metrics.jsonl", Position())
    with pytest.raises(ValueError, match="stamp"):
        records.log("train", {name: 1.0})
    records.close()


def test_going_on_cuts_what_was_written_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = Records(path, Position(), clock=Clock())
    for number in range(3):
        first.log("train", {f"value{number}": number})
    first.close()
    with path.open("a") as file:
        file.write('{"global_step": 3, "ep')
    assert len(list(read_records(path))) == 3
    again = Records(path, Position(step=2), written=2, wall_s=100.0, clock=Clock())
    again.log("train", {"value2": 2})
    again.close()
    lines = list(read_records(path))
    assert [line["global_step"] for line in lines] == [0, 0, 2]
    assert lines[-1]["wall_s"] > 100.0


def test_records_that_are_gone_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="2 records"):
        Records(tmp_path / "metrics.jsonl", Position(step=2), written=2)


class Album(Kept):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[tuple[int, str, list[str]]] = []

    def write_pictures(self, record: Record, pictures: Mapping[str, Bytes]) -> None:
        assert not record.values
        self.pictures.append((record.global_step, record.phase, list(pictures)))


def test_pictures_go_where_they_are_wanted_and_are_no_records(tmp_path: Path) -> None:
    album, plain = Album(), Kept()
    picture_HWC = np.zeros((2, 2, 3), np.uint8)
    records = Records(tmp_path / "metrics.jsonl", Position(step=7), [plain, album])
    records.log_pictures("val", {"page/a": picture_HWC})
    with pytest.warns(UserWarning, match="val/page/a logged twice"):
        records.log_pictures("val", {"page/a": picture_HWC})
    records.close()
    assert album.pictures == [(7, "val", ["page/a"])] * 2
    assert plain.records == album.records == []
    assert records.written == 0
    assert not Records(None, Position(), [plain]).takes_pictures


def test_a_process_that_writes_nothing_still_counts(tmp_path: Path) -> None:
    records = Records(None, Position())
    records.log("train", {"loss": 1.0})
    records.close()
    assert records.written == 1
    assert not list(tmp_path.iterdir())
