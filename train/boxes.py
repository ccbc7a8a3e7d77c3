"""From a probability map to texts: threshold, regions, unclip (Liao et al., AAAI 2020, "Deployment").

Differences from the customary post-processing, each because the targets are exact here: a region's size is
that of its pixels, not of its contour; `min_size` is asked of the box that comes out (a text line 16 px high
is shrunk to a strip of 3); of more than `max_boxes` the best are kept, not the first found.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from formats.sample import Bytes, Points
from formats.spec import Section, Unit
from train.regions import Regions, find_regions
from train.unclip import grown_polygon, grown_quads


class BoxSettings(Section):
    """How boxes are read from a probability map."""

    threshold: Unit = Field(0.3, description="a pixel above it is text")
    box_score: Unit = Field(0.4, description="least mean probability of a region")
    unclip: Annotated[float, Field(gt=0.0, le=10.0)] | Literal["exact"] = Field(
        "exact",
        description="exact: undoes the shrink; a number: a region grows by it times area over perimeter",
    )
    max_boxes: int = Field(300, ge=1, description="a page; the best are kept")
    min_size: float = Field(
        3.0, ge=0.0, description="least shorter side of a box that is kept, canvas pixels"
    )
    shape: Literal["quad", "polygon"] = Field("quad", description="smallest rectangle, or the outline")


@dataclass(frozen=True)
class Detections:
    """Texts found on a page, best first.

    Attributes:
        polygons: float64 (V, 2) each; V is 4 for quads.
        scores: (K,) float64, mean probability.
    """

    polygons: tuple[Points, ...]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.polygons)


def boxes_from_probability(
    probability_HW: NDArray[np.float32] | Bytes, settings: BoxSettings, shrink_ratio: float
) -> Detections:
    """Return the texts of a probability map, in its pixel coordinates: pixel (i, j) is the point (j, i).

    Args:
        probability_HW: float32 in 0..1, or uint8 in 0..255.
        settings: thresholds, unclip, shape.
        shrink_ratio: the r of the targets the network learned; only `unclip: exact` asks for it.
    """
    regions = find_regions(probability_HW, settings.threshold, settings.box_score)
    unclip = None if settings.unclip == "exact" else float(settings.unclip)
    outlines = _quads if settings.shape == "quad" else _polygons
    found = outlines(regions, unclip, shrink_ratio)
    large = ((index, polygon_V2) for index, polygon_V2, side in found if side >= settings.min_size)
    kept = list(itertools.islice(large, settings.max_boxes))
    indices = [index for index, _ in kept]
    return Detections(tuple(polygon_V2 for _, polygon_V2 in kept), regions.scores_K[indices])


def to_source(
    detections: Detections, to_source_23: Points, source_size: tuple[int, int] | None = None
) -> Detections:
    """Return the detections in another frame: points mapped by a (2, 3) matrix, e.g. `Meta.to_source_23`.

    With `source_size` (height, width in pixels) vertices are moved onto the page, 0..width-1 and 0..height-1.
    """
    polygons = []
    for polygon_V2 in detections.polygons:
        moved_V2 = polygon_V2 @ to_source_23[:, :2].T + to_source_23[:, 2]
        if source_size is not None:
            height, width = source_size
            moved_V2 = np.clip(moved_V2, 0.0, (width - 1.0, height - 1.0))
        polygons.append(moved_V2)
    return Detections(tuple(polygons), detections.scores)


def _quads(
    regions: Regions, unclip: float | None, shrink_ratio: float
) -> Iterator[tuple[int, Points, float]]:
    """Yield each region's number, grown rectangle and shorter side in px."""
    quads_K42 = grown_quads(regions, unclip, shrink_ratio)
    sides_K2 = np.linalg.norm(np.diff(quads_K42[:, :3], axis=1), axis=2)
    for index, quad_V2 in enumerate(quads_K42):
        yield index, quad_V2, float(sides_K2[index].min())


def _polygons(
    regions: Regions, unclip: float | None, shrink_ratio: float
) -> Iterator[tuple[int, Points, float]]:
    """Yield each region's number, grown outline and the shorter side of its box in px."""
    for index, (contour, pixels) in enumerate(zip(regions.contours, regions.pixels_K, strict=True)):
        polygon_V2 = grown_polygon(contour, pixels, unclip, shrink_ratio)
        if len(polygon_V2):
            yield index, polygon_V2, float(min(cv2.minAreaRect(polygon_V2.astype(np.float32))[1]))
