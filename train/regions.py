"""Connected regions of a probability map: outline, size in pixels, score."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from formats.sample import Bytes

Contour = NDArray[np.int32]


@dataclass(frozen=True)
class Regions:
    """K regions above a threshold, 8-connected, greatest score first.

    Attributes:
        contours: K arrays (P, 2) int32: the outlines, x and y of the pixels on the border. A contour runs
            through pixel centres, so it encloses less than the region's pixels cover.
        pixels_K: float64, the number of pixels of each: its unbiased area.
        scores_K: float64, mean probability over those pixels.
    """

    contours: tuple[Contour, ...]
    pixels_K: NDArray[np.float64]
    scores_K: NDArray[np.float64]


def find_regions(
    probability_HW: NDArray[np.float32] | Bytes, threshold: float, least_score: float
) -> Regions:
    """Return the regions where the probability is above `threshold`, if their mean is at least `least_score`.

    Args:
        probability_HW: float32 in 0..1, or uint8 in 0..255.
        threshold: in 0..1.
        least_score: in 0..1.
    """
    full = 255.0 if probability_HW.dtype == np.uint8 else 1.0
    text_HW = (probability_HW > threshold * full).astype(np.uint8)
    count, label_HW, stats, _ = cv2.connectedComponentsWithStats(text_HW, connectivity=8)
    pixels_K = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    inside = np.flatnonzero(text_HW)
    sums_K = np.bincount(label_HW.ravel()[inside], probability_HW.ravel()[inside], minlength=count)
    scores_K = sums_K / (full * np.maximum(pixels_K, 1.0))  # of the background there may be no pixel
    contour_of = {int(label_HW[y, x]): contour for contour in _outlines(text_HW) for x, y in contour[:1]}
    labels = [int(label) for label in np.argsort(-scores_K, kind="stable") if label in contour_of]
    labels = [label for label in labels if scores_K[label] >= least_score]
    return Regions(tuple(contour_of[label] for label in labels), pixels_K[labels], scores_K[labels])


def _outlines(text_HW: Bytes) -> list[Contour]:
    """Return the outer border of each component, also of one within another's hole; no hole's border."""
    contours, hierarchy = cv2.findContours(text_HW, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = [] if hierarchy is None else hierarchy[0, :, 3]
    return [contour[:, 0] for contour, parent in zip(contours, parents, strict=True) if parent < 0]
