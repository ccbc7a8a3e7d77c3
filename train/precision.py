"""Number formats of training: float32, or the network's convolutions in bfloat16 or float16.

Only the network runs under `Precision.autocast`; losses are computed outside it, in float32. float16 needs
its gradients scaled (Micikevicius et al., ICLR 2018, section 3.2): they are unscaled before their norm is
measured and clipped, and a step whose gradients are not finite is skipped and counted. A loss that is not
finite, or a scale that falls below 1, stops the run: nothing would be learnt from then on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from formats.errors import TextshardsError

PrecisionName = Literal["32-true", "bf16-mixed", "16-mixed"]
LEAST_SCALE = 1.0
"""Below this the scaled gradients are smaller than the true ones, and yet did not fit float16."""
_AUTOCAST: dict[str, torch.dtype] = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class PrecisionError(TextshardsError):
    """Training that ran out of its number format."""


@dataclass(frozen=True)
class StepOutcome:
    """What an optimizer attempt came to.

    Attributes:
        grad_norm: norm of all gradients before clipping; not finite where the step was skipped.
        skipped: whether float16 gradients were not finite, so that no weight moved.
        scale: the loss scale after the attempt; 1 but for float16.
    """

    grad_norm: float
    skipped: bool
    scale: float


class Precision:
    """One number format on one device: autocast, loss scaling, and the optimizer's step under them."""

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self.name, self.device = name, device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "16-mixed")

    def autocast(self) -> torch.autocast:
        """Return the context the network runs under; in it nothing else may be computed."""
        dtype = _AUTOCAST.get(self.name)
        return torch.autocast(self.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a float32 loss to those already there."""
        if loss.dtype != torch.float32:
            raise TypeError(f"a loss is float32 whatever the precision, not {loss.dtype}")
        scaled: Tensor = self.scaler.scale(loss)
        torch.autograd.backward(scaled)

    def step(
        self, optimizer: torch.optim.Optimizer, weights: Iterable[nn.Parameter], clip_norm: float | None
    ) -> StepOutcome:
        """Unscale, measure, clip, step, and clear the gradients.

        Raises:
            PrecisionError: gradients that are not finite where nothing scales them, or a collapsed scale.
        """
        self.scaler.unscale_(optimizer)
        limit = math.inf if clip_norm is None else clip_norm
        grad_norm = float(nn.utils.clip_grad_norm_(weights, limit))
        if not self.scaler.is_enabled() and not math.isfinite(grad_norm):
            raise PrecisionError(
                "the gradients",
                expected="finite numbers",
                found=f"norm {grad_norm}",
                next_step=self._advice(),
            )
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=True)
        scale = float(self.scaler.get_scale())
        self._check_scale(scale)
        return StepOutcome(grad_norm, skipped=scale < before, scale=scale)

    def check_loss(self, loss: float) -> None:
        """Stop a run whose loss is no finite number.

        Raises:
            PrecisionError: it is not.
        """
        if not math.isfinite(loss):
            raise PrecisionError(
                "the loss", expected="a finite number", found=str(loss), next_step=self._advice()
            )

    def _check_scale(self, scale: float) -> None:
        if scale < LEAST_SCALE:
            raise PrecisionError(
                "the loss scale of 16-mixed",
                expected=f"at least {LEAST_SCALE:g}",
                found=f"{scale:g}: step after step was skipped, since gradients did not fit float16",
                next_step=self._advice(),
            )

    def _advice(self) -> str:
        lower = "lower optim.lr or set a longer optim.warmup_steps"
        if self.name == "16-mixed":
            return f"resume with trainer.precision=bf16-mixed (its range is float32's) or 32-true; or {lower}"
        return f"{lower}; the run folder's last checkpoint is from before"

    def state_dict(self) -> dict[str, Any]:
        """Return the loss scale's state."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a loss scale's state; one saved under another precision has none, and that is fine."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)
