"""One similarity for a page and its stored planes, into the memory of a batch.

Image, distance and threshold planes are sampled bilinearly and rounded; a 0/1 plane is 1 where bilinear
sampling gives a half or more. A distance level is the field's value at a point, so it is sampled, never
averaged. The overlap correction takes the nearest pixel: that costs 0.00004 of the threshold map's 0.4, and
less than half the time. Off the page: the padding's colour, distance 0 (background), mask 1.

OpenCV warps four channels in less than half the time of three (5.0: 0.95 against 2.2 ms for 640 x 640), so
that the first plane travels as the image's fourth channel. What lies on the page and is nothing but its
background (padding, mask without holes) is not warped but filled in: see `Focus` and `train.page_boxes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from formats.sample import Bytes, Points
from train.augment import Floats, Side
from train.page_boxes import BLOCK, Box

MARGIN = 2
"""Pixels around a crop's window that bilinear sampling may touch, and one to spare."""


@dataclass(frozen=True)
class View:
    """What a crop sees of a page.

    Attributes:
        box: the part of the page, its columns in whole blocks of 8; empty where it sees nothing of it.
        matrix_23: (2, 3) float64 from points of the page to points of the crop.
    """

    box: Box
    matrix_23: Points


def require_similarity(matrix_23: Points) -> None:
    """Refuse a matrix under which stored maps would no longer be the maps of the moved texts.

    Raises:
        ValueError: it is no flip, rotation, uniform scale, shift, or a product of these.
    """
    if not _is_similarity(matrix_23):
        raise ValueError(
            f"not a similarity: {matrix_23.tolist()}; shear, perspective and unequal scales change a text's "
            "offset, so stored maps cannot follow them: bake such variants into the source images"
        )


def _is_similarity(matrix_23: Points) -> bool:
    if matrix_23.shape != (2, 3) or not np.isfinite(matrix_23).all():
        return False
    (a, b, _), (c, d, _) = matrix_23.tolist()
    square = a * a + b * b
    error = max(abs(c * c + d * d - square), abs(a * c + b * d))
    return bool(square > 0.0 and error <= 1e-6 * square)


def view_of(matrix_23: Points, canvas: Side, crop: Side) -> View:
    """Return what a crop sees of a canvas."""
    (a, b, shift_x), (c, d, shift_y) = matrix_23.tolist()
    determinant = a * d - b * c
    ends = [(u - shift_x, v - shift_y) for u in (0, crop[1] - 1) for v in (0, crop[0] - 1)]
    left, right = _span([(d * u - b * v) / determinant for u, v in ends], canvas[1])
    top, bottom = _span([(a * v - c * u) / determinant for u, v in ends], canvas[0])
    return View((left, top, max(right - left, 0), max(bottom - top, 0)), matrix_23)


