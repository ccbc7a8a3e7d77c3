from __future__ import annotations

import numpy as np
import pytest

from train.regions import find_regions


def test_a_region_is_its_pixels_mean_and_outline() -> None:
    prob_HW = np.zeros((20, 30), np.float32)
    prob_HW[4:8, 5:15] = 0.6
    prob_HW[4, 5] = 1.0
    regions = find_regions(prob_HW, 0.3, 0.4)
    assert regions.pixels_K.tolist() == [40.0]
    assert regions.scores_K == pytest.approx([(39 * 0.6 + 1.0) / 40])
    assert {tuple(point) for point in regions.contours[0].tolist()} == {(5, 4), (14, 4), (14, 7), (5, 7)}


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    prob_HW = np.eye(6, dtype=np.float32)
    assert find_regions(prob_HW, 0.3, 0.4).pixels_K.tolist() == [6.0]


def test_a_pixel_at_the_threshold_is_background() -> None:
    assert find_regions(np.full((4, 4), 0.5, np.float32), 0.5, 0.0).contours == ()
    assert find_regions(np.full((4, 4), 51, np.uint8), 0.2, 0.0).contours == ()


def test_a_hole_is_no_region_and_not_part_of_one() -> None:
    prob_HW = np.ones((9, 9), np.float32)
    prob_HW[3:6, 3:6] = 0.0
    regions = find_regions(prob_HW, 0.3, 0.4)
    assert regions.pixels_K.tolist() == [72.0]
    assert regions.scores_K.tolist() == [1.0]
    assert len(regions.contours) == 1


def test_a_map_without_background_is_one_region() -> None:
    regions = find_regions(np.full((6, 8), 0.9, np.float32), 0.3, 0.4)
    assert regions.pixels_K.tolist() == [48.0]
    assert regions.scores_K == pytest.approx([0.9])


def test_a_region_of_just_the_least_score_is_kept() -> None:
    prob_HW = np.zeros((8, 8), np.float32)
    prob_HW[2:6, 2:6] = 0.5
    assert find_regions(prob_HW, 0.25, 0.5).scores_K.tolist() == [0.5]
    assert find_regions(prob_HW, 0.25, 0.50001).contours == ()
