"""The loss against its definition in float64, and against the traps of half precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train import loss
from train.loss import (
    LossSettings,
    balanced_cross_entropy,
    detection_loss,
    dice,
    hardest,
    kth_greatest,
    masked_l1,
)
from train.maps import Targets
from train.model import Logits
from train.ranks import Ranks

SETTINGS = LossSettings()


def page(height: int, width: int, text: float = 0.05, seed: int = 0) -> tuple[Logits, Targets]:
    """Random logits and targets: a share of text pixels, a tenth masked out."""
    random = torch.Generator().manual_seed(seed)

    def uniform() -> Tensor:
        return torch.rand(2, height, width, generator=random)

    prob_NHW = (uniform() < text).float()
    masks = ((uniform() > 0.1).float() for _ in range(2))
    logits = (torch.randn(2, height, width, generator=random) * 3.0 for _ in range(2))
    return Logits(*logits), Targets(prob_NHW, next(masks), 0.3 + 0.4 * uniform(), next(masks))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))


def by_definition(logits: Logits, targets: Targets, settings: LossSettings) -> tuple[float, float, float]:
    """The three parts in float64, the negatives by a plain sort."""
    x, y = (value.double().numpy() for value in logits)
    g, m, t, tm = (value.double().numpy() for value in targets)
    loss = np.logaddexp(0.0, np.where(g > 0, -x, x))
    positive, negative = loss[(g > 0) & (m > 0)], np.sort(loss[(g == 0) & (m > 0)])[::-1]
    kept = max(int(settings.negative_ratio * len(positive)), settings.negatives_at_least)
    chosen = np.concatenate([positive, negative[:kept]])
    l1 = (np.abs(sigmoid(y) - t) * tm).sum() / max(tm.sum(), 1e-6)
    b = sigmoid(settings.steepness * (sigmoid(x) - sigmoid(y))) * m
    return float(chosen.mean()), float(l1), float(1 - 2 * (b * g * m).sum() / (b.sum() + (g * m).sum()))


@pytest.mark.parametrize("text", [0.0, 0.001, 0.05, 0.6])
def test_the_loss_is_its_definition_with_a_plain_sort(text: float) -> None:
    settings = LossSettings(negatives_at_least=100)
    logits, targets = page(96, 128, text)
    parts = detection_loss(logits, targets, settings)
    expected = by_definition(logits, targets, settings)
    assert [float(part) for part in parts[1:]] == pytest.approx(expected, rel=1e-4)
    assert float(parts.total) == pytest.approx(5 * expected[0] + 10 * expected[1] + expected[2], rel=1e-4)


@given(st.lists(st.floats(-20, 20, width=16), min_size=1, max_size=60), st.data())
def test_the_hardest_are_those_of_a_sort(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    values_M = torch.tensor(values)
    weights_M = hardest(values_M, count)
    assert float(weights_M.sum()) == pytest.approx(count, rel=1e-5)
    expected = sum(sorted(values, reverse=True)[:count])
    assert float((weights_M * values_M).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert float(kth_greatest(values_M, count)) == sorted(values, reverse=True)[count - 1]


def test_equal_negatives_share_their_gradient() -> None:
    logits_NHW = torch.zeros(1, 4, 4, requires_grad=True)
    target_NHW, mask_NHW = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    target_NHW[0, 0, 0] = 1.0
    balanced_cross_entropy(logits_NHW, target_NHW, mask_NHW, 3.0, 0).backward()
    assert logits_NHW.grad is not None
    negatives = logits_NHW.grad.flatten()[1:]
    assert torch.all(negatives == negatives[0])
    assert float(negatives.sum()) == pytest.approx(3 * 0.5 / 4)


def test_only_pixels_under_the_mask_are_mined() -> None:
    logits_NHW = torch.full((1, 8, 8), -4.0)
    target_NHW, mask_NHW = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    target_NHW[0, 0, :2] = 1.0
    expected = balanced_cross_entropy(logits_NHW, target_NHW, mask_NHW, 3.0, 0)
    logits_NHW[0, 4:], mask_NHW[0, 4:] = 50.0, 0.0
    assert float(balanced_cross_entropy(logits_NHW, target_NHW, mask_NHW, 3.0, 0)) == pytest.approx(
        float(expected)
    )


def test_a_batch_without_text_teaches_its_hardest_background() -> None:
    logits, targets = page(64, 64, text=0.0)
    x_NHW = logits.prob_NHW.clone().requires_grad_()
    parts = detection_loss(Logits(x_NHW, logits.thresh_NHW), targets, LossSettings(negatives_at_least=50))
    parts.total.backward()
    assert x_NHW.grad is not None
    assert int((x_NHW.grad > 0).sum()) == 50
    assert float(x_NHW.grad.min()) == 0.0
    assert float(parts.binary.detach()) == 1.0


def test_a_batch_where_nothing_counts_is_finite_and_teaches_nothing() -> None:
    logits, targets = page(8, 8)
    nothing = torch.zeros_like(targets.prob_NHW)
    x_NHW, y_NHW = (value.clone().requires_grad_() for value in logits)
    parts = detection_loss(
        Logits(x_NHW, y_NHW), Targets(targets.prob_NHW, nothing, nothing, nothing), SETTINGS
    )
    parts.total.backward()
    assert float(parts.prob.detach()) == float(parts.thresh.detach()) == 0.0
    assert x_NHW.grad is not None
    assert y_NHW.grad is not None
    assert not x_NHW.grad.any()
    assert not y_NHW.grad.any()


def test_perfect_logits_lose_next_to_nothing() -> None:
    _, targets = page(32, 32)
    x_NHW = (targets.prob_NHW * 2 - 1) * 30.0
    y_NHW = torch.logit(targets.thresh_NHW)
    parts = detection_loss(Logits(x_NHW, y_NHW), targets, SETTINGS)
    assert float(parts.total) < 1e-3


# --- half precision -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_logits_lose_exactly_what_their_values_lose_in_float32(half: torch.dtype) -> None:
    logits, targets = page(640, 640)  # 2 x 409,600 pixels: any sum in float16 is infinite beyond 65,504
    halves = Logits(*(value.to(half) for value in logits))
    parts = detection_loss(halves, targets, SETTINGS)
    expected = detection_loss(Logits(*(value.float() for value in halves)), targets, SETTINGS)
    assert all(part.dtype == torch.float32 for part in parts)
    assert [float(part) for part in parts] == [float(part) for part in expected]


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_autocast_around_the_loss_changes_nothing(half: torch.dtype) -> None:
    logits, targets = page(64, 64)
    halves = Logits(*(value.to(half) for value in logits))
    expected = detection_loss(halves, targets, SETTINGS)
    with torch.autocast("cpu", half):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == half
        parts = detection_loss(halves, targets, SETTINGS)
    assert [float(part) for part in parts] == [float(part) for part in expected]


def test_autocast_is_off_within(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def looking(*maps_NHW: Tensor, ranks: Ranks) -> Tensor:
        seen.append((torch.is_autocast_enabled("cpu"), *(value.dtype for value in maps_NHW)))
        return masked_l1(*maps_NHW, ranks=ranks)

    monkeypatch.setattr(loss, "masked_l1", looking)
    logits, targets = page(16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        detection_loss(Logits(*(value.bfloat16() for value in logits)), targets, SETTINGS)
    assert seen == [(False, torch.float32, torch.float32, torch.float32)]


def test_a_confident_mistake_still_has_a_gradient_beyond_the_saturation_of_float16() -> None:
    wrong = torch.full((1, 2, 2), 12.0, dtype=torch.float16)
    assert float(torch.sigmoid(wrong).max()) == 1.0  # where a loss on float16 probabilities ends
    x_NHW = wrong.clone().requires_grad_()
    ones_NHW = torch.ones(1, 2, 2)
    targets = Targets(0 * ones_NHW, ones_NHW, 0.5 * ones_NHW, ones_NHW)
    parts = detection_loss(Logits(x_NHW, torch.zeros(1, 2, 2, dtype=torch.float16)), targets, SETTINGS)
    parts.total.backward()
    assert float(parts.prob.detach()) == pytest.approx(math.log1p(math.exp(12.0)), rel=1e-6)
    assert x_NHW.grad is not None
    assert float(x_NHW.grad.min()) > 1.0


def test_epsilons_survive_where_float16_would_drop_them() -> None:
    one = torch.ones(1, 1, 1)
    assert float(masked_l1(one, 0 * one, 0 * one)) == 0.0
    assert float(dice(0 * one, 0 * one, one)) == 1.0
    assert float(torch.tensor(1.0, dtype=torch.float16) - torch.tensor(1e-6, dtype=torch.float16)) == 1.0


def test_the_dice_reaches_pixels_whose_gradient_float16_cannot_hold() -> None:
    logits, targets = page(640, 640)
    x_NHW = torch.full_like(logits.prob_NHW, 0.02).requires_grad_()
    thresh_NHW = torch.zeros_like(x_NHW)
    detection_loss(
        Logits(x_NHW, thresh_NHW), targets, LossSettings(prob_weight=0.0, thresh_weight=0.0)
    ).total.backward()
    assert x_NHW.grad is not None
    reached = x_NHW.grad[targets.prob_mask_NHW > 0].abs()
    assert float(reached.min()) > 0.0
    assert float(reached.max()) < 6.1e-5  # the smallest normal number of float16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_loses_what_the_host_loses() -> None:
    logits, targets = page(160, 160)
    on_host = detection_loss(logits, targets, SETTINGS)
    on_device = detection_loss(
        Logits(*(value.cuda() for value in logits)), Targets(*(value.cuda() for value in targets)), SETTINGS
    )
    assert [float(part) for part in on_device] == pytest.approx([float(part) for part in on_host], rel=1e-4)
