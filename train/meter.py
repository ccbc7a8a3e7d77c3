"""What happened since the last train record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from train.precision import StepOutcome


@dataclass
class Meter:
    """Sums over the steps since the last train record: plain numbers, so that a checkpoint can hold them.

    Checkpoints hold them by position, and older ones no seconds: new fields go to the end.
    """

    steps: int = 0
    skipped: int = 0
    samples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    wait_s: float = 0.0
    busy_s: float = 0.0

    def add(self, losses: Mapping[str, float], outcome: StepOutcome, samples: int) -> None:
        """Count a step."""
        self.steps += 1
        self.skipped += outcome.skipped
        self.samples += samples
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if not outcome.skipped:
            self.sums["grad_norm"] = self.sums.get("grad_norm", 0.0) + outcome.grad_norm

    def values(self) -> dict[str, float]:
        """Return the means, and what the time went into: not a number where no time was measured."""
        means = {name: total / self.steps for name, total in self.sums.items() if name != "grad_norm"}
        if self.steps > self.skipped:
            means["grad_norm"] = self.sums["grad_norm"] / (self.steps - self.skipped)
        seconds = self.busy_s + self.wait_s or math.nan
        return means | {
            "skipped_steps": self.skipped,
            "time/samples_per_s": self.samples / seconds,
            "time/data_wait_share": self.wait_s / seconds,
        }
