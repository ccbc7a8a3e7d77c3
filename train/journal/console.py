"""What a person sees of the records: a line each on stderr, under a bar where it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm

from train.journal.records import Record

SHOWN = {
    "hmean": "H-mean",
    "precision": "precision",
    "recall": "recall",
    "cleval/hmean": "CLEval",
    "cleval/macro_hmean": "its mean over pages",
}
"""What of a validation's values is printed, and how it is called."""


class Console:
    """A sink that prints.

    Args:
        epochs: epochs of the run.
        steps: optimizer attempts of the run.
        start: attempts already taken in an earlier part of it.
        started_s: `wall_s` at the start of this part.
        file: where to print.
    """

    def __init__(
        self, epochs: int, steps: int, *, start: int = 0, started_s: float = 0.0, file: TextIO | None = None
    ) -> None:
        self.epochs, self.steps, self.start, self.started_s = epochs, steps, start, started_s
        self._file = file or sys.stderr
        self._bar = (
            tqdm(total=steps, initial=start, unit="step", file=self._file) if self._file.isatty() else None
        )

    def write(self, record: Record) -> None:
        """Print a record."""
        line = self._train_line(record) if record.phase == "train" else _other_line(record)
        if self._bar is not None:
            self._bar.update(record.global_step - self._bar.n)
        self.say(f"epoch {record.epoch + 1}/{self.epochs}  {line}")

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if self._bar is None:
            print(text, file=self._file, flush=True)
        else:
            self._bar.write(text, file=self._file)

    def _train_line(self, record: Record) -> str:
        values = {name: float("nan") if value is None else value for name, value in record.values.items()}
        words = [
            f"step {record.global_step}/{self.steps}",
            f"loss {values['loss']:.4f}{_parts(values)}",
            f"lr {values['lr']:.2e}",
            f"{values['time/samples_per_s']:.1f} pages/s",
            f"data wait {100 * values['time/data_wait_share']:.0f} %",
            f"left {_clock(self._left(record))}",
        ]
        if values.get("skipped_steps"):
            words.append(f"{values['skipped_steps']:.0f} steps skipped, scale {values['loss_scale']:g}")
        return "  ".join(words)

    def _left(self, record: Record) -> float:
        """Seconds left at the pace of this part of the run, validations included."""
        taken = max(record.global_step - self.start, 1)
        return (record.wall_s - self.started_s) / taken * (self.steps - record.global_step)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()


def _parts(values: Mapping[str, float]) -> str:
    parts = [f"{name[5:]} {value:.3f}" for name, value in values.items() if name.startswith("loss/")]
    return f" ({' '.join(parts)})" if parts else ""


def _other_line(record: Record) -> str:
    if record.phase == "profile":
        return f"profile: {_phases(record.values)}"
    if record.phase == "storage":
        return f"storage: {_traffic(record.values)}"
    shown = [
        f"{label} {value:.4f}"
        for name, label in SHOWN.items()
        if (value := record.values.get(name)) is not None
    ]
    seconds = record.values.get("time/seconds")
    return f"{record.phase}: {'  '.join(shown)}" + (f"  in {seconds:.1f} s" if seconds is not None else "")


def _traffic(values: Mapping[str, float | None]) -> str:
    shown = {name: float("nan") if value is None else value for name, value in values.items()}
    return (
        f"fetched {shown['file_mb']:.1f} MB of files and {shown['range_mb']:.1f} MB of ranges so far  "
        f"{100 * shown['hit_rate']:.0f} % of reads from the local cache"
    )


def _phases(values: Mapping[str, float | None]) -> str:
    means = {name.partition("/")[0]: v for name, v in values.items() if name.endswith("/mean_ms")}
    return "  ".join(
        f"{phase.replace('_', ' ')} {ms:.1f} ms" for phase, ms in means.items() if ms is not None
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
