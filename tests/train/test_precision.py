from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from train.precision import LEAST_SCALE, Precision, PrecisionError, PrecisionName

CPU = torch.device("cpu")
ALL: list[PrecisionName] = ["32-true", "bf16-mixed", "16-mixed"]


def step_once(precision: Precision, gradient: float, clip_norm: float | None = None) -> tuple[Any, nn.Linear]:
    """Take a step of SGD at rate 1 on weights [0, 0] whose gradient is `gradient` each."""
    net = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(net.weight)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    precision.backward((net.weight * gradient).sum())
    return precision.step(optimizer, net.parameters(), clip_norm), net


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16)],
)
def test_network_runs_in_its_format_and_leaves_no_trace_outside(
    name: PrecisionName, dtype: torch.dtype
) -> None:
    net, precision = nn.Linear(4, 4), Precision(name, CPU)
    with precision.autocast():
        assert net(torch.ones(1, 4)).dtype == dtype
    assert net(torch.ones(1, 4)).dtype == torch.float32


@pytest.mark.parametrize("name", ALL)
def test_norm_and_clipping_are_of_true_gradients(name: PrecisionName) -> None:
    outcome, net = step_once(Precision(name, CPU), gradient=3.0, clip_norm=1.0)
    assert outcome.grad_norm == pytest.approx(3.0 * math.sqrt(2.0), rel=1e-5)
    assert net.weight.norm().item() == pytest.approx(1.0, rel=1e-4)
    assert not outcome.skipped
    _, free = step_once(Precision(name, CPU), gradient=3.0)
    torch.testing.assert_close(free.weight.detach(), torch.full((1, 2), -3.0))


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_cleared(name: PrecisionName) -> None:
    _, net = step_once(Precision(name, CPU), gradient=1.0)
    assert net.weight.grad is None


def test_a_float16_overflow_skips_and_halves_the_scale() -> None:
    precision = Precision("16-mixed", CPU)
    before = precision.scaler.get_scale()
    outcome, net = step_once(precision, gradient=float("inf"))
    assert outcome.skipped
    assert outcome.scale == before / 2
    assert not net.weight.any()


def test_skipped_steps_end_in_an_error_with_advice() -> None:
    precision = Precision("16-mixed", CPU)

    def overflow_for_ever() -> None:
        while True:
            step_once(precision, gradient=float("inf"))

    with pytest.raises(PrecisionError, match="bf16-mixed") as caught:
        overflow_for_ever()
    assert "loss scale" in str(caught.value)
    assert precision.scaler.get_scale() < LEAST_SCALE


@pytest.mark.parametrize("name", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("gradient", [float("inf"), float("nan")])
def test_without_a_scale_gradients_must_be_finite(name: PrecisionName, gradient: float) -> None:
    with pytest.raises(PrecisionError, match="gradients"):
        step_once(Precision(name, CPU), gradient=gradient)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_must_be_finite(loss: float) -> None:
    precision = Precision("32-true", CPU)
    precision.check_loss(1e30)
    with pytest.raises(PrecisionError, match="the loss"):
        precision.check_loss(loss)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_loss_must_be_float32(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match="float32"):
        Precision("16-mixed", CPU).backward(torch.ones((), dtype=dtype, requires_grad=True))


def test_scale_survives_saving() -> None:
    precision = Precision("16-mixed", CPU)
    step_once(precision, gradient=float("inf"))
    other = Precision("16-mixed", CPU)
    other.load_state_dict(precision.state_dict())
    assert other.scaler.get_scale() == precision.scaler.get_scale() != 2.0**16


def test_a_run_may_go_on_in_another_precision() -> None:
    for name in ALL:
        for other in ALL:
            Precision(other, CPU).load_state_dict(Precision(name, CPU).state_dict())
