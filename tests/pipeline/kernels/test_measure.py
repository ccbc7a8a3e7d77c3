from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import area_and_perimeter as exact_area_and_perimeter
from oracle import size

from formats.sample import Points
from pipeline.kernels.measure import (
    CARE,
    DEGENERATE,
    DONT_CARE,
    NOT_FINITE,
    SELF_CROSSING,
    TOO_SMALL,
    area_and_perimeter,
    convex_hull,
    measure,
    shorter_side,
)

POINTS = st.integers(3, 30).flatmap(
    lambda V: arrays(np.float64, (V, 2), elements=st.integers(-3200, 3200).map(lambda n: n / 16))
)


def measured(*polygons: Points, codes: list[int], min_size: float = 8.0) -> tuple[list[int], list[float]]:
    starts = np.cumsum([0, *map(len, polygons)])
    codes_P, units = np.array(codes, np.uint8), np.empty(len(polygons))
    measure(np.concatenate(polygons).astype(np.float64), starts, min_size, codes_P, units)
    return codes_P.tolist(), units.tolist()


def rectangle(width: float, height: float, degrees: float = 0.0) -> Points:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    return corners @ np.array([[c, s], [-s, c]]) + 100.0


@given(POINTS)
@settings(deadline=None)  # the first example may compile
def test_areas_perimeters_and_sizes_are_those_of_the_slow_twin(polygon_V2: Points) -> None:
    assert area_and_perimeter(polygon_V2) == pytest.approx(exact_area_and_perimeter(polygon_V2), abs=1e-8)
    hull = shapely.convex_hull(shapely.MultiPoint(polygon_V2))
    if hull.area > 1e-6:
        hull_K2 = convex_hull(polygon_V2)
        assert shapely.Polygon(hull_K2).symmetric_difference(hull).area < 1e-6 * hull.area
        # Where two rectangles are of nearly equal area, rounding decides between the twins.
        assert shorter_side(polygon_V2) == pytest.approx(size(polygon_V2), rel=1e-3)


@pytest.mark.parametrize("degrees", [0, 30, 45, 81.5, 90])
def test_the_size_of_a_rectangle_is_its_shorter_side_in_any_direction(degrees: float) -> None:
    assert shorter_side(rectangle(60, 7, degrees)) == pytest.approx(7)
    assert shorter_side(rectangle(7, 60, degrees)[::-1]) == pytest.approx(7)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_of_rectangles_of_equal_area_the_thickest_counts(first: int) -> None:
    triangle = np.roll(np.array([[0, 0], [12, 0], [0, 5]], np.float64), first, axis=0)
    assert shorter_side(triangle) == pytest.approx(5)


def test_the_hull_keeps_no_point_on_a_side_nor_a_repeated_one() -> None:
    points = np.array([[0, 0], [2, 0], [4, 0], [4, 0], [4, 4], [2, 2], [0, 4], [0, 1]], np.float64)
    assert convex_hull(points).tolist() == [[0, 0], [4, 0], [4, 4], [0, 4]]


def test_texts_to_draw_are_measured_and_small_ones_found() -> None:
    codes, units = measured(rectangle(60, 7.9), rectangle(60, 8.1), rectangle(9, 9), codes=[CARE] * 3)
    assert codes == [TOO_SMALL, CARE, CARE]
    assert units == pytest.approx([60 * h / 2 / (60 + h) for h in (7.9, 8.1)] + [2.25])
    assert measured(rectangle(60, 1), codes=[CARE], min_size=0.0)[0] == [CARE]


def test_other_statuses_stay_but_for_polygons_without_area() -> None:
    small, line = rectangle(5, 5), np.array([[0, 0], [3, 1], [9, 3]], np.float64)
    nothing = np.empty((0, 2))
    codes, units = measured(
        small, line, small, line, nothing, codes=[DONT_CARE, DONT_CARE, SELF_CROSSING, CARE, CARE]
    )
    assert codes == [DONT_CARE, DEGENERATE, SELF_CROSSING, DEGENERATE, DEGENERATE]
    assert units[1] == units[3] == units[4] == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_what_cannot_be_measured_is_said(bad: float) -> None:
    broken = rectangle(5, 5)
    broken[2, 1] = bad
    broken[1, 0] = bad
    assert measured(rectangle(9, 9), broken, codes=[CARE, DONT_CARE])[0] == [CARE, NOT_FINITE]


def test_area_does_not_suffer_from_a_distant_origin() -> None:
    area, perimeter = area_and_perimeter(rectangle(60, 7) + 1e8)
    assert area == pytest.approx(420, abs=1e-5)
    assert perimeter == pytest.approx(134, abs=1e-5)


@given(POINTS, st.sampled_from([1.0, 8.0, 60.0]))
@settings(deadline=None)
def test_the_size_decides_whether_or_not_a_hull_was_needed(polygon_V2: Points, min_size: float) -> None:
    (code,), _ = measured(polygon_V2, codes=[CARE], min_size=min_size)
    if code != DEGENERATE:
        assert (code == TOO_SMALL) == (shorter_side(polygon_V2) < min_size)
