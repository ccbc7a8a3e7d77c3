from __future__ import annotations

import math

import cv2
import numpy as np
import pyclipper
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from formats.levels import offset_level
from train.regions import Regions
from train.unclip import (
    exact_offset,
    grow,
    grown_polygon,
    grown_quads,
    pixel_growth,
    ratio_offset,
    total_growth,
)

SIDE = st.floats(2.0, 500.0)
RATIO = st.floats(0.1, 0.9)


def number(value: float) -> np.ndarray:
    return np.asarray(value, np.float64)


@given(SIDE, SIDE, RATIO)
def test_the_exact_offset_undoes_the_shrink_of_any_rectangle(a: float, b: float, ratio: float) -> None:
    D = offset_level(ratio) * a * b / (2 * (a + b))
    shrunk = (a - 2 * D, b - 2 * D)
    offset = exact_offset(number(shrunk[0] * shrunk[1]), number(2 * sum(shrunk)), ratio)
    assert float(offset) == pytest.approx(D, rel=1e-9)


@given(SIDE, SIDE, RATIO)
def test_the_exact_offset_satisfies_its_definition(area: float, perimeter: float, ratio: float) -> None:
    D = exact_offset(number(area), number(perimeter), ratio)
    area0, perimeter0 = grow(number(area), number(perimeter), D)
    assert float(D) == pytest.approx(float(offset_level(ratio) * area0 / perimeter0), rel=1e-9)


def test_no_single_factor_undoes_the_shrink() -> None:
    factors = []
    for width in (10.0, 20.0, 100.0):
        D = offset_level(0.4) * width * 10.0 / (2 * (width + 10.0))
        a, b = width - 2 * D, 10.0 - 2 * D
        factors.append(D * 2 * (a + b) / (a * b))
    assert factors == pytest.approx([1.45, 1.66, 3.31], abs=0.01)


@given(st.integers(1, 60), st.integers(1, 60))
def test_upright_regions_grow_by_half_a_pixel(rows: int, columns: int) -> None:
    w, h = columns - 1.0, rows - 1.0
    growth = pixel_growth(number(w * h), number(2 * (w + h)), number(rows * columns))
    assert float(growth) == pytest.approx(0.5)


def test_no_region_grows_by_more_than_half_a_pixel_to_cover_its_pixels() -> None:
    # A contour simplified to less than its region: what is missing then is no border of pixels.
    assert float(pixel_growth(number(10.0), number(14.0), number(100.0))) == 0.5


def test_regions_that_cover_their_contour_or_less_do_not_grow_or_shrink() -> None:
    assert float(pixel_growth(number(50.0), number(30.0), number(40.0))) == 0.0


def test_the_customary_offset_is_a_ratio_of_area_to_perimeter() -> None:
    assert float(ratio_offset(number(40.0), number(28.0), 2.0)) == pytest.approx(80 / 28)
    assert float(ratio_offset(number(0.0), number(0.0), 2.0)) == 0.0
    grown = total_growth(number(27.0), number(24.0), number(40.0), 2.0, 0.4)
    assert float(grown) == pytest.approx(0.5 + 80 / 28)


def region(polygon_V2: np.ndarray, size: int = 200) -> Regions:
    """The pixels inside a convex polygon, as one region."""
    y, x = np.mgrid[:size, :size]
    inside = shapely.contains_xy(shapely.Polygon(polygon_V2), x, y).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contours) == 1
    return Regions((contours[0][:, 0],), np.array([float(inside.sum())]), np.ones(1))


