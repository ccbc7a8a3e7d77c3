from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from train.average import WeightAverage
from train.learner import Learner
from train.optim import OptimSettings, build_optimizer, set_learning_rate
from train.precision import Precision


def learner(seed: int, decay: float | None = None, **optim: Any) -> Learner:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    optimizer = build_optimizer(model, OptimSettings(**optim))
    average = WeightAverage(model, decay) if decay else None
    return Learner(model, optimizer, Precision("32-true", torch.device("cpu")), average)


def step(learner: Learner) -> None:
    x = torch.arange(24.0).reshape(6, 4) / 24
    learner.precision.backward(learner.model(x).square().mean())
    learner.step(1.0)


def trained(**options: Any) -> Learner:
    learned = learner(1, **options)
    for _ in range(3):
        step(learned)
    return learned


def saved(learner: Learner) -> dict[str, Any]:
    """Return a state as a file gives it back: in memory of its own."""
    return copy.deepcopy(learner.state_dict())


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, right[name]) for name, value in left.items())


@pytest.mark.parametrize("decay", [None, 0.9])
def test_a_state_taken_up_learns_on_to_the_same_bits(decay: float | None) -> None:
    before, after = trained(decay=decay), learner(2, decay)
    after.load_state_dict(saved(before))
    assert same(before.weights, after.weights)
    step(before)
    step(after)
    assert same(before.weights, after.weights)
    assert same(before.model.state_dict(), after.model.state_dict())


def test_an_average_that_was_not_there_begins_with_what_was_learnt() -> None:
    before, after = trained(), learner(2, decay=0.99)
    after.load_state_dict(saved(before))
    assert same(before.weights, after.weights)
    step(after)
    assert not same(before.weights, after.weights)


def test_an_average_no_longer_wanted_is_left_out() -> None:
    before, after = trained(decay=0.9), learner(2)
    after.load_state_dict(saved(before))
    assert same(before.model.state_dict(), after.weights)


def test_the_optimizer_goes_on_with_its_means_and_the_settings_of_today() -> None:
    before = trained()
    set_learning_rate(before.optimizer, 0.25)
    after = learner(2, weight_decay=0.5, betas=(0.5, 0.6), eps=0.1, lr=0.01)
    after.load_state_dict(saved(before))
    decay, plain = after.optimizer.param_groups
    assert (decay["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    for group in (decay, plain):
        assert (group["betas"], group["eps"], group["lr"]) == ((0.5, 0.6), 0.1, 0.01)
    (first, *_), (other, *_) = before.optimizer.param_groups[0]["params"], decay["params"]
    means, others = before.optimizer.state[first], after.optimizer.state[other]
    assert torch.equal(means["exp_avg"], others["exp_avg"])
    assert int(others["step"]) == 3
