from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from train.optim import OptimSettings, build_optimizer, learning_rate, set_learning_rate

SCHEDULES = st.sampled_from(["poly", "cosine", "constant"])


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def test_only_weights_with_several_axes_decay() -> None:
    optimizer = build_optimizer(model(), OptimSettings(weight_decay=0.1))
    decay, plain = optimizer.param_groups
    assert (decay["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert all(weight.ndim == 4 for weight in decay["params"])
    assert len(decay["params"]) == 2
    assert len(plain["params"]) == 4


def test_frozen_weights_are_left_out() -> None:
    net = model()
    net[0].requires_grad_(False)
    optimizer = build_optimizer(net, OptimSettings())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


def test_decay_is_decoupled_from_the_gradient() -> None:
    net = nn.Linear(2, 2)
    before = net.weight.detach().clone()
    optimizer = build_optimizer(net, OptimSettings(lr=0.5, weight_decay=0.1))
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(net.weight.detach(), before * (1 - 0.5 * 0.1))


@given(st.integers(1, 500), st.integers(0, 50), SCHEDULES, st.floats(0.0, 1.0))
def test_rate_rises_then_never_rises_again(total: int, warmup: int, schedule: str, final: float) -> None:
    settings = OptimSettings(lr=0.01, warmup_steps=warmup, schedule=schedule, final_share=final)
    rates = [learning_rate(step, total, settings) for step in range(max(total, warmup))]
    assert all(0.0 <= rate <= 0.01 + 1e-12 for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    falling = zip(rates[warmup:], rates[warmup + 1 :], strict=False)
    assert all(later <= earlier + 1e-12 for earlier, later in falling)
    if warmup < total:
        assert rates[warmup] == pytest.approx(0.01)
        assert min(rates[warmup:]) >= 0.01 * final - 1e-12


def test_rates_of_the_formulas() -> None:
    poly = OptimSettings(lr=1.0, schedule="poly", power=0.9)
    assert learning_rate(25, 100, poly) == pytest.approx(0.75**0.9)
    assert learning_rate(100, 100, poly) == 0.0
    cosine = OptimSettings(lr=1.0, schedule="cosine", final_share=0.1)
    assert learning_rate(50, 100, cosine) == pytest.approx(0.55)
    assert learning_rate(25, 100, cosine) == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi / 4)))
    warm = OptimSettings(lr=1.0, warmup_steps=4)
    assert [learning_rate(step, 100, warm) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_rate_reaches_every_group() -> None:
    optimizer = build_optimizer(model(), OptimSettings())
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_epsilon_tells_from_which_gradient_on_a_weight_moves_by_the_rate() -> None:
    moved = []
    for eps in (1e-8, 1e-4):
        model = nn.Linear(1, 1, bias=False)
        before = float(model.weight.detach())
        optimizer = build_optimizer(model, OptimSettings(lr=1e-3, weight_decay=0.0, eps=eps))
        model.weight.grad = torch.full((1, 1), 1e-6)
        optimizer.step()
        moved.append(before - float(model.weight.detach()))
    assert moved[0] == pytest.approx(1e-3, rel=0.02)
    assert moved[1] == pytest.approx(1e-5, rel=0.02)
