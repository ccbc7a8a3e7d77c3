"""Means over the steps of a train record: of what each of them had."""

from __future__ import annotations

import math

import pytest

from train.meter import Meter
from train.precision import StepOutcome


def test_a_gradient_norm_is_the_mean_over_the_steps_that_were_taken() -> None:
    meter = Meter()
    meter.add({"loss": 1.0}, StepOutcome(grad_norm=2.0, skipped=False, scale=1.0), 8)
    meter.add({"loss": 2.0}, StepOutcome(grad_norm=math.inf, skipped=True, scale=1.0), 8)
    meter.add({"loss": 6.0}, StepOutcome(grad_norm=4.0, skipped=False, scale=1.0), 8)
    meter.wait_s, meter.busy_s = 1.0, 3.0
    assert meter.values() == {
        "loss": 3.0,
        "grad_norm": 3.0,
        "skipped_steps": 1,
        "time/samples_per_s": pytest.approx(6.0),
        "time/data_wait_share": pytest.approx(0.25),
    }


def test_steps_that_were_all_skipped_have_no_gradient_norm() -> None:
    meter = Meter()
    meter.add({"loss": 1.0}, StepOutcome(grad_norm=math.inf, skipped=True, scale=1.0), 8)
    values = meter.values()
    assert "grad_norm" not in values
    assert values["skipped_steps"] == 1
    assert math.isnan(values["time/samples_per_s"])
