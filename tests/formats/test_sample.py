"""Maps read from the distance plane against the definition, and what a page knows of itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_set import area_over_length, distance_maps, made_sample, signed_distance, turned_box

from formats.levels import offset_level
from formats.sample import STATUSES, Meta, Text, inverse

CANVAS = (96, 64)


@pytest.mark.parametrize("ratio", [0.4, 0.55, 0.7])
def test_maps_of_overlapping_texts_follow_the_definition(ratio: float) -> None:
    care = [turned_box(32, 22, 50, 16, 2), turned_box(32, 37, 50, 11, -2)]
    stored = distance_maps(care, [turned_box(20, 70, 30, 9, 0)], CANVAS)
    assert stored.overlap_HW is not None
    maps = stored.target_maps(0.4, ratio)
    T = offset_level(ratio)
    q = np.stack([signed_distance(p, CANVAS) / area_over_length(p) for p in care])
    step = offset_level(0.4) / 108
    sure = np.abs(np.abs(q.max(0)) - T) > step
    np.testing.assert_array_equal(maps.prob_HW[sure], (q.max(0) >= T)[sure])
    np.testing.assert_array_equal(maps.thresh_mask_HW[sure], (q.max(0) >= -T)[sure])
    thresh = 255 * np.clip(1 - np.abs(q).min(0) / T, 0, 1)
    assert np.abs(maps.thresh_HW - thresh).max() <= 0.5 + 255 * step / T
    assert maps.prob_mask_HW is stored.prob_mask_HW
    assert set(np.unique(maps.prob_mask_HW)) == {0, 1}


def test_overlap_matters() -> None:
    stored = made_sample(0, CANVAS).maps
    plain = type(stored)(stored.distance_HW, None, stored.prob_mask_HW)
    assert (stored.target_maps(0.4).thresh_HW > plain.target_maps(0.4).thresh_HW).any()


def test_smaller_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        made_sample(0, CANVAS).maps.target_maps(0.4, 0.2)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_inverse_matrix(entries: list[float]) -> None:
    matrix = np.reshape(entries, (2, 3)) * [1, 1, 100]
    if abs(np.linalg.det(matrix[:, :2])) < 0.1:
        return
    back = Meta("a", "train", (1, 1), matrix, ()).to_source_23
    points = np.array([[0.0, 0.0], [10.0, -3.0], [640.0, 480.0]])
    there = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(there @ back[:, :2].T + back[:, 2], points, atol=1e-6)


def test_only_care_counts() -> None:
    square = np.zeros((4, 2))
    assert [Text(square, square, status).ignored for status in STATUSES] == [False] + [True] * 6


SCALES = st.floats(1e-3, 1e3)
SHIFTS = st.floats(-1e4, 1e4)


@given(SCALES, SCALES, SHIFTS, SHIFTS)
def test_a_scaled_page_comes_back_by_the_same_numbers_as_any(a: float, d: float, x: float, y: float) -> None:
    matrix_23 = np.array([[a, 0.0, x], [0.0, d, y]])
    linear_22 = np.linalg.inv(matrix_23[:, :2])
    np.testing.assert_array_equal(inverse(matrix_23)[:, :2], linear_22)
    np.testing.assert_array_equal(inverse(matrix_23)[:, 2], -linear_22 @ [x, y])


def test_what_is_undone() -> None:
    turned_23 = np.array([[0.5, -0.25, 3.0], [0.75, 2.0, -1.0]])
    there_33 = np.vstack([turned_23, [0, 0, 1]])
    back_33 = np.vstack([inverse(turned_23), [0, 0, 1]])
    np.testing.assert_allclose(back_33 @ there_33, np.eye(3), atol=1e-12)
    with pytest.raises(np.linalg.LinAlgError):
        inverse(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))


def test_numpy_is_not_asked_to_undo_a_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(np.linalg, "inv")
    np.testing.assert_array_equal(
        inverse(np.array([[2.0, 0, 4], [0, 4, 2]])), [[0.5, 0, -2], [0, 0.25, -0.5]]
    )
