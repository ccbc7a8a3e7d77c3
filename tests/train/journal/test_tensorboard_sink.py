from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formats.errors import UsageError
from formats.sample import Bytes
from train.journal.records import Position, Records
from train.journal.tensorboard_sink import TensorBoardSink


class FakeWriter:
    made: list[FakeWriter]

    def __init__(self, folder: str, purge_step: int | None) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.pictures: list[tuple[str, tuple[int, ...], int, str]] = []
        self.closed = False
        self.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.append((tag, value, step))

    def add_image(self, tag: str, image: Bytes, step: int, dataformats: str) -> None:
        self.pictures.append((tag, image.shape, step, dataformats))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[FakeWriter]:
    FakeWriter.made = []
    fake: Any = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    return FakeWriter.made


def test_values_stand_at_their_step(writers: list[FakeWriter], tmp_path: Path) -> None:
    position = Position(step=3)
    records = Records(None, position, [TensorBoardSink(tmp_path, 3)])
    position.attempt(1, 1)
    records.log("train", {"loss": 2.0, "hole": float("inf")})
    records.log("val", {"hmean": 0.5})
    records.close()
    (writer,) = writers
    assert writer.scalars == [("train/loss", 2.0, 4), ("val/hmean", 0.5, 4)]
    assert writer.purge_step == 4
    assert writer.closed


def test_pictures_stand_at_their_step(writers: list[FakeWriter], tmp_path: Path) -> None:
    records = Records(None, Position(step=3), [TensorBoardSink(tmp_path)])
    assert records.takes_pictures
    records.log_pictures("val", {"page/a": np.zeros((4, 6, 3), np.uint8)})
    records.close()
    assert writers[0].pictures == [("val/page/a", (4, 6, 3), 3, "HWC")]


def test_an_absent_package_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        TensorBoardSink(tmp_path)


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from train.journal.records import Position, Records
from train.journal.tensorboard_sink import TensorBoardSink

folder = Path(sys.argv[1])
for start, end in ((0, 4), (2, 5)):  # killed at step 4, gone on from the checkpoint at step 2
    position = Position(step=start)
    records = Records(None, position, [TensorBoardSink(folder, start)])
    for step in range(start, end):
        position.attempt(1, 1)
        records.log("train", {"loss": 10.0 * start + step, "hole": float("nan")})
        records.log_pictures("val", {"page/a": np.zeros((4, 6, 3), np.uint8)})
    records.close()
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(str(folder))
events.Reload()
print(events.Tags()["scalars"], events.Tags()["images"])
print([(event.step, event.value) for event in events.Scalars("train/loss")])
"""


def test_the_real_package_reads_back_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tags, losses = done.stdout.splitlines()
    assert tags == "['train/loss'] ['val/page/a']"
    # What the first part wrote behind the checkpoint is purged.
    assert losses == str([(1, 0.0), (2, 1.0), (3, 22.0), (4, 23.0), (5, 24.0)])
