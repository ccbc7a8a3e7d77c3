"""The detector as it is served: pages in, as the tool at hand gives them, a probability map out."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from train.model import Detector
from train.pixels import DEVIATION, MEAN

Tools = Literal["any", "paddle", "opencv"]
"""Who will run it. `any` gives RGB. `paddle`, PaddleOCR and its kin, read pages with OpenCV, leave blue first
and yet normalise it with the figures of red, red with those of blue: the graph undoes that. `opencv`, its
class TextDetectionModel_DB, gives one page in RGB and wants a map (H, W).
"""


class ProbabilityMap(nn.Module):
    """A copy of a detector, on the CPU, from pages as some tools normalise them to the map they want."""

    scale: Tensor
    shift: Tensor

    def __init__(self, detector: Detector, tools: Tools) -> None:
        super().__init__()
        self.detector, self.tools = copy.deepcopy(detector).cpu().float(), tools
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        self.register_buffer("scale", deviation / deviation.flip(0))
        self.register_buffer("shift", (mean - mean.flip(0)) / deviation.flip(0))
        if tools == "paddle":
            first = self.detector.backbone.conv1.weight
            first.data = first.data.flip(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, (N, 1, H, W), or (H, W) of the one page, of pages (N, 3, H, W)."""
        if self.tools == "paddle":
            x = x * self.scale + self.shift
        prob_NHW = self.detector.probability(x)
        return prob_NHW[0] if self.tools == "opencv" else prob_NHW.unsqueeze(1)
