"""As PaddleOCR's DB trainers take a batch.

Their configurations name the order (`KeepKeys: [image, threshold_map, threshold_mask, shrink_map,
shrink_mask]`), and `DBLoss.forward(predicts, labels)` takes the last four of it: float32 NumPy arrays that
the loader turns into tensors.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.maps import Targets
from train.pixels import normalised

KEYS = ("image", "threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
"""The order of a batch."""


def paddle_batch(
    images_NHWC: Tensor, targets: Targets, *, channels: str = "BGR"
) -> list[NDArray[np.float32]]:
    """Return a batch in the order of KEYS: the page (N, 3, H, W), then four maps (N, H, W), all float32.

    Args:
        images_NHWC: (N, H, W, 3) uint8 RGB.
        targets: of the pages.
        channels: "BGR": blue first, under the mean and deviation of red, as PaddleOCR's own configurations
            (`DecodeImage: {img_mode: BGR}`) train; "RGB": as this project trains.

    Raises:
        ValueError: channels that are neither.
    """
    if channels not in ("BGR", "RGB"):
        raise ValueError(f"channels {channels!r}, not BGR or RGB")
    images_NHWC = images_NHWC.flip(-1) if channels == "BGR" else images_NHWC
    maps = (targets.thresh_NHW, targets.thresh_mask_NHW, targets.prob_NHW, targets.prob_mask_NHW)
    return [_array(normalised(images_NHWC)), *map(_array, maps)]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.to(torch.float32).cpu().contiguous().numpy().copy()