def _span(seen: list[float], size: int) -> tuple[int, int]:
    first, last = math.floor(min(seen)) - MARGIN, math.ceil(max(seen)) + MARGIN + 1
    return max(first // BLOCK * BLOCK, 0), min(-(-last // BLOCK) * BLOCK, size)


def _packed(part: tuple[slice, slice]) -> tuple[slice, slice]:
    """Return a part of a plane, in whole blocks, in the same plane of 8 pixels a byte."""
    rows, columns = part
    return rows, slice(columns.start // BLOCK, columns.stop // BLOCK)


def _meet(one: Box, other: Box) -> Box:
    """Return the part of a page that two boxes share; empty where there is none."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right = min(one[0] + one[2], other[0] + other[2])
    bottom = min(one[1] + one[3], other[1] + other[3])
    return left, top, max(right - left, 0), max(bottom - top, 0)


@dataclass(frozen=True)
class Focus:
    """The part of a view that is not all border, and the part of the crop that shows it.

    Attributes:
        source: rows and columns of the page.
        out: rows of the crop, and columns in whole blocks of 8.
        matrix_23: (2, 3) float64 from points of the one to points of the other.
    """

    source: tuple[slice, slice]
    out: tuple[slice, slice]
    matrix_23: Points

    @classmethod
    def on(cls, box: Box, view: View, crop: Side) -> Focus | None:
        """Return the focus on a box of the page, None where the crop shows nothing of it.

        Bilinear sampling reaches one pixel beyond the box. All the page outside the box is of the border's
        value, so that nothing changes when it is cut away.
        """
        x, y, width, height = _meet(box, view.box)
        if not width or not height:
            return None
        (a, b, shift_x), (c, d, shift_y) = view.matrix_23.tolist()
        ends = [(u, v) for u in (x - 1, x + width) for v in (y - 1, y + height)]
        columns = _within([a * u + b * v + shift_x for u, v in ends], crop[1])
        rows = _within([c * u + d * v + shift_y for u, v in ends], crop[0])
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        columns = slice(columns.start // BLOCK * BLOCK, -(-columns.stop // BLOCK) * BLOCK)
        shift = (a * x + b * y + shift_x - columns.start, c * x + d * y + shift_y - rows.start)
        moved_23 = np.array([[a, b, shift[0]], [c, d, shift[1]]])
        return cls((slice(y, y + height), slice(x, x + width)), (rows, columns), moved_23)

    def fills(self, crop: Side) -> bool:
        """Tell whether it is all that a crop shows."""
        return self.out == (slice(0, crop[0]), slice(0, crop[1]))


def _within(points: list[float], size: int) -> slice:
    return slice(max(math.floor(min(points)) - 1, 0), min(math.ceil(max(points)) + 2, size))


class Warper:
    """Warps pages and planes of one set; owns scratch memory, so each thread needs its own.

    Args:
        canvas: height, width of a page, multiples of 8.
        crop: height, width of what comes out, the width a multiple of 8.
        pad_color: RGB off the page.
    """

    def __init__(self, canvas: Side, crop: Side, pad_color: tuple[int, int, int]) -> None:
        self.canvas, self.crop = canvas, crop
        self._border = (*pad_color, 0)
        self._source = np.empty(canvas[0] * canvas[1] * 4, np.uint8)
        self._warped_HW4 = np.empty((*crop, 4), np.uint8)
        self._colored_HWC = np.empty((*crop, 3), np.uint8)
        self._bits_HW = np.empty(crop, np.uint8)

    def view(self, matrix_23: Points) -> View:
        """Return what a crop sees of the page.

        Raises:
            ValueError: the matrix is no similarity.
        """
        require_similarity(matrix_23)
        return view_of(matrix_23, self.canvas, self.crop)

    def page(
        self,
        view: View,
        box: Box,
        image_HWC: Bytes,
        plane_HW: Bytes,
        color_34: Floats | None,
        out_HWC: Bytes,
        out_HW: Bytes,
    ) -> None:
        """Warp an image and a plane together, and colour the image.

        Args:
            view: what the crop sees.
            box: where image or plane are not of the border's values.
            image_HWC: (H, W, 3); or (H, W, 4), whose fourth channel is lost.
            plane_HW: (H, W).
            color_34: as `train.augment.Draw` has it.
            out_HWC: (h, w, 3), to be written.
            out_HW: (h, w), to be written.
        """
        focus = self._focus(view, box)
        if focus is None or not focus.fills(self.crop):
            out_HW.fill(0)
            _fill(out_HWC, self._border[:3], color_34)
        if focus is None:
            return
        warped_HW4 = self._warped_HW4[focus.out]
        self._warp(self._joined(focus.source, image_HWC, plane_HW), focus.matrix_23, warped_HW4, self._border)
        cv2.extractChannel(warped_HW4, 3, dst=out_HW[focus.out])
        plain_HWC = out_HWC[focus.out] if color_34 is None else self._colored_HWC[focus.out]
        cv2.cvtColor(warped_HW4, cv2.COLOR_RGBA2RGB, dst=plain_HWC)
        if color_34 is not None:
            cv2.transform(plain_HWC, color_34, dst=out_HWC[focus.out])

    def _joined(self, seen: tuple[slice, slice], image_HWC: Bytes, plane_HW: Bytes) -> Bytes:
        """Return a part of image and plane as (h, w, 4)."""
        if image_HWC.shape[2] == 4:
            source_HW4 = image_HWC[seen]
        else:
            height, width = plane_HW[seen].shape
            source_HW4 = self._source[: height * width * 4].reshape(height, width, 4)
            cv2.cvtColor(image_HWC[seen], cv2.COLOR_RGB2RGBA, dst=source_HW4)
        cv2.insertChannel(plane_HW[seen], source_HW4, 3)
        return source_HW4

    def overlap(self, view: View, box: Box, plane_HW: Bytes | None, out_HW: Bytes) -> None:
        """Warp the overlap correction, which is zero outside a box; None is all zero."""
        out_HW.fill(0)
        focus = self._focus(view, box)
        if focus is not None and plane_HW is not None:
            moved_HW = out_HW[focus.out]
            self._warp(plane_HW[focus.source], focus.matrix_23, moved_HW, (0,), cv2.INTER_NEAREST)

    def bits(self, view: View, box: Box, packed_HB: Bytes, out_HB: Bytes, outside: int) -> None:
        """Warp a 0/1 plane of 8 pixels a byte to another such.

        Args:
            view: what the crop sees.
            box: outside it the plane is `outside`; its columns in whole blocks of 8.
            packed_HB: (H, W / 8).
            out_HB: (h, w / 8), to be written.
            outside: what the plane is off the page.
        """
        out_HB.fill(0xFF * outside)
        focus = self._focus(view, box)
        if focus is not None:
            source_HW = np.unpackbits(packed_HB[_packed(focus.source)], axis=1)
            moved_HW = self._bits_HW[focus.out]
            self._warp(source_HW, focus.matrix_23, moved_HW, (outside,))
            out_HB[_packed(focus.out)] = np.packbits(moved_HW, axis=1)

    def _focus(self, view: View, box: Box) -> Focus | None:
        return Focus.on(box, view, self.crop)

    def _warp(
        self,
        source: Bytes,
        matrix_23: Points,
        out: Bytes,
        border: tuple[int, ...],
        sampling: int = cv2.INTER_LINEAR,
    ) -> None:
        cv2.warpAffine(
            source,
            matrix_23,
            (out.shape[1], out.shape[0]),
            dst=out,
            flags=sampling,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )


def _fill(out_HWC: Bytes, color: tuple[int, ...], color_34: Floats | None) -> None:
    """Fill an image with one colour, changed by a colour matrix as OpenCV changes it."""
    pixel_11C = np.array([[color]], np.uint8)
    if color_34 is not None:
        pixel_11C = cv2.transform(pixel_11C, color_34)
    red, green, blue = pixel_11C.ravel().tolist()
    if red == green == blue:
        out_HWC.fill(red)
    else:
        out_HWC[:] = pixel_11C
