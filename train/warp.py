"""One similarity for a page and its stored planes, into the memory of a batch.

Image, distance and threshold planes are sampled bilinearly and rounded; a 0/1 plane is 1 where bilinear
sampling gives a half or more. A distance level is the field's value at a point, so it is sampled, never
averaged. The overlap correction takes the nearest pixel: that costs 0.00004 of the threshold map's 0.4, and
less than half the time. Off the page: the padding's colour, distance 0 (background), mask 1.

OpenCV warps four channels in less than half the time of three (5.0: 0.95 against 2.2 ms for 640 x 640), so
that the first plane travels as the image's fourth channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from formats.sample import Bytes, Points
from train.augment import Floats, Side

MARGIN = 2
"""Pixels around a crop's window that bilinear sampling may touch, and one to spare."""
BLOCK = 8
"""Pixels of a packed byte: windows begin and end with whole ones."""


@dataclass(frozen=True)
class Window:
    """The part of a page that a crop sees.

    Attributes:
        rows: of the page.
        columns: of the page, in whole blocks of 8.
        matrix_23: (2, 3) float64 from points of the window to points of the crop.
    """

    rows: slice
    columns: slice
    matrix_23: Points

    @property
    def packed(self) -> tuple[slice, slice]:
        """The window in a plane of 8 pixels a byte."""
        return self.rows, slice(self.columns.start // BLOCK, self.columns.stop // BLOCK)


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
    gram_22 = matrix_23[:, :2] @ matrix_23[:, :2].T
    square = gram_22[0, 0]
    return bool(square > 0.0 and np.abs(gram_22 - square * np.eye(2)).max() <= 1e-6 * square)


def window_of(matrix_23: Points, canvas: Side, crop: Side) -> Window | None:
    """Return the part of the canvas that a crop sees, None where it sees nothing of it."""
    linear_22 = np.linalg.inv(matrix_23[:, :2])
    H, W = crop
    corners_42 = np.array([[0.0, 0.0], [W - 1.0, 0.0], [W - 1.0, H - 1.0], [0.0, H - 1.0]])
    seen_42 = (corners_42 - matrix_23[:, 2]) @ linear_22.T
    columns, rows = (_span(seen_42[:, axis], size) for axis, size in ((0, canvas[1]), (1, canvas[0])))
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return None
    moved_23 = matrix_23.copy()
    moved_23[:, 2] += matrix_23[:, :2] @ [columns.start, rows.start]
    return Window(rows, columns, moved_23)


def _span(seen: Floats, size: int) -> slice:
    first, last = int(np.floor(seen.min())) - MARGIN, int(np.ceil(seen.max())) + MARGIN + 1
    return slice(max(first // BLOCK * BLOCK, 0), min(-(-last // BLOCK) * BLOCK, size))


class Warper:
    """Warps pages and planes of one set; owns scratch memory, so each thread needs its own.

    Args:
        canvas: height, width of a page, multiples of 8.
        crop: height, width of what comes out.
        pad_color: RGB off the page.
    """

    def __init__(self, canvas: Side, crop: Side, pad_color: tuple[int, int, int]) -> None:
        self.canvas, self.crop = canvas, crop
        self._border = (*pad_color, 0)
        self._source = np.empty(canvas[0] * canvas[1] * 4, np.uint8)
        self._warped_HW4 = np.empty((*crop, 4), np.uint8)
        self._colored_HWC = np.empty((*crop, 3), np.uint8)

    def window(self, matrix_23: Points) -> Window | None:
        """Return what a crop sees of the page; see `window_of`.

        Raises:
            ValueError: the matrix is no similarity.
        """
        require_similarity(matrix_23)
        return window_of(matrix_23, self.canvas, self.crop)

    def page(
        self,
        window: Window | None,
        image_HWC: Bytes,
        plane_HW: Bytes,
        color_34: Floats | None,
        out_HWC: Bytes,
        out_HW: Bytes,
    ) -> None:
        """Warp an image and a plane together, and colour the image."""
        warped_HW4 = self._warped_HW4
        if window is None:
            warped_HW4[:] = self._border
        else:
            seen = (window.rows, window.columns)
            height, width = plane_HW[seen].shape
            source_HW4 = self._source[: height * width * 4].reshape(height, width, 4)
            cv2.cvtColor(image_HWC[seen], cv2.COLOR_RGB2RGBA, dst=source_HW4)
            cv2.insertChannel(plane_HW[seen], source_HW4, 3)
            self._warp(source_HW4, window, warped_HW4, self._border)
        cv2.extractChannel(warped_HW4, 3, dst=out_HW)
        plain_HWC = out_HWC if color_34 is None else self._colored_HWC
        cv2.cvtColor(warped_HW4, cv2.COLOR_RGBA2RGB, dst=plain_HWC)
        if color_34 is not None:
            cv2.transform(plain_HWC, color_34, dst=out_HWC)

    def overlap(self, window: Window | None, plane_HW: Bytes | None, out_HW: Bytes) -> None:
        """Warp the overlap correction; None is all zero."""
        seen_HW = None if window is None or plane_HW is None else plane_HW[window.rows, window.columns]
        if window is None or seen_HW is None or not seen_HW.max():
            out_HW.fill(0)
        else:
            self._warp(seen_HW, window, out_HW, (0,), cv2.INTER_NEAREST)

    def bits(self, window: Window | None, packed_HW: Bytes, out_HW: Bytes, outside: int) -> None:
        """Warp a 0/1 plane of 8 pixels a byte, which is `outside` off the page, to one byte a pixel."""
        seen_HW = None if window is None else packed_HW[window.packed]
        every = 255 * outside
        if window is None or seen_HW is None or seen_HW.min() == every == seen_HW.max():
            out_HW.fill(outside)
        else:
            self._warp(np.unpackbits(seen_HW, axis=1), window, out_HW, (outside,))

    def _warp(
        self,
        source: Bytes,
        window: Window,
        out: Bytes,
        border: tuple[int, ...],
        sampling: int = cv2.INTER_LINEAR,
    ) -> None:
        cv2.warpAffine(
            source,
            window.matrix_23,
            (self.crop[1], self.crop[0]),
            dst=out,
            flags=sampling,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )
