"""One matrix from source to canvas, for the image and for its polygons.

Pixel (row i, column j) stands for the point (x=j, y=i). A resize from w to w' pixels keeps the outer borders
in place, half a pixel outside the first and last centres: ``x' = (x + 0.5) w'/w - 0.5``, which is what
OpenCV's resize does to the image. Where sizes round to whole pixels, the scale is that of the rounded sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from formats.sample import Bytes, Points
from formats.spec import GeometrySpec

_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


@dataclass(frozen=True)
class Placement:
    """Where a page comes to lie on its canvas.

    Attributes:
        source: height, width of the source image in pixels.
        resized: height, width after the resize.
        top_left: row and column of the canvas that the resized page's first pixel falls on; negative where
            the page sticks out.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    top_left: tuple[int, int]

    @property
    def to_canvas_23(self) -> Points:
        """(2, 3) float64 matrix from source points (x, y) to canvas points."""
        sy, sx = (after / before for after, before in zip(self.resized, self.source, strict=True))
        top, left = self.top_left
        return np.array([[sx, 0.0, sx / 2 - 0.5 + left], [0.0, sy, sy / 2 - 0.5 + top]])


def place(source: tuple[int, int], geometry: GeometrySpec) -> Placement:
    """Return where a page of (height, width) pixels lies on the canvas, by resize rule and position."""
    ratios = [canvas / side for canvas, side in zip(geometry.canvas, source, strict=True)]
    if geometry.resize == "exact":
        resized = geometry.canvas
    else:
        scale = min(ratios) if geometry.resize == "longest" else max(ratios)
        rows, columns = (max(1, round(side * scale)) for side in source)
        resized = (rows, columns)
    room = [canvas - side for canvas, side in zip(geometry.canvas, resized, strict=True)]
    centered = geometry.position == "center"
    top, left = (space // 2 if centered else 0 for space in room)
    return Placement(source, resized, (top, left))


def draw_page(image_HWC: Bytes, placement: Placement, geometry: GeometrySpec) -> Bytes:
    """Resize a page, (h, w, 3) uint8 RGB, and lay it on its canvas, (H, W, 3) uint8 RGB."""
    rows, columns = placement.resized
    grows = rows > placement.source[0] or columns > placement.source[1]
    # OpenCV's "area" is no interpolation when it enlarges; linear is.
    name = "linear" if grows and geometry.interpolation == "area" else geometry.interpolation
    if placement.resized != placement.source:
        image_HWC = cv2.resize(image_HWC, (columns, rows), interpolation=_FILTERS[name])
    H, W = geometry.canvas
    if placement.resized == (H, W):
        return image_HWC
    canvas_HWC = np.empty((H, W, 3), np.uint8)
    canvas_HWC[:] = geometry.pad_color
    top, left = placement.top_left
    page = image_HWC[max(0, -top) : H - top, max(0, -left) : W - left]
    canvas_HWC[max(0, top) : top + rows, max(0, left) : left + columns][: page.shape[0], : page.shape[1]] = (
        page
    )
    return canvas_HWC


def move(points_V2: Points, matrix_23: Points) -> Points:
    """Map (V, 2) float64 points by a (2, 3) matrix."""
    return points_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]
