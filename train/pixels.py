"""Pages as the network takes them."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, RGB in 0..1: what published backbones were trained with."""


def normalised(images_NHWC: Tensor) -> Tensor:
    """Return uint8 RGB pages as float32 (N, 3, H, W), in channels-last memory, on the device they are on."""
    device = images_NHWC.device
    mean = torch.tensor(MEAN, device=device).view(3, 1, 1) * 255.0
    deviation = torch.tensor(DEVIATION, device=device).view(3, 1, 1) * 255.0
    return images_NHWC.permute(0, 3, 1, 2).float().sub_(mean).div_(deviation)