def turned(width: float, height: float, degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    return half @ np.array([[c, s], [-s, c]]) + [100.3, 99.6]


@pytest.mark.parametrize("degrees", [0.0, 3.0, 17.0, 45.0, 89.0])
def test_a_quad_grows_as_pyclipper_grows_it(degrees: float) -> None:
    regions = region(turned(120.0, 20.0, degrees))
    box = cv2.minAreaRect(regions.contours[0])
    area, perimeter = box[1][0] * box[1][1], 2 * sum(box[1])
    growth = total_growth(number(area), number(perimeter), regions.pixels_K[0], 2.0, 0.4)
    clipper = pyclipper.PyclipperOffset(2.0, 10.0)
    points = np.rint(cv2.boxPoints(box).astype(np.float64) * 1024).tolist()
    clipper.AddPath(points, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    rounded = np.array(clipper.Execute(float(growth) * 1024)[0], np.float64) / 1024
    expected = shapely.Polygon(cv2.boxPoints(cv2.minAreaRect(rounded.astype(np.float32))))
    quad = shapely.Polygon(grown_quads(regions, 2.0, 0.4)[0])
    assert quad.intersection(expected).area / quad.union(expected).area > 0.995


@pytest.mark.parametrize("degrees", [0.0, 5.0, 30.0, 60.0, 85.0, 90.0, 120.0, 175.0])
def test_quads_start_at_the_top_left_and_go_clockwise(degrees: float) -> None:
    quad_42 = grown_quads(region(turned(90.0, 25.0, degrees)), 1.5, 0.4)[0]
    assert quad_42.sum(axis=1).argmin() == 0
    x, y = quad_42.T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0.0  # y points down


def test_the_true_size_comes_back_whatever_the_angle() -> None:
    sizes = []
    for degrees in np.linspace(0.0, 90.0, 31):
        D = offset_level(0.4) * 120.0 * 24.0 / (2 * 144.0)
        quad_42 = grown_quads(region(turned(120.0 - 2 * D, 24.0 - 2 * D, degrees)), None, 0.4)[0]
        sizes.append(sorted(np.linalg.norm(np.diff(quad_42[:3], axis=0), axis=1)))
    assert np.mean(sizes, axis=0) == pytest.approx([24.0, 120.0], abs=0.5)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 30), (30, 1), (2, 2)])
def test_a_region_without_an_interior_becomes_a_rectangle(rows: int, columns: int) -> None:
    y, x = 50, 60
    corners = [[x, y], [x + columns - 1, y], [x + columns - 1, y + rows - 1], [x, y + rows - 1]]
    polygon_V2 = grown_polygon(np.array(corners, np.int32), float(rows * columns), 2.0, 0.4)
    D = 2.0 * rows * columns / (2 * (rows + columns))
    expected = (x - 0.5 - D, y - 0.5 - D, x + columns - 0.5 + D, y + rows - 0.5 + D)
    assert shapely.Polygon(polygon_V2).bounds == pytest.approx(expected, abs=0.05)


def test_an_arc_keeps_its_shape() -> None:
    angle = np.linspace(math.pi, 2 * math.pi, 40)
    outer, inner = (radius * np.stack([np.cos(angle), np.sin(angle)], 1) for radius in (80.0, 55.0))
    text = shapely.Polygon(np.concatenate([outer, inner[::-1]]) + np.array([100.0, 110.0]))
    D = offset_level(0.4) * text.area / text.length
    regions = region(np.asarray(text.buffer(-D).exterior.coords))
    polygon_V2 = grown_polygon(regions.contours[0], regions.pixels_K[0], None, 0.4)
    grown = shapely.Polygon(polygon_V2)
    assert grown.is_valid
    assert grown.intersection(text).area / grown.union(text).area > 0.93
    assert 8 <= len(polygon_V2) <= 40


def test_a_ring_that_closes_as_it_grows_gives_its_outer_edge() -> None:
    # A frame 40 px wide with a gap of 4 px in its right side: grown, the gap closes, and what is inside is
    # an outline of its own, which runs the other way.
    frame_V2 = [[20, 20], [120, 20], [120, 68], [100, 68], [100, 40], [40, 40], [40, 100], [100, 100]]
    frame_V2 += [[100, 72], [120, 72], [120, 120], [20, 120]]
    contour = np.array(frame_V2, np.int32)
    polygon_V2 = grown_polygon(contour, float(cv2.contourArea(contour)), 1.0, 0.4)
    assert shapely.Polygon(polygon_V2).contains(shapely.Polygon(frame_V2))


def test_corners_stay_sharp_up_to_twice_the_growth() -> None:
    wedge_V2 = np.array([[20, 100], [180, 42], [180, 158]], np.int32)  # 40 degrees at its tip
    polygon_V2 = grown_polygon(wedge_V2, float(cv2.contourArea(wedge_V2)), 1.0, 0.4)
    reach = [shapely.Polygon(wedge_V2).distance(shapely.Point(point)) for point in polygon_V2]
    growth = shapely.Polygon(wedge_V2).area / shapely.Polygon(wedge_V2).length
    assert 1.1 * growth < max(reach) < 2.0 * growth + 0.1
    box_V2 = np.array([[20, 20], [180, 20], [180, 60], [20, 60]], np.int32)
    assert len(grown_polygon(box_V2, float(cv2.contourArea(box_V2)), 1.0, 0.4)) == 4
