"""The loss of DBNet (Liao et al., AAAI 2020, section "Optimization", eq. 4 to 7), in float32 from logits.

    total = 5 * balanced cross-entropy (prob) + 10 * masked L1 (thresh) + 1 * dice (binary)

The binary map is the differentiable binarization ``B = sigmoid(k (P - T))``, k = 50 (eq. 2).

Half precision never enters: logits and targets are cast to float32 *and* autocast is switched off, since
switching it off does not cast and casting does not switch it off. In float16 a sigmoid is exactly 1 above
logit 8.32, a sum over 640 x 640 pixels overflows at 65,504, and an epsilon of 1e-6 is lost beside 1.

The loss is of a batch, not a mean over its pages: positives are counted, negatives mined and sums divided
over the whole batch. Where processes share a batch, counts and sums run over all of them (`ranks`): each
computes the loss of the global batch, and the gradients of all together are its gradient.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from formats.spec import Section
from train.maps import Targets
from train.model import Logits
from train.ranks import ALONE, Ranks
from train.selection import kth_greatest_of_all

EPSILON = 1e-6


class LossSettings(Section):
    """Weights of the three parts, and the mining of negatives."""

    prob_weight: float = Field(5.0, ge=0.0, description="of the balanced cross-entropy")
    thresh_weight: float = Field(10.0, ge=0.0, description="of the L1 on the threshold map")
    binary_weight: float = Field(1.0, ge=0.0, description="of the dice on the binary map")
    steepness: float = Field(50.0, gt=0.0, description="k of the binary map sigmoid(k (P - T))")
    negative_ratio: float = Field(3.0, gt=0.0, description="hardest negatives kept for each positive pixel")
    negatives_at_least: int = Field(
        1024,
        ge=0,
        description="pixels; kept however few positives a batch has, so that empty pages teach too",
    )


class LossParts(NamedTuple):
    """The loss and its three parts before weighting, each a float32 scalar tensor."""

    total: Tensor
    prob: Tensor
    thresh: Tensor
    binary: Tensor


def detection_loss(
    logits: Logits, targets: Targets, settings: LossSettings, ranks: Ranks = ALONE
) -> LossParts:
    """Return the loss of a batch. All maps are (N, H, W); logits may be of any floating dtype.

    With several processes, N is this one's share of the batch (0 too), and the loss that of the whole batch.

    Without a positive pixel in the batch the cross-entropy is the mean over the `negatives_at_least` hardest
    negatives, the L1 is 0 where its mask is empty, and the dice is 1 without a gradient.
    """
    with torch.autocast(logits.prob_NHW.device.type, enabled=False):
        prob_logits_NHW = logits.prob_NHW.float()
        prob_NHW = torch.sigmoid(prob_logits_NHW)
        thresh_NHW = torch.sigmoid(logits.thresh_NHW.float())
        binary_NHW = torch.sigmoid(settings.steepness * (prob_NHW - thresh_NHW))
        prob = balanced_cross_entropy(
            prob_logits_NHW,
            targets.prob_NHW,
            targets.prob_mask_NHW,
            settings.negative_ratio,
            settings.negatives_at_least,
            ranks=ranks,
        )
        thresh = masked_l1(thresh_NHW, targets.thresh_NHW, targets.thresh_mask_NHW, ranks=ranks)
        binary = dice(binary_NHW, targets.prob_NHW, targets.prob_mask_NHW, ranks=ranks)
        total = (
            settings.prob_weight * prob + settings.thresh_weight * thresh + settings.binary_weight * binary
        )
    return LossParts(total, prob, thresh, binary)


def balanced_cross_entropy(
    logits_NHW: Tensor,
    target_NHW: Tensor,
    mask_NHW: Tensor,
    negative_ratio: float,
    negatives_at_least: int,
    *,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Return the mean cross-entropy over the positives and the hardest negatives (OHEM) of a batch.

    With p positives and n negatives under the mask, min(n, max(ratio * p, at least)) negatives count. The
    loss of a negative, softplus(logit), grows with its logit: the hardest are the ones with the highest.
    """
    positive_NHW = target_NHW * mask_NHW
    negative_NHW = mask_NHW - positive_NHW
    counts = torch.stack([positive_NHW.count_nonzero(), negative_NHW.count_nonzero()])
    positives, negatives = (int(count) for count in ranks.sum(counts).tolist())
    kept = min(negatives, max(int(negative_ratio * positives), negatives_at_least))
    weight_NHW = positive_NHW
    if kept:
        candidates_NHW = logits_NHW.detach().masked_fill(negative_NHW == 0.0, -math.inf)
        weight_NHW = positive_NHW + hardest(candidates_NHW, kept, ranks)
    total = functional.binary_cross_entropy_with_logits(logits_NHW, target_NHW, weight_NHW, reduction="sum")
    return ranks.total(total) / max(positives + kept, 1)


def hardest(values_NHW: Tensor, count: int, ranks: Ranks = ALONE) -> Tensor:
    """Return weights, float32 of the same shape, that pick the `count` greatest values: 1 there, else 0.

    With several processes the count is of all their values together.

    Values equal to the lowest that is picked share what is left of the count evenly, so the weights sum to
    `count`, and where values are equal no order of pixels is preferred.
    """
    values_M = values_NHW.reshape(-1)
    alone = ranks.world == 1
    lowest = kth_greatest(values_M, count) if alone else kth_greatest_of_all(values_M, count, ranks)
    above_NHW = values_NHW > lowest
    tied_NHW = values_NHW == lowest
    above, tied = ranks.sum(torch.stack([above_NHW.count_nonzero(), tied_NHW.count_nonzero()]))
    share = float((count - above) / tied)
    return above_NHW.float().add_(tied_NHW, alpha=share)


def kth_greatest(values_M: Tensor, k: int) -> Tensor:
    """Return the k-th greatest of (M,) float32 values, 1 <= k <= M, as a scalar tensor, without sorting them.

    On the host NumPy's quickselect takes a tenth of torch.topk's time; on a device topk is a radix selection.
    """
    if values_M.device.type == "cpu":
        at = values_M.numel() - k
        return torch.from_numpy(np.partition(values_M.numpy(), at)[at : at + 1])[0]
    return torch.topk(values_M, k, sorted=False).values.min()


def masked_l1(value_NHW: Tensor, target_NHW: Tensor, mask_NHW: Tensor, *, ranks: Ranks = ALONE) -> Tensor:
    """Return the mean absolute difference where the mask is 1; 0 where it is empty."""
    difference_NHW = (value_NHW - target_NHW).abs() * mask_NHW
    sums = ranks.total(torch.stack([difference_NHW.sum(), mask_NHW.sum()]))
    return sums[0] / (sums[1] + EPSILON)


def dice(value_NHW: Tensor, target_NHW: Tensor, mask_NHW: Tensor, *, ranks: Ranks = ALONE) -> Tensor:
    """Return 1 - 2 sum(v t) / (sum(v) + sum(t)) under the mask, over the batch (Milletari et al., 2016)."""
    value_NHW = value_NHW * mask_NHW
    target_NHW = target_NHW * mask_NHW
    overlap = (value_NHW * target_NHW).sum()
    sums = ranks.total(torch.stack([overlap, value_NHW.sum(), target_NHW.sum()]))
    return 1.0 - 2.0 * sums[0] / (sums[1] + sums[2] + EPSILON)
