from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ExactMaps, compare, exact_maps

import formats.levels
import pipeline.kernels.measure
from formats.levels import read_tables
from formats.sample import Bytes, DistanceMaps, Points
from formats.spec import TargetsSpec
from pipeline.kernels import distance
from pipeline.kernels.distance import draw
from pipeline.kernels.measure import CARE, DEGENERATE, DONT_CARE, EMPTY_SHRINK, OUTSIDE, measure

EVERY = TargetsSpec(small_text="keep", empty_shrink="keep")


def drawn(
    *polygons: Points, H: int = 80, W: int = 96, fused: bool = False, codes: list[int] | None = None
) -> tuple[Bytes, list[int], bool]:
    starts = np.cumsum([0, *map(len, polygons)])
    points_N2 = np.concatenate(polygons).astype(np.float64)
    codes_P = np.array(codes or [CARE] * len(polygons), np.uint8)
    units = np.empty(len(polygons))
    measure(points_N2, starts, 0.0, codes_P, units)
    planes_KHW = np.full((4 if fused else 3, H, W), 77, np.uint8)
    used = np.array([0, H])
    overlap = draw(points_N2, starts, units, 0.84, False, True, fused, codes_P, planes_KHW, used)
    return planes_KHW, codes_P.tolist(), overlap


def ring(V: int, radius: float, x: float, y: float, flat: float = 1.0) -> Points:
    angles = np.arange(V) * 2 * np.pi / V + 0.3
    return np.stack([x + radius * np.cos(angles), y + flat * radius * np.sin(angles)], axis=1)


def exact(*polygons: Points, H: int = 80, W: int = 96) -> ExactMaps:
    return exact_maps(polygons, [False] * len(polygons), (H, W), EVERY)


@pytest.mark.parametrize("name", ["LEVELS_PER_T", "ZERO_LEVEL", "MASK_LEVEL", "PROB_LEVEL"])
def test_constants_are_those_of_the_agreement(name: str) -> None:
    assert getattr(distance, name) == getattr(formats.levels, name)
    assert distance.TOP_MAGNITUDE == formats.levels.MAGNITUDES - 1


@pytest.mark.parametrize("name", ["CARE", "EMPTY_SHRINK", "DEGENERATE", "OUTSIDE"])
def test_codes_are_those_of_the_measure(name: str) -> None:
    assert getattr(distance, name) == getattr(pipeline.kernels.measure, name)


def test_every_magnitude_gives_the_threshold_of_the_tables() -> None:
    # Edges aslant and two pixels to a level: every magnitude comes up, inside and out.
    slope = np.array([[80, 90], [380, 80], [370, 380], [90, 370]], np.float64)
    (_, levels, _), _, _ = drawn(slope, H=464, W=464)
    (_, prob, thresh, thresh_mask), _, _ = drawn(slope, H=464, W=464, fused=True)
    tables = read_tables(0.4)
    assert len(np.unique(levels)) == 256
    np.testing.assert_array_equal(thresh, tables.thresh[tables.magnitude[levels]])
    np.testing.assert_array_equal(prob, tables.prob[levels])
    np.testing.assert_array_equal(thresh_mask, tables.thresh_mask[levels])


@pytest.mark.parametrize("V", [3, 4, 5, 100, 400])
def test_any_number_of_vertices(V: int) -> None:
    polygon = ring(V, 30, 44, 38, flat=0.8)
    (mask, levels, overlap), _, any_overlap = drawn(polygon)
    agreement = compare(DistanceMaps(levels, None, mask), exact(polygon), 0.4)
    assert agreement.different == 0
    assert agreement.level_error <= 1
    assert not any_overlap
    assert not overlap.any()


@pytest.mark.parametrize(("H", "W"), [(700, 640), (20, 4096), (4096, 16), (1, 16)])
def test_texts_of_many_tiles_have_no_seams(H: int, W: int) -> None:
    polygon = np.array([[0, 0.3], [1, 0], [0.9, 0.8], [0.4, 0.6], [0.1, 1]]) * [W * 1.1, H * 1.1] - 0.3
    (mask, levels, _), _, _ = drawn(polygon, H=H, W=W)
    agreement = compare(DistanceMaps(levels, None, mask), exact(polygon, H=H, W=W), 0.4)
    assert agreement.gap < 1e-6
    assert agreement.level_error <= 1
    assert agreement.levels_different <= 1e-4 * H * W + 1


