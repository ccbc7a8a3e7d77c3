"""Where a page and its planes are anything but background, looked for once for each page.

Padding, the mask without holes and the overlap of no texts make up most of many pages. What is known to be
background is not warped (`train.warp.Focus`); to find it takes a look at all pixels, a tenth of the time of a
crop, so that the answer is kept: 8 bytes a plane and page.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from formats.sample import Bytes
from train.cache import Decoded

Box = tuple[int, int, int, int]
"""Of pixels: first column, first row, columns, rows; no columns and no rows where it is empty."""
NOWHERE: Box = (0, 0, 0, 0)
BLOCK = 8
"""Pixels of a packed byte: boxes of packed planes begin and end with whole ones."""
OUTSIDE = {"overlap": 0, "prob": 0, "prob_mask": 1, "thresh_mask": 0}
"""What a plane is off the page, and wherever no text says otherwise."""
PAGE = "page"
"""Name of the box around image and first plane, which are warped together."""


class PageBoxes:
    """The boxes of a set's pages; safe to use from many threads.

    Args:
        pages: number of samples of the set.
        planes: names of a sample's planes, in the order they are stored in.
        black: whether pages are padded with black: padding of another colour is taken for content.
    """

    def __init__(self, pages: int, planes: Iterable[str], *, black: bool) -> None:
        self._first, *self._others = planes
        self._black = black
        self._boxes_NP4 = np.zeros((pages, 1 + len(self._others), 4), np.uint16)
        self._known = bytearray(pages)

    def __call__(self, number: int, page: Decoded) -> dict[str, Box]:
        """Return a page's boxes: PAGE, and that of each plane but the first.

        Args:
            number: of the sample.
            page: the same; of an image of four channels the last is overwritten.
        """
        if not self._known[number]:
            self._boxes_NP4[number] = [self._page(page), *(_box_of(page, name) for name in self._others)]
            self._known[number] = 1
        boxes = map(tuple, self._boxes_NP4[number].tolist())
        return dict(zip((PAGE, *self._others), boxes, strict=True))

    def _page(self, page: Decoded) -> Box:
        plane_HW = page.planes[self._first]
        height, width = plane_HW.shape
        return page_box(page.image_HWC, plane_HW) if self._black else (0, 0, width, height)


def _box_of(page: Decoded, name: str) -> Box:
    if name not in page.planes:
        return NOWHERE
    plane = page.planes[name]
    return plane_box(plane) if name == "overlap" else bits_box(plane, OUTSIDE[name])


def page_box(image_HWC: Bytes, plane_HW: Bytes) -> Box:
    """Return the box outside which an image and a plane are zero.

    Args:
        image_HWC: (H, W, 3); or (H, W, 4), whose fourth channel is overwritten with the plane.
        plane_HW: (H, W).
    """
    if image_HWC.shape[2] == 4:
        cv2.insertChannel(plane_HW, image_HWC, 3)
        return _image_box(image_HWC)
    one, other = _image_box(image_HWC), plane_box(plane_HW)
    if not one[2] or not other[2]:
        return one if one[2] else other
    left, top = min(one[0], other[0]), min(one[1], other[1])
    right, bottom = max(one[0] + one[2], other[0] + other[2]), max(one[1] + one[3], other[1] + other[3])
    return left, top, right - left, bottom - top


def _image_box(image_HWC: Bytes) -> Box:
    height, width, channels = image_HWC.shape
    x, y, columns, rows = cv2.boundingRect(image_HWC.reshape(height, width * channels))
    first, last = x // channels, -(-(x + columns) // channels)
    return first, y, last - first, rows


def plane_box(plane_HW: Bytes) -> Box:
    """Return the box outside which a plane is zero."""
    x, y, columns, rows = cv2.boundingRect(plane_HW)
    return x, y, columns, rows


def bits_box(packed_HB: Bytes, outside: int) -> Box:
    """Return the box outside which a plane of 8 pixels a byte is `outside`, in whole blocks."""
    x, y, columns, rows = plane_box(cv2.bitwise_not(packed_HB) if outside else packed_HB)
    return x * BLOCK, y, columns * BLOCK, rows
