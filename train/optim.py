"""AdamW, its learning rate as a plain function of the step, and nothing with a state of its own.

A rate that is a function of (step, total steps) needs no scheduler to save, and resumes where it stood.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from formats.spec import Section, Unit


class OptimSettings(Section):
    """How the weights move."""

    lr: float = Field(1e-3, gt=0.0, le=1.0, description="highest learning rate, right after the warm-up")
    weight_decay: float = Field(1e-4, ge=0.0, le=1.0, description="decoupled; never of norms and biases")
    betas: tuple[Unit, Unit] = Field((0.9, 0.999), description="decay of AdamW's two running means")
    eps: float = Field(
        1e-8, gt=0.0, le=1.0, description="gradients far below it hardly move a weight; AdamW's epsilon"
    )
    schedule: Literal["poly", "cosine", "constant"] = Field("poly", description="how the rate falls")
    power: float = Field(0.9, gt=0.0, le=10.0, description="exponent of the polynomial decay")
    warmup_steps: int = Field(0, ge=0, description="steps over which the rate rises linearly from zero")
    final_share: Unit = Field(0.0, description="share of the highest rate that is left at the end")
    clip_norm: float | None = Field(5.0, gt=0.0, description="greatest norm of the gradient; null: any")


def build_optimizer(model: nn.Module, settings: OptimSettings) -> torch.optim.AdamW:
    """Return AdamW over the model's trainable weights; those with one axis (norms, biases) do not decay."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take up an optimizer's running means, not its settings: those are what the optimizer was built with.

    Args:
        optimizer: over the weights that the state is of.
        state: what `state_dict` of the other one gave.
    """
    own = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)


def learning_rate(step: int, total_steps: int, settings: OptimSettings) -> float:
    """Return the rate of optimizer attempt `step`, counted from 0, of `total_steps`.

    Warm-up rises linearly and reaches the highest rate on its last step. Then, with x from 0 to 1 over the
    steps that are left: poly (1 - x)^power, cosine (1 + cos(pi x)) / 2 (Loshchilov and Hutter, ICLR 2017,
    eq. 5), constant 1.
    """
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    x = (step - settings.warmup_steps) / max(total_steps - settings.warmup_steps, 1)
    share = _decay(min(max(x, 0.0), 1.0), settings)
    return settings.lr * (settings.final_share + (1.0 - settings.final_share) * share)


def _decay(x: float, settings: OptimSettings) -> float:
    if settings.schedule == "poly":
        return float((1.0 - x) ** settings.power)
    if settings.schedule == "cosine":
        return (1.0 + math.cos(math.pi * x)) / 2.0
    return 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameter groups one learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
