from __future__ import annotations

import pytest
import torch

from train.seeding import random_state, seed_generators, set_random_state


def test_the_state_gives_the_same_numbers_again() -> None:
    seed_generators(3, deterministic=False)
    state = random_state()
    drawn = torch.rand(4)
    assert not torch.equal(torch.rand(4), drawn)
    set_random_state(state)
    assert torch.equal(torch.rand(4), drawn)


def test_a_state_of_more_devices_is_taken_up_where_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", taken.extend)
    set_random_state({"cpu": torch.get_rng_state(), "devices": ["first", "second"]})
    assert taken == ["first"]
