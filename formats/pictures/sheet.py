"""Several pictures on one sheet: rows, columns, contact sheets, strips that compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from formats.pictures.lettering import strip
from formats.pictures.palette import INVENTED, MISSED, PROB, RULE, WHITE
from formats.sample import Bytes

GAP = 16
"""White between two pictures, in pixels."""


def side_by_side(images: Sequence[Bytes], gap: int = GAP) -> Bytes:
    """Return images (H, W, 3) of one height in a row, with white between them."""
    space_HWC = np.full((images[0].shape[0], gap, 3), WHITE, np.uint8)
    return np.hstack([part for image_HWC in images for part in (space_HWC, image_HWC)][1:])


def stack(images: Sequence[Bytes], gap: int = 0) -> Bytes:
    """Return images (H, W, 3) of one width below each other, with white between them."""
    space_HWC = np.full((gap, images[0].shape[1], 3), WHITE, np.uint8)
    return np.vstack([part for image_HWC in images for part in (space_HWC, image_HWC)][1:])


def on_white(image_HWC: Bytes, height: int, width: int) -> Bytes:
    """Return the image in the middle of the top of a white field of that size."""
    field_HWC = np.full((height, width, 3), WHITE, np.uint8)
    left = (width - image_HWC.shape[1]) // 2
    field_HWC[: image_HWC.shape[0], left : left + image_HWC.shape[1]] = image_HWC
    return field_HWC


def framed(image_HWC: Bytes) -> Bytes:
    """Return the image with its outermost pixels grey, so that a white page ends somewhere."""
    drawn_HWC = image_HWC.copy()
    drawn_HWC[[0, -1]] = RULE
    drawn_HWC[:, [0, -1]] = RULE
    return drawn_HWC


def contact_sheet(tiles: Sequence[Bytes], labels: Sequence[str], columns: int) -> Bytes:
    """Return tiles (H, W, 3) uint8 RGB of any sizes in rows, each under its label, on white.

    Every cell is as large as the largest tile; a smaller tile keeps its size.

    Raises:
        ValueError: no tiles or columns, or not as many labels as tiles.
    """
    if not tiles or columns < 1 or len(tiles) != len(labels):
        raise ValueError(f"{len(tiles)} tiles, {len(labels)} labels, {columns} columns")
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    size = max(14, round(width / 20))
    cells = [
        stack([strip(label, width, size), on_white(tile, height, width)])
        for tile, label in zip(tiles, labels, strict=True)
    ]
    blank_HWC = np.full_like(cells[0], 255)
    columns = min(columns, len(cells))
    cells += [blank_HWC] * (-len(cells) % columns)
    rows = [side_by_side(cells[first : first + columns]) for first in range(0, len(cells), columns)]
    return stack(rows, gap=GAP)


def comparison_strip(
    page: Bytes,
    truth: Bytes,
    prediction: Bytes,
    difference: Bytes,
    captions: Sequence[str] = ("page", "truth", "prediction", "difference"),
) -> Bytes:
    """Return four pictures of one page in a row, each (H, W, 3) RGB or (H, W) grey, with captions above."""
    tiles = [
        np.repeat(tile[..., None], 3, axis=2) if tile.ndim == 2 else tile
        for tile in (page, truth, prediction, difference)
    ]
    return contact_sheet(tiles, captions, columns=4)


def difference_of(truth_HW: Bytes, prediction_HW: Bytes) -> Bytes:
    """Return two 0/1 maps as one picture: both blue, truth alone vermillion, prediction alone orange."""
    true_HW, found_HW = truth_HW.astype(bool), prediction_HW.astype(bool)
    picture_HWC = np.full((*true_HW.shape, 3), WHITE, np.uint8)
    picture_HWC[true_HW & found_HW] = PROB
    picture_HWC[true_HW & ~found_HW] = MISSED
    picture_HWC[~true_HW & found_HW] = INVENTED
    return picture_HWC
