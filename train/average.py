"""A running average of the weights: evaluated and saved in place of the weights that training moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a model's state dict (Polyak and Juditsky, 1992, in its moving form).

    The decay rises as (1 + n) / (10 + n) over the first n steps, so that the first weights are soon
    forgotten. Integer buffers are taken as they are.

    Args:
        model: whose weights are averaged.
        decay: share of the old average kept at each step, in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.begin(model)

    def begin(self, model: nn.Module) -> None:
        """Begin anew with the weights that a model has now."""
        self.steps = 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor], steps: int) -> None:
        """Take up an average of so many steps."""
        self.steps = steps
        for name, value in weights.items():
            self.weights[name].copy_(value)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1.0 - decay)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights while a block runs."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)
