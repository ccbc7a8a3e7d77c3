"""The state of all random generators that training uses.

The order of the data and its augmentation use none of these: they are functions of seed, epoch and position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def seed_generators(seed: int, *, deterministic: bool) -> None:
    """Seed torch's generators; `deterministic` refuses operations that do not repeat to the bit."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic)


def random_state() -> dict[str, Any]:
    """Return the state of torch's generators, on the CPU and every device in use."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "devices": devices}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Take up what `random_state` gave, of as many devices as there are here."""
    torch.set_rng_state(state["cpu"])
    if state["devices"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["devices"][: torch.cuda.device_count()])