def test_repeated_vertices_and_the_direction_change_nothing_but_ties() -> None:
    polygon = ring(7, 30, 44, 38)
    repeated = polygon[[0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 0]]
    plain = drawn(polygon)[0].astype(int)
    assert np.abs(drawn(repeated)[0] - plain).max() <= 1
    assert np.abs(drawn(polygon[::-1])[0] - plain).max() <= 1
    assert plain[1].max() == 255


def test_crossing_rings_are_inside_by_the_even_odd_rule() -> None:
    star = ring(5, 35, 44, 38)[[0, 2, 4, 1, 3]]
    mask, codes = drawn(star, codes=[DONT_CARE])[0][0], drawn(star)[1]
    assert codes == [CARE]
    assert mask[38, 44] == 1
    assert (mask == 0).sum() == exact_maps([star], [True], (80, 96), EVERY).masked_HW.sum() > 100


def test_old_content_of_the_planes_is_written_over() -> None:
    for fused in (False, True):
        planes_KHW, codes, _ = drawn(ring(5, 9, -500, -500), fused=fused)
        assert codes == [OUTSIDE]
        assert (planes_KHW[0] == 1).all()
        assert not planes_KHW[1:].any()


def test_a_text_between_the_pixels_is_empty() -> None:
    tiny = ring(5, 0.3, 20.5, 20.5)
    starts, units, codes = np.array([0, 5]), np.empty(1), np.zeros(1, np.uint8)
    measure(tiny, starts, 0.0, codes, units)
    planes_KHW = np.empty((3, 32, 32), np.uint8)
    used = np.array([0, 32])
    draw(tiny, starts, units, 0.84, True, True, False, codes, planes_KHW, used)
    assert codes.tolist() == [EMPTY_SHRINK]
    assert not planes_KHW[1].any()
    assert used.tolist() == [20, 21]  # of the mask


@pytest.mark.parametrize("fused", [False, True])
def test_only_the_rows_in_use_are_cleared_and_those_drawn_on_are_told(fused: bool) -> None:
    polygons = [ring(5, 9, 40, 30), ring(5, 9, 40, 50), ring(5, 9, 40, -400)]
    starts, units, codes = np.array([0, 5, 10, 15]), np.empty(3), np.array([CARE, DONT_CARE, DONT_CARE], "u1")
    measure(np.concatenate(polygons), starts, 0.0, codes, units)
    planes_KHW, used = np.full((4 if fused else 3, 80, 96), 77, np.uint8), np.array([10, 70])
    draw(np.concatenate(polygons), starts, units, 0.84, False, True, fused, codes, planes_KHW, used)
    drawn = [y for y in range(10, 70) if planes_KHW[1:, y].any() or not planes_KHW[0, y].all()]
    assert used[0] <= drawn[0] <= used[0] + 1
    assert used[1] - 1 <= drawn[-1] + 1 <= used[1]
    assert (planes_KHW[:, :10] == 77).all()
    assert (planes_KHW[:, 70:] == 77).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1e-8, 1e-30, 1e-100, 1e5, 1e12, 1e60]))
@settings(deadline=None)
def test_no_scale_breaks_the_kernel(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    polygons = [rng.uniform(-1, 1, (int(rng.integers(3, 9)), 2)) * scale + 20.0 for _ in range(4)]
    (mask, levels, overlap), codes, _ = drawn(*polygons)
    assert set(codes) <= {CARE, DEGENERATE, OUTSIDE}
    assert set(np.unique(mask)) <= {0, 1}
    assert not overlap[levels == 0].any()
    (_, prob, _, thresh_mask), _, _ = drawn(*polygons, fused=True)
    np.testing.assert_array_equal(prob, levels >= distance.PROB_LEVEL)
    np.testing.assert_array_equal(thresh_mask, levels >= distance.MASK_LEVEL)


def test_the_least_magnitude_is_that_of_the_nearest_edge() -> None:
    large, small = ring(4, 40, 44, 38), ring(4, 8, 44, 38)
    planes_KHW, _, any_overlap = drawn(large, small)
    assert any_overlap
    magnitude = read_tables(0.4).magnitude
    alone = [drawn(polygon)[0][1] for polygon in (large, small)]
    magnitudes = [np.where(levels > 0, magnitude[levels], 255) for levels in alone]
    greatest = np.maximum(*alone)
    least = np.minimum(*magnitudes)
    np.testing.assert_array_equal(planes_KHW[1], greatest)
    expected = np.where(greatest > 0, magnitude[greatest].astype(int) - least, 0)
    np.testing.assert_array_equal(planes_KHW[2], expected)
