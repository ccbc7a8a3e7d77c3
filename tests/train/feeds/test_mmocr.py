"""MMOCR's names and order, as its losses are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from train.feeds.mmocr import KEYS0, mmocr0_targets, mmocr1_targets
from train.maps import Targets


@dataclass
class Masks:
    """What mmdet's BitmapMasks is made of."""

    masks: np.ndarray
    height: int
    width: int


def made() -> Targets:
    return Targets(*(torch.full((2, 4, 6), value) for value in (1.0, 2.0, 3.0, 4.0)))


def test_keyword_arguments_of_0x() -> None:
    arguments = mmocr0_targets(made(), Masks)
    assert list(arguments) == list(KEYS0) == ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"]
    for value, masks in zip((1.0, 2.0, 3.0, 4.0), arguments.values(), strict=True):
        assert [(mask.height, mask.width) for mask in masks] == [(4, 6)] * 2
        assert all(mask.masks.shape == (1, 4, 6) and mask.masks.dtype == np.float32 for mask in masks)
        assert all((mask.masks == value).all() for mask in masks)


def test_what_get_targets_returns_in_1x() -> None:
    shrinks, shrink_masks, thrs, thr_masks = mmocr1_targets(made())
    assert [plane[0, 0, 0].item() for plane in (shrinks, shrink_masks, thrs, thr_masks)] == [1, 2, 3, 4]
