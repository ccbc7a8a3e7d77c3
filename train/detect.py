"""All that lies between a page on its canvas and the texts found on it.

Evaluation and prediction go this one way: the canvas is resized to the evaluation size, padded to what the
network takes, and what is found goes back through the same matrix, half pixel included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from formats.sample import Bytes, Points
from train.boxes import BoxSettings, Detections, boxes_from_probability, to_source
from train.model import STRIDE, Detector
from train.pixels import normalised
from train.precision import Precision


@dataclass(frozen=True)
class Fit:
    """How a canvas is brought to the size the network sees.

    Attributes:
        canvas: height, width of the canvas in pixels.
        resized: height, width after the resize.
        padded: the same, rounded up to multiples of 32; the padding is black, below and to the right.
    """

    canvas: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels the network sees for one of the canvas."""
        return max(self.resized) / max(self.canvas)

    @property
    def to_canvas_23(self) -> Points:
        """(2, 3) float64 matrix from points the network sees to points of the canvas."""
        sy, sx = (before / after for before, after in zip(self.canvas, self.resized, strict=True))
        return np.array([[sx, 0.0, sx / 2 - 0.5], [0.0, sy, sy / 2 - 0.5]])

    def apply(self, canvas_HWC: Bytes) -> Bytes:
        """Return the canvas as the network sees it, (h, w, 3) uint8."""
        (h, w), (H, W) = self.resized, self.padded
        if self.resized != self.canvas:
            shrinks = h < self.canvas[0]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            canvas_HWC = np.asarray(cv2.resize(canvas_HWC, (w, h), interpolation=how), np.uint8)
        return np.pad(canvas_HWC, ((0, H - h), (0, W - w), (0, 0)))


def fit(canvas: tuple[int, int], long_side: int | None) -> Fit:
    """Return how a canvas (height, width) comes to have `long_side` pixels on its long side; None: as is."""
    scale = 1.0 if long_side is None else long_side / max(canvas)
    rows, columns = (max(1, round(side * scale)) for side in canvas)
    height, width = (-(-side // STRIDE) * STRIDE for side in (rows, columns))
    return Fit(canvas, (rows, columns), (height, width))


class TextFinder:
    """A detector with everything around it: canvases in, texts in canvas coordinates out.

    Args:
        detector: in evaluation mode on the precision's device while this is used.
        precision: the number format the network runs in.
        canvas: height, width of the canvases.
        eval_size: long side of what the network sees; None for the canvas as it is.
        boxes: how boxes are read.
        shrink_ratio: of the targets the detector learnt.
    """

    def __init__(
        self,
        detector: Detector,
        precision: Precision,
        canvas: tuple[int, int],
        eval_size: int | None,
        boxes: BoxSettings,
        shrink_ratio: float,
    ) -> None:
        self.detector, self.precision = detector, precision
        self.fit = fit(canvas, eval_size)
        # Boxes are read where the network sees them, and `min_size` is of the canvas.
        self.boxes = boxes.model_copy(update={"min_size": boxes.min_size * self.fit.scale})
        self.shrink_ratio = shrink_ratio

    def find(self, seen: Sequence[Bytes]) -> list[Detections]:
        """Return the texts of pages that `Fit.apply` gave, in canvas coordinates."""
        images_NHWC = torch.from_numpy(np.stack(seen)).to(self.precision.device)
        with torch.inference_mode(), self.precision.autocast():
            prob_NHW = self.detector.probability(normalised(images_NHWC))
        h, w = self.fit.resized
        return [self._boxes(prob_HW) for prob_HW in prob_NHW[:, :h, :w].float().cpu().numpy()]

    def _boxes(self, prob_HW: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Detections:
        found = boxes_from_probability(np.ascontiguousarray(prob_HW), self.boxes, self.shrink_ratio)
        return to_source(found, self.fit.to_canvas_23)
