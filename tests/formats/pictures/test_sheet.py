from __future__ import annotations

import numpy as np
import pytest

from formats.pictures.palette import INVENTED, MISSED, PROB
from formats.pictures.sheet import GAP, comparison_strip, contact_sheet, difference_of, framed

RED = np.full((40, 100, 3), (200, 0, 0), np.uint8)
GREEN = np.full((60, 80, 3), (0, 200, 0), np.uint8)


def _count(sheet: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((sheet == color).all(axis=2).sum())


@pytest.mark.parametrize("columns", [1, 2, 3, 9])
def test_a_contact_sheet_holds_every_tile_whole(columns: int) -> None:
    sheet = contact_sheet([RED, GREEN, RED], ["a", "b", "c"], columns)
    assert _count(sheet, (200, 0, 0)) == 2 * 40 * 100
    assert _count(sheet, (0, 200, 0)) == 60 * 80
    used = min(columns, 3)
    assert sheet.shape[1] == used * 100 + (used - 1) * GAP


def test_labels_and_tiles_must_match() -> None:
    with pytest.raises(ValueError, match="2 tiles, 1 labels"):
        contact_sheet([RED, GREEN], ["a"], 2)
    with pytest.raises(ValueError, match="0 tiles"):
        contact_sheet([], [], 2)


def test_difference_names_each_side() -> None:
    truth, found = np.array([[1, 1, 0, 0]], np.uint8), np.array([[1, 0, 1, 0]], np.uint8)
    assert difference_of(truth, found).tolist() == [[list(PROB), list(MISSED), list(INVENTED), [255] * 3]]


def test_a_strip_takes_grey_and_colour_in_order() -> None:
    grey = np.full((40, 100), 90, np.uint8)
    strip = comparison_strip(RED, grey, grey // 2, RED)
    middles = [strip[-1, 50 + i * (100 + GAP)].tolist() for i in range(4)]
    assert middles == [[200, 0, 0], [90] * 3, [45] * 3, [200, 0, 0]]


def test_a_frame_takes_the_outermost_pixels_only() -> None:
    drawn = framed(RED)
    assert np.array_equal(drawn[1:-1, 1:-1], RED[1:-1, 1:-1])
    assert _count(drawn, (200, 0, 0)) == 38 * 98
