"""Pages and polygons onto the canvas, by OpenCV; where they come to lie says formats/placement.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import cv2
import numpy as np

from formats.placement import Placement, check_resized, filter_of, lay_page
from formats.sample import Bytes, Points
from formats.spec import GeometrySpec

_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


LEAST_REMAINING = 2.0
"""Pixels a side of what is decoded, for each of the resized page: what of the resize the area filter keeps.
docs/decisions/0011-reduced-decoding.md says what it costs in levels."""


def spare_reduction(placement: Placement, geometry: GeometrySpec) -> float:
    """Return by how much a page's sides may shrink while it is decoded; below 2 they may not."""
    if geometry.decode == "full" or geometry.interpolation != "area":
        return 1.0
    sides = zip(placement.source, placement.resized, strict=True)
    return min(before / after for before, after in sides) / LEAST_REMAINING


def draw_page(image_HWC: Bytes, placement: Placement, geometry: GeometrySpec, reduction: int = 1) -> Bytes:
    """Resize a page and lay it on its canvas, (H, W, 3) uint8 RGB.

    Args:
        image_HWC: (h, w, 3) uint8 RGB, the page as decoded.
        placement: of the page as it is in its file.
        geometry: the settings.
        reduction: source pixels a side of a decoded one, as `pipeline.images.read_image` was told.

    Raises:
        SampleError: the page is so narrow that, covering the canvas, it would fill the memory.
    """
    check_resized(placement, geometry)
    rows, columns = placement.resized
    if reduction > 1:
        image_HWC = _resized_reduced(image_HWC, placement, reduction)
    elif placement.resized != placement.source:
        flag = _FILTERS[filter_of(placement, geometry)]
        image_HWC = np.asarray(cv2.resize(image_HWC, (columns, rows), interpolation=flag), np.uint8)
    return lay_page(image_HWC, placement, geometry)


def _resized_reduced(image_HWC: Bytes, placement: Placement, reduction: int) -> Bytes:
    """Resize a page that was decoded at reduced scale, to the very pixels the whole one would go to.

    Pixel j stands for source pixels ``reduction j`` to ``reduction (j + 1) - 1``, so both have their outer
    border at -0.5 of their own, but the last pixel may reach beyond the page: w pixels of the source are
    w / reduction of these, no whole number. Given the scale instead of the size, OpenCV's area filter takes
    just these; the size it finds is right, since what reaches beyond is less than half a pixel of the result.
    """
    (height, width), (rows, columns) = placement.source, placement.resized
    scales = {"fx": columns * reduction / width, "fy": rows * reduction / height}
    resized_HWC = np.asarray(cv2.resize(image_HWC, None, **scales, interpolation=cv2.INTER_AREA), np.uint8)
    assert resized_HWC.shape[:2] == placement.resized
    return resized_HWC


def move(points_V2: Points, matrix_23: Points) -> Points:
    """Map (V, 2) float64 points by a (2, 3) matrix."""
    return points_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]


def move_each(polygons: Sequence[Points], matrix_23: Points) -> list[Points]:
    """Map the polygons of a page, each (V, 2) float64, as `move` does: all their points at once."""
    if not polygons:
        return []
    moved_N2 = move(np.concatenate(polygons), matrix_23)
    return [moved_N2[start:end] for start, end in pairwise(accumulate(map(len, polygons), initial=0))]
