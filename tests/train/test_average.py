from __future__ import annotations

import pytest
import torch
from torch import nn

from train.average import WeightAverage


def test_it_follows_the_weights_slowly_and_counters_at_once() -> None:
    net = nn.BatchNorm1d(2)
    average = WeightAverage(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(3.0)
    net.num_batches_tracked += 7  # type: ignore[operator]
    average.update(net)
    early = min(0.5, 2 / 11)
    torch.testing.assert_close(average.weights["weight"], torch.full((2,), 1.0 * early + 3.0 * (1 - early)))
    assert int(average.weights["num_batches_tracked"]) == 7
    for _ in range(60):
        average.update(net)
    torch.testing.assert_close(average.weights["weight"], torch.full((2,), 3.0))


def test_it_is_applied_for_a_block_and_taken_back_even_after_an_error() -> None:
    net = nn.Linear(2, 1)
    average = WeightAverage(net, decay=0.9)
    own = net.weight.detach().clone()
    average.weights["weight"].fill_(9.0)
    with average.applied(net):
        assert bool((net.weight == 9.0).all())
    torch.testing.assert_close(net.weight.detach(), own)
    with pytest.raises(KeyError), average.applied(net):
        raise KeyError
    torch.testing.assert_close(net.weight.detach(), own)


def test_it_is_no_part_of_the_model() -> None:
    net = nn.Linear(2, 1)
    average = WeightAverage(net, decay=0.9)
    with torch.no_grad():
        net.weight.fill_(5.0)
    assert not bool((average.weights["weight"] == 5.0).any())
    assert not average.weights["weight"].requires_grad
