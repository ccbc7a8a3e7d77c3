from __future__ import annotations

import io

from train.journal.console import Console
from train.journal.records import Record

TRAIN = {
    "loss": 1.5,
    "loss/prob": 0.25,
    "lr": 1e-3,
    "loss_scale": 512.0,
    "skipped_steps": 0.0,
    "time/samples_per_s": 12.3,
    "time/data_wait_share": 0.04,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(record: Record, file: io.StringIO | None = None, **options: float) -> str:
    file = file or io.StringIO()
    console = Console(
        3, 100, start=int(options.get("start", 0)), started_s=options.get("started_s", 0.0), file=file
    )
    console.write(record)
    console.close()
    return file.getvalue()


def test_a_train_line_says_what_matters() -> None:
    line = shown(Record(25, 1, 5, "train", 50.0, TRAIN))
    for word in ("epoch 2/3", "step 25/100", "loss 1.5000", "prob 0.250", "lr 1.00e-03", "12.3 pages/s"):
        assert word in line
    assert "data wait 4 %" in line
    assert "left 2:30" in line
    assert "skipped" not in line


def test_time_left_is_at_the_pace_of_this_part_of_the_run() -> None:
    line = shown(Record(60, 1, 5, "train", 5010.0, TRAIN), start=50, started_s=5000.0)
    assert "left 0:40" in line


def test_skipped_steps_are_told() -> None:
    line = shown(Record(25, 1, 5, "train", 50.0, TRAIN | {"skipped_steps": 2.0}))
    assert "2 steps skipped, scale 512" in line


def test_a_validation_line() -> None:
    line = shown(
        Record(25, 0, 5, "val", 50.0, {"hmean": 0.87654, "cleval/hmean": None, "time/seconds": 3.21})
    )
    assert line == "epoch 1/3  val: H-mean 0.8765  in 3.2 s\n"


def test_a_storage_line() -> None:
    line = shown(Record(25, 0, 5, "storage", 50.0, {"hit_rate": 0.75, "file_mb": 3.21, "range_mb": 0.5}))
    assert (
        line == "epoch 1/3  storage: fetched 3.2 MB of files and 0.5 MB of ranges so far  "
        "75 % of reads from the local cache\n"
    )


def test_a_terminal_gets_a_bar_and_the_same_lines() -> None:
    text = shown(Record(25, 1, 5, "train", 50.0, TRAIN), Terminal())
    assert "epoch 2/3" in text
    assert "25/100" in text
