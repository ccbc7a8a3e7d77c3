"""As MMOCR's DBNet losses take targets, in its 0.x and its 1.x releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from train.maps import Targets

MaskClass = Callable[[NDArray[Any], int, int], Any]

KEYS0 = ("gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask")
"""Keyword arguments of MMOCR 0.x's `DBLoss.forward`, besides predictions and down-sampling ratio."""


def mmocr0_targets(targets: Targets, bitmap_masks: MaskClass) -> dict[str, list[Any]]:
    """Return the keyword arguments of `DBLoss.forward`: by KEYS0 a list of a mask object for each page.

    Args:
        targets: of N pages.
        bitmap_masks: mmdet's `BitmapMasks`: made of a (1, H, W) float32 array, a height and a width.
    """
    maps = dict(zip(KEYS0, (targets.prob_NHW, *_rest(targets)), strict=True))
    return {name: [_mask(map_HW, bitmap_masks) for map_HW in map_NHW] for name, map_NHW in maps.items()}


def mmocr1_targets(targets: Targets) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what MMOCR 1.x's `DBModuleLoss.get_targets` returns: four (N, H, W) float32 tensors.

    In its order: shrunk text, its mask, threshold map, its mask. There targets are rendered inside the loss,
    in the main process, at every step; a subclass whose `get_targets` returns these instead renders nothing.
    """
    return (targets.prob_NHW, *_rest(targets))


def _rest(targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
    return targets.prob_mask_NHW, targets.thresh_NHW, targets.thresh_mask_NHW


def _mask(map_HW: Tensor, bitmap_masks: MaskClass) -> Any:
    array_1HW = map_HW.cpu().numpy().astype(np.float32)[None]
    return bitmap_masks(array_1HW, *array_1HW.shape[1:])
