"""What learns: a network, its optimizer, number format and running average, saved and taken up together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from train.average import WeightAverage
from train.optim import load_optimizer
from train.precision import Precision, StepOutcome


class Learner:
    """A network and all that moves its weights.

    Args:
        model: the network.
        optimizer: over its weights.
        precision: the number format.
        average: the weights' running average, evaluated in their place; None for none.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        average: WeightAverage | None = None,
    ) -> None:
        self.model, self.optimizer, self.precision, self.average = model, optimizer, precision, average

    def step(self, clip_norm: float | None) -> StepOutcome:
        """Move the weights by the gradients at hand, and the average after them; see `Precision.step`."""
        outcome = self.precision.step(self.optimizer, self.model.parameters(), clip_norm)
        if self.average is not None and not outcome.skipped:
            self.average.update(self.model)
        return outcome

    def averaged(self) -> AbstractContextManager[None]:
        """Give the network the averaged weights while a block runs; its own where there is no average."""
        return self.average.applied(self.model) if self.average is not None else nullcontext()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The state dict that is evaluated: the running average where there is one."""
        return self.average.weights if self.average is not None else self.model.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return all that learning on needs: tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "average": None if self.average is None else (self.average.weights, self.average.steps),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state; the optimizer keeps the settings it has, and takes up what it learnt of gradients.

        An average that the state does not have begins with the state's weights.

        Raises:
            RuntimeError: it is another network's.
        """
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            if state["average"] is None:
                self.average.begin(self.model)
            else:
                self.average.load(*state["average"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.precision.load_state_dict(state["scaler"])
