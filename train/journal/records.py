"""Everything a run says goes through one router, onto one time axis.

The axis is `Position`: it can only be moved forward, and a record is stamped with it by the router, never by
the one who logs. So a step below an earlier one cannot be written. `metrics.jsonl` is the truth, one JSON
object a line; other sinks are fed the same records.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from formats.errors import DamageError
from formats.runs.log import STAMPS as STAMPS
from formats.runs.log import read_records as read_records
from formats.sample import Bytes
from formats.storage import write_whole


class Position:
    """How far training has come; moves forward only.

    Attributes:
        step: optimizer attempts so far (skipped ones count, so that they shift nothing).
        epoch: epochs finished.
        batch: batches of the epoch in progress that have been learnt from.
        samples: pages learnt from, over all epochs.
    """

    def __init__(self, step: int = 0, epoch: int = 0, batch: int = 0, samples: int = 0) -> None:
        self._step, self._epoch, self._batch, self._samples = step, epoch, batch, samples

    @property
    def step(self) -> int:
        """Optimizer attempts so far."""
        return self._step

    @property
    def epoch(self) -> int:
        """Epochs finished; the index, from 0, of the one in progress."""
        return self._epoch

    @property
    def batch(self) -> int:
        """Batches of the epoch in progress that have been learnt from."""
        return self._batch

    @property
    def learnt_in(self) -> int:
        """Index of the epoch that was learnt from last; 0 before the first."""
        return max(0, self._epoch - (self._batch == 0))

    @property
    def samples(self) -> int:
        """Pages learnt from, over all epochs."""
        return self._samples

    def attempt(self, batches: int, samples: int) -> None:
        """Count one optimizer attempt over some batches."""
        self._step += 1
        self._batch += batches
        self._samples += samples

    def next_epoch(self) -> None:
        """Enter the next epoch."""
        self._epoch += 1
        self._batch = 0

    def state_dict(self) -> dict[str, int]:
        """Return the position as plain numbers; ``Position(**state)`` is its inverse."""
        return {"step": self.step, "epoch": self.epoch, "batch": self.batch, "samples": self.samples}


@dataclass(frozen=True)
class Record:
    """Some values at one place of the axis.

    Attributes:
        global_step: optimizer attempts.
        epoch, batch: where in the data.
        phase: "train", "val", ...
        wall_s: seconds of training so far, over all parts of a resumed run.
        values: numbers by name; None for one that is not finite.
    """

    global_step: int
    epoch: int
    batch: int
    phase: str
    wall_s: float
    values: Mapping[str, float | None]

    def line(self) -> str:
        """Return the record as one line of JSON, the values beside the stamps."""
        fields = asdict(self)
        return json.dumps(fields | fields.pop("values"), allow_nan=False)


class Sink(Protocol):
    """Where records go besides `metrics.jsonl`."""

    def write(self, record: Record) -> None:
        """Take a record."""

    def close(self) -> None:
        """Take no more."""


@runtime_checkable
class PictureSink(Sink, Protocol):
    """A sink that takes pictures too."""

    def write_pictures(self, record: Record, pictures: Mapping[str, Bytes]) -> None:
        """Take (H, W, 3) uint8 RGB pictures by name; the record has their stamps and no values."""


class Records:
    """The router: stamps what is logged with the position and writes it to the file and the sinks.

    Args:
        path: `metrics.jsonl`; None in a process that writes nothing.
        position: the axis, moved by the loop.
        sinks: who else gets every record.
        written: for a resumed run, the number of records up to the checkpoint; later ones are cut off,
            since the steps they tell of are taken again.
        wall_s: seconds of training before this part of the run.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        position: Position,
        sinks: Sequence[Sink] = (),
        *,
        written: int = 0,
        wall_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.position, self._sinks, self.written = position, sinks, written
        self._clock, self._started = clock, clock() - wall_s
        self._at: tuple[int, set[tuple[str, str]]] = (-1, set())
        if path is not None:
            cut(path, written)
        self._file = path.open("a", encoding="utf-8") if path is not None else None

    @property
    def wall_s(self) -> float:
        """Seconds of training so far, over all parts of a resumed run."""
        return self._clock() - self._started

    def log(self, phase: str, values: Mapping[str, float]) -> Record:
        """Write numbers of one phase at the present position; one that is not finite is written as null."""
        if clash := [name for name in values if name in STAMPS]:
            raise ValueError(f"values cannot be called {clash[0]!r}: that is a stamp")
        self._notice_twice(phase, values)
        finite = {name: float(v) if math.isfinite(v) else None for name, v in values.items()}
        record = self._stamped(phase, finite)
        if self._file is not None:
            self._file.write(record.line() + "\n")
            self._file.flush()
        self.written += 1
        for sink in self._sinks:
            sink.write(record)
        return record

    @property
    def takes_pictures(self) -> bool:
        """Whether a sink wants pictures; `metrics.jsonl` holds none."""
        return any(isinstance(sink, PictureSink) for sink in self._sinks)

    def log_pictures(self, phase: str, pictures: Mapping[str, Bytes]) -> None:
        """Give (H, W, 3) uint8 RGB pictures of one phase, at the present position, to the sinks for it."""
        self._notice_twice(phase, pictures)
        record = self._stamped(phase, {})
        for sink in self._sinks:
            if isinstance(sink, PictureSink):
                sink.write_pictures(record, pictures)

    def _stamped(self, phase: str, values: Mapping[str, float | None]) -> Record:
        at = self.position
        return Record(at.step, at.epoch, at.batch, phase, round(self.wall_s, 3), values)

    def _notice_twice(self, phase: str, values: Mapping[str, Any]) -> None:
        step, seen = self._at
        seen = seen if step == self.position.step else set()
        if twice := [name for name in values if (phase, name) in seen]:
            warnings.warn(f"{phase}/{twice[0]} logged twice at step {self.position.step}", stacklevel=3)
        self._at = (self.position.step, seen | {(phase, name) for name in values})

    def close(self) -> None:
        """Close the file and the sinks."""
        if self._file is not None:
            self._file.close()
        for sink in self._sinks:
            sink.close()


def cut(path: Path, written: int) -> None:
    """Keep the first `written` records of a file; the file is whole at any time."""
    if not path.exists() and not written:
        return
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) < written:
        raise DamageError(
            str(path),
            expected=f"the {written} records written before the checkpoint",
            found=str(len(lines)),
            next_step="put the file back, or start a new run under another exp_name",
        )
    if len(lines) > written:
        write_whole(path, b"".join(lines[:written]))
