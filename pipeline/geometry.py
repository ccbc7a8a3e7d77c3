"""Pages and polygons onto the canvas, by OpenCV; where they come to lie says formats/placement.py."""

from __future__ import annotations

import cv2
import numpy as np

from formats.errors import SampleError
from formats.placement import Placement, filter_of, lay_page
from formats.sample import Bytes, Points
from formats.spec import GeometrySpec

_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


MAX_RESIZED = 178_956_970
"""Pixels a page may be enlarged to, rows times columns: half a gigabyte of RGB."""


def draw_page(image_HWC: Bytes, placement: Placement, geometry: GeometrySpec) -> Bytes:
    """Resize a page, (h, w, 3) uint8 RGB, and lay it on its canvas, (H, W, 3) uint8 RGB.

    Raises:
        SampleError: the page is so narrow that, covering the canvas, it would fill the memory.
    """
    rows, columns = placement.resized
    if rows * columns > MAX_RESIZED:
        height, width = placement.source
        raise SampleError(
            "a page too narrow for its canvas",
            expected=f"at most {MAX_RESIZED} pixels under geometry.resize={geometry.resize}",
            found=f"{height} x {width} (height x width), enlarged to {rows} x {columns}",
            next_step="set geometry.resize=longest, or take the page out of the annotations",
        )
    if placement.resized != placement.source:
        flag = _FILTERS[filter_of(placement, geometry)]
        image_HWC = np.asarray(cv2.resize(image_HWC, (columns, rows), interpolation=flag), np.uint8)
    return lay_page(image_HWC, placement, geometry)


def move(points_V2: Points, matrix_23: Points) -> Points:
    """Map (V, 2) float64 points by a (2, 3) matrix."""
    return points_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]
