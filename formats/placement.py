"""One matrix from source to canvas, for the image and for its polygons.

Pixel (row i, column j) stands for the point (x=j, y=i). A resize from w to w' pixels keeps the outer borders
in place, half a pixel outside the first and last centres: ``x' = (x + 0.5) w'/w - 0.5``, which is what
OpenCV's resize does to the image. Where sizes round to whole pixels, the scale is that of the rounded sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formats.errors import SampleError
from formats.sample import Bytes, Meta, Points, inverse
from formats.spec import GeometrySpec

MAX_RESIZED = 178_956_970
"""Pixels a page may be enlarged to, rows times columns: half a gigabyte of RGB."""


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

    @property
    def to_source_23(self) -> Points:
        """(2, 3) float64 matrix from canvas points to source points."""
        return inverse(self.to_canvas_23)


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


def check_resized(placement: Placement, geometry: GeometrySpec) -> None:
    """Refuse a page that would fill the memory before it is cut to its canvas.

    Raises:
        SampleError: it is so narrow that, covering the canvas, it has more than `MAX_RESIZED` pixels.
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


def page_box(meta: Meta, canvas: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the page on a canvas (height, width), in pixels, without padding.

    A page ends between pixels, see `Placement`: what is rounded here is the matrix's own rounding alone. Of
    a variant it is the whole canvas, on which its page was moved once more.
    """
    H, W = canvas
    if meta.variant is not None:
        return 0, 0, W, H
    height, width = meta.source_size
    ends_22 = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    seen_22 = ends_22 @ meta.to_canvas_23[:, :2].T + meta.to_canvas_23[:, 2] + 0.5
    left, top = np.rint(seen_22.min(axis=0)).clip(0, (W - 1, H - 1)).astype(int).tolist()
    right, bottom = np.rint(seen_22.max(axis=0)).clip((left + 1, top + 1), (W, H)).astype(int).tolist()
    return left, top, right, bottom


def filter_of(placement: Placement, geometry: GeometrySpec) -> str:
    """Return the interpolation a page is resized with: an average over areas makes no sense when it grows."""
    grows = any(after > before for after, before in zip(placement.resized, placement.source, strict=True))
    return "linear" if grows and geometry.interpolation == "area" else geometry.interpolation


def lay_page(page_HWC: Bytes, placement: Placement, geometry: GeometrySpec) -> Bytes:
    """Lay a resized page, (h, w, 3) uint8, on its canvas, (H, W, 3) uint8: padded, or cut to it."""
    H, W = geometry.canvas
    if placement.resized == (H, W):
        return page_HWC
    canvas_HWC = _padding(geometry)
    top, left = placement.top_left
    seen = page_HWC[max(0, -top) : H - top, max(0, -left) : W - left]
    canvas_HWC[max(0, top) :, max(0, left) :][: seen.shape[0], : seen.shape[1]] = seen
    return canvas_HWC


def _padding(geometry: GeometrySpec) -> Bytes:
    """Return an empty canvas, (H, W, 3) uint8 of the padding's colour."""
    H, W = geometry.canvas
    canvas_HWC = np.zeros((H, W, 3), np.uint8)
    if any(geometry.pad_color):
        # Row by row: NumPy writes three bytes at a time thirty times as slowly.
        canvas_HWC[:] = np.tile(np.array(geometry.pad_color, np.uint8), (W, 1))
    return canvas_HWC
