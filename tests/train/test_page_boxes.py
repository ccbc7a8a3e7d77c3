"""Boxes around what is not background hold all of it, and no row or column more than they must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from formats.sample import Bytes
from train.cache import Decoded
from train.page_boxes import NOWHERE, PAGE, Box, PageBoxes, bits_box, page_box

CANVAS = (32, 64)
PIXELS = st.lists(st.tuples(st.integers(0, 31), st.integers(0, 63)), max_size=3)


def dotted(pixels: list[tuple[int, int]]) -> Bytes:
    plane_HW = np.zeros(CANVAS, np.uint8)
    for row, column in pixels:
        plane_HW[row, column] = 1
    return plane_HW


def tight(holds_HW: np.ndarray, block: int = 1) -> Box:
    """The definition: the least box, columns in whole blocks, around what holds."""
    rows, columns = np.flatnonzero(holds_HW.any(axis=1)), np.flatnonzero(holds_HW.any(axis=0))
    if not len(rows):
        return NOWHERE
    left, right = columns[0] // block * block, -(-(columns[-1] + 1) // block) * block
    return int(left), int(rows[0]), int(right - left), int(rows[-1] + 1 - rows[0])


@given(PIXELS, PIXELS, st.sampled_from([3, 4]), st.integers(0, 2))
def test_around_image_and_plane(
    image: list[tuple[int, int]], plane: list[tuple[int, int]], channels: int, channel: int
) -> None:
    image_HWC = np.zeros((*CANVAS, channels), np.uint8)
    image_HWC[..., channel] = dotted(image)
    image_HWC[..., 3:] = 255  # as a JPEG's decoder leaves it
    assert page_box(image_HWC, dotted(plane)) == tight(dotted(image) | dotted(plane))


@given(PIXELS, st.integers(0, 1))
def test_around_bits(pixels: list[tuple[int, int]], outside: int) -> None:
    plane_HW = dotted(pixels) ^ outside
    assert bits_box(np.packbits(plane_HW, axis=1), outside) == tight(dotted(pixels), 8)


@pytest.mark.parametrize("black", [True, False])
def test_a_page_is_looked_at_once(black: bool) -> None:
    boxes = PageBoxes(3, ("distance", "overlap", "prob_mask"), black=black)
    mask = np.packbits(1 - dotted([(9, 17)]), axis=1)
    page = Decoded(np.zeros((*CANVAS, 3), np.uint8), {"distance": dotted([(4, 5)]), "prob_mask": mask})
    around = (5, 4, 1, 1) if black else (0, 0, 64, 32)
    expected = {PAGE: around, "overlap": NOWHERE, "prob_mask": (16, 9, 8, 1)}
    assert boxes(1, page) == expected
    page.planes["distance"][:] = 1
    assert boxes(1, page) == expected
    assert boxes(2, page)[PAGE] == (0, 0, 64, 32)


def test_four_planes_are_looked_at_by_what_they_are_off_the_page() -> None:
    boxes = PageBoxes(1, ("thresh", "prob", "prob_mask", "thresh_mask"), black=True)
    bits = np.packbits(dotted([(2, 40)]), axis=1)
    planes = {"thresh": dotted([]), "prob": bits, "prob_mask": ~bits, "thresh_mask": bits}
    found = boxes(0, Decoded(np.zeros((*CANVAS, 3), np.uint8), planes))
    assert found == {PAGE: NOWHERE} | dict.fromkeys(("prob", "prob_mask", "thresh_mask"), (40, 2, 8, 1))


def test_a_raw_page_is_left_as_it_is() -> None:
    image_HWC = np.full((*CANVAS, 3), 7, np.uint8)
    page_box(image_HWC, dotted([(1, 1)]))
    assert_array_equal(image_HWC, 7)
