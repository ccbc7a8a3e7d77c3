from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Agreement, box, clipper_offset, compare, distance, exact_maps, inside, pixels
from real_polygons import PolygonPage, real_polygons

from formats.levels import offset_level, read_tables
from formats.sample import STATUSES, Points, TargetMaps
from formats.spec import TargetsSpec
from pipeline.kernels.measure import (
    CARE,
    DEGENERATE,
    DONT_CARE,
    EMPTY_SHRINK,
    OUTSIDE,
    SELF_CROSSING,
    TOO_SMALL,
)
from pipeline.render import Canvas, Rendered, render, render_planes

TARGETS = TargetsSpec()
EVERY = TargetsSpec(small_text="keep", empty_shrink="keep")
CANVAS = (96, 128)
MAPS = ("prob_HW", "prob_mask_HW", "thresh_HW", "thresh_mask_HW")
HALF_A_CELL = 0.5 + 108 * 0.5 / 255 + 1e-3
"""Levels: what the threshold map loses to its 108 levels and its 255 steps."""


def rectangle(x: float, y: float, width: float, height: float) -> Points:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)


def turned(polygon_V2: Points, degrees: float) -> Points:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    center = polygon_V2.mean(axis=0)
    return (polygon_V2 - center) @ np.array([[c, s], [-s, c]]) + center


def draw(*polygons: Points, targets: TargetsSpec = TARGETS, canvas: tuple[int, int] = CANVAS) -> Rendered:
    return render(polygons, [False] * len(polygons), canvas, targets)


def check(page: PolygonPage, targets: TargetsSpec) -> tuple[Rendered, Agreement]:
    """Render a page both ways and hold it against the definition, but for the count of ties."""
    arguments = (page.polygons, page.dont_care, page.canvas, targets, page.problems)
    rendered, planes = render(*arguments), render_planes(*arguments)
    assert rendered.statuses == planes.statuses
    assert_same(rendered.maps.target_maps(targets.shrink_ratio), planes.maps)
    exact = exact_maps(*arguments)
    assert rendered.statuses == exact.statuses, page.key
    agreement = compare(rendered.maps, exact, targets.shrink_ratio)
    assert agreement.gap < 1e-6
    assert agreement.level_error <= 1
    assert agreement.level_gap < 1e-4
    assert agreement.least_error <= 1
    assert agreement.thresh_error < HALF_A_CELL
    return rendered, agreement


def assert_same(a: TargetMaps, b: TargetMaps) -> None:
    for name in MAPS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize(
    ("name", "canvas", "every", "targets", "texts"),
    [
        ("sroie", (640, 640), 1, TARGETS, 4569),
        ("sroie", (1280, 960), 12, TARGETS, None),
        ("icdar2015", (640, 640), 1, TARGETS, 782),
        ("icdar2015", (736, 1280), 5, EVERY, None),
        ("totaltext", (640, 640), 1, TARGETS, None),
        ("totaltext", (640, 640), 4, TargetsSpec(shrink_ratio=0.6), None),
    ],
)
def test_every_real_text_is_drawn_as_defined(
    shared_data: Path,
    name: str,
    canvas: tuple[int, int],
    every: int,
    targets: TargetsSpec,
    texts: int | None,
) -> None:
    statuses: Counter[str] = Counter()
    agreements = []
    for page in list(real_polygons(shared_data, name, canvas))[::every]:
        rendered, agreement = check(page, targets)
        statuses.update(rendered.statuses)
        agreements.append(agreement)
    pixels = sum(agreement.pixels for agreement in agreements)
    different = sum(agreement.different for agreement in agreements)
    levels_different = sum(agreement.levels_different for agreement in agreements)
    print(f"{name} {canvas}: {pixels} px near texts, {different} differ, {levels_different} off by a level")
    print(dict(statuses))
    assert pixels > 50_000
    assert different * 1_000_000 < pixels
    assert texts in (None, statuses.total())


@pytest.mark.parametrize("name", ["sroie", "icdar2015", "totaltext"])
@pytest.mark.parametrize("ratio", [0.45, 0.5, 0.6, 0.7])
def test_a_plane_stored_at_one_ratio_reads_as_the_maps_of_a_larger_one(
    shared_data: Path, name: str, ratio: float
) -> None:
    effective = read_tables(0.4, ratio).ratio
    assert offset_level(effective) == pytest.approx(offset_level(ratio), abs=0.5 * 0.84 / 108)
    pixels = 0
    for page in list(real_polygons(shared_data, name))[::16]:
        arguments = (page.polygons, page.dont_care, page.canvas)
        stored = render(*arguments, TargetsSpec(empty_shrink="keep"), page.problems).maps
        read = stored.target_maps(0.4, ratio)
        at_effective = TargetsSpec(shrink_ratio=effective, empty_shrink="keep")
        exact = exact_maps(*arguments, at_effective, page.problems)
        off = (read.prob_HW == 1) ^ exact.prob_HW | (read.thresh_mask_HW == 1) ^ exact.thresh_mask_HW
        gap = np.abs(np.abs(exact.greatest_q_HW[off]) - exact.T) / exact.T
        pixels += int(exact.thresh_mask_HW.sum())
        assert gap.max(initial=0.0) < 1e-6
        assert off.sum() <= exact.thresh_mask_HW.sum() * 1e-6
        # A cell is a 108th of the stored T, a larger part of the effective one.
        cell = 0.84 / 108 / exact.T
        error = np.abs(read.thresh_HW / 255.0 - exact.thresh_HW).max()
        assert error < 0.5 * cell + 0.5 / 255 + 1e-5
    assert pixels > 10_000


@pytest.mark.parametrize("name", ["sroie", "icdar2015", "totaltext"])
def test_clipper_finds_the_same_shrunk_and_grown_texts(shared_data: Path, name: str) -> None:
    checked = 0
    for page in list(real_polygons(shared_data, name))[:: 6 if name == "sroie" else 1]:
        for polygon_V2, problem in zip(page.polygons, page.problems, strict=True):
            if problem is None:
                checked += agrees_with_clipper(polygon_V2, page.canvas)
    assert checked > 100_000


def agrees_with_clipper(polygon_V2: Points, canvas: tuple[int, int]) -> int:
    """Hold one text against Clipper's rings, but for pixels within 0.005 of them; return how many pixels."""
    rendered = render([polygon_V2], [False], canvas, EVERY)
    maps = rendered.maps.target_maps(EVERY.shrink_ratio)
    area, perimeter = shoelace(polygon_V2)
    offset = area / perimeter * offset_level(EVERY.shrink_ratio)
    place = box(polygon_V2, 1.3 * offset + 1.0, canvas)
    x, y = pixels(place)
    held = 0
    for plane_HW, signed in ((maps.prob_HW, -offset), (maps.thresh_mask_HW, offset)):
        rings = clipper_offset(polygon_V2, signed)
        off = inside(rings, x, y) != (plane_HW[place] == 1)
        assert (distance(rings, x[off], y[off]) < 0.005).all()
        held += x.size
    return held


def shoelace(polygon_V2: Points) -> tuple[float, float]:
    x, y = polygon_V2.T
    ends = np.roll(polygon_V2, -1, axis=0)
    area = abs(float(x @ ends[:, 1] - y @ ends[:, 0])) / 2
    return area, float(np.linalg.norm(ends - polygon_V2, axis=1).sum())


@st.composite
def star_polygons(draw: st.DrawFn) -> Points:
    """Draw a star-shaped (so simple) polygon, convex or not, on the canvas or off it, tiny or far larger."""
    V = draw(st.integers(3, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0.0, 2 * np.pi, V))
    radii = np.ones(V) if draw(st.booleans()) else rng.uniform(0.2, 1.0, V)
    reach = draw(st.sampled_from([0.7, 4.0, 12.0, 30.0, 300.0, 1e6]))
    flat = draw(st.sampled_from([1.0, 0.3, 0.05]))
    center = rng.uniform([-20.0, -20.0], [148.0, 116.0])
    polygon_V2 = np.stack([np.cos(angles), flat * np.sin(angles)], axis=1) * radii[:, None] * reach
    snapped = draw(st.sampled_from([None, None, 1.0, 4.0]))
    polygon_V2 = turned(polygon_V2, float(rng.uniform(0, 360))) + center
    return polygon_V2 if snapped is None else np.rint(polygon_V2 * snapped) / snapped


@given(st.lists(star_polygons(), max_size=5), st.lists(st.booleans(), min_size=5, max_size=5), st.data())
@settings(max_examples=150, deadline=None)
def test_random_texts_are_drawn_as_defined(
    polygons: list[Points], flags: list[bool], data: st.DataObject
) -> None:
    targets = TargetsSpec(
        shrink_ratio=data.draw(st.sampled_from([0.4, 0.4, 0.2, 0.7])),
        small_text=data.draw(st.sampled_from(["ignore", "keep"])),
        empty_shrink=data.draw(st.sampled_from(["ignore", "keep"])),
        dont_care=data.draw(st.sampled_from(["mask", "background"])),
    )
    count = len(polygons)
    # Snapped vertices may make a crossing ring, whose area is not what it encloses; that is for cleaning.
    check(PolygonPage("random", polygons, flags[:count], [None] * count, CANVAS), targets)


@pytest.mark.parametrize("shift", [0, 3, 7, 11])
def test_rows_of_pixels_exactly_on_a_level_belong_to_the_cell_above(shift: float) -> None:
    # A/L = 100 * 100 / 400 = 25, so D = 21.
    maps = draw(rectangle(40 + shift, 40, 100, 100), canvas=(192, 192)).maps
    read = maps.target_maps(0.4)
    assert read.prob_HW.sum() == (100 - 2 * 21 + 1) ** 2
    assert read.prob_HW[61:120].any(axis=1).all()
    assert read.thresh_mask_HW[90].sum() == read.thresh_mask_HW.any(axis=1).sum() == 100 + 2 * 21 + 1
    assert (maps.distance_HW == 126).sum() == 4 * 100
    assert maps.overlap_HW is None


def test_the_threshold_map_is_highest_on_the_edge_and_falls_to_nothing_at_the_offset() -> None:
    maps = draw(rectangle(40, 40, 100, 100), canvas=(192, 192)).maps.target_maps(0.4)
    profile = maps.thresh_HW[90, 19:62].astype(int)
    assert profile.argmax() == 21
    assert profile[21] == 254
    assert profile[0] <= 1
    assert profile[-1] <= 1
    np.testing.assert_allclose(profile[:21], profile[:21:-1], atol=3)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90])
def test_the_minimum_size_does_not_depend_on_the_direction_of_the_text(degrees: float) -> None:
    for height, status in ((7.99, "too_small"), (8.01, "care")):
        text_V2 = turned(rectangle(34, 40, 60, height), degrees)
        assert draw(text_V2).statuses == (status,)


def test_a_text_that_is_too_small_is_masked_and_in_no_map() -> None:
    rendered = draw(rectangle(20, 20, 40, 6))
    assert rendered.statuses == ("too_small",)
    assert not rendered.maps.distance_HW.any()
    assert (rendered.maps.prob_mask_HW == 0).sum() == pytest.approx(40 * 6, abs=46)
    kept = draw(rectangle(20, 20, 40, 6), targets=TargetsSpec(small_text="keep"))
    assert kept.statuses == ("care",)
    assert kept.maps.prob_mask_HW.all()
    assert kept.maps.target_maps(0.4).prob_HW.any()


def test_a_text_whose_shrink_holds_no_pixel_is_masked_if_it_lies_wholly_on_the_canvas() -> None:
    keep = TargetsSpec(small_text="keep")
    sliver = rectangle(20, 20.45, 40, 1.5)
    rendered = draw(sliver, targets=keep)
    assert rendered.statuses == ("empty_shrink",)
    assert not rendered.maps.distance_HW.any()
    assert (rendered.maps.prob_mask_HW == 0).any()
    cut = draw(sliver + np.array([80, 0]), targets=keep)
    assert cut.statuses == ("care",)
    assert cut.maps.distance_HW.any()
    assert draw(sliver, targets=EVERY).statuses == ("care",)


def test_an_empty_shrink_is_found_in_a_text_of_many_tiles() -> None:
    targets = TargetsSpec(min_size=1)
    thin = rectangle(300.45, 20, 1.5, 600)
    assert draw(thin, targets=targets, canvas=(640, 640)).statuses == ("empty_shrink",)
    with_a_foot = np.concatenate([thin[:2], [[301.95, 600], [320, 620]], thin[3:]])
    rendered = draw(with_a_foot, targets=targets, canvas=(640, 640))
    assert rendered.statuses == ("care",)
    assert rendered.maps.distance_HW[25].any()


def test_ignored_texts_are_masked_or_left_to_the_background() -> None:
    polygons = [rectangle(10, 10, 30, 20), rectangle(60, 10, 30, 20), rectangle(10, 60, 30, 20)]
    problems = [None, "self_crossing", "degenerate"]
    masked = render(polygons, [True, False, False], CANVAS, TARGETS, problems)
    assert masked.statuses == ("dont_care", "self_crossing", "degenerate")
    assert not masked.maps.distance_HW.any()
    assert masked.maps.prob_mask_HW[20, [25, 75]].tolist() == [0, 0]
    assert masked.maps.prob_mask_HW[70, 25] == 1
    background = render(polygons, [True, False, False], CANVAS, TargetsSpec(dont_care="background"), problems)
    assert background.statuses == masked.statuses
    assert background.maps.prob_mask_HW.all()
    assert not background.maps.distance_HW.any()


def test_an_ignored_text_over_another_masks_it_and_leaves_its_maps_alone() -> None:
    text, ignored = rectangle(20, 20, 60, 30), rectangle(50, 10, 60, 60)
    alone, both = draw(text).maps, render([text, ignored], [False, True], CANVAS, TARGETS).maps
    np.testing.assert_array_equal(alone.distance_HW, both.distance_HW)
    assert both.overlap_HW is None
    assert both.target_maps(0.4).prob_HW[35, 60] == 1
    assert both.prob_mask_HW[35, 60] == 0


@pytest.mark.parametrize(
    ("polygon_V2", "status"),
    [
        (rectangle(-60, 20, 40, 20), "outside"),
        (rectangle(-41, 20, 40, 20), "care"),  # its band reaches the canvas
        (rectangle(-2e6, -1e6, 1e6, 40), "outside"),
        (rectangle(-1e6, -1e6, 4e6, 4e6), "care"),
        (rectangle(200, 400, 1e5, 20), "outside"),
        # The box around it meets the corner of the canvas; it does not.
        (np.array([[-60, 20], [20, -60], [24, -56], [-56, 24]], np.float64) * 2.0 - 30, "outside"),
        (np.array([[5, 5], [50, 50], [95, 95]], np.float64), "degenerate"),
        (np.array([[5, 5], [50, 50]], np.float64), "degenerate"),
        (np.empty((0, 2)), "degenerate"),
        (np.full((4, 2), 7.0), "degenerate"),
        (rectangle(20, 20, 1e-160, 1e-160), "degenerate"),
        (rectangle(20, 20, 1e-12, 1e-12), "too_small"),
    ],
)
def test_odd_texts(polygon_V2: Points, status: str) -> None:
    rendered = draw(polygon_V2)
    assert rendered.statuses == (status,)
    assert rendered.maps.distance_HW.any() == (status == "care")


def test_a_text_around_the_canvas_fills_it() -> None:
    rendered = draw(rectangle(-1e6, -1e6, 3e6, 2.5e6))
    assert (rendered.maps.distance_HW == 255).all()
    huge = draw(rectangle(-1e6, 30.25, 2e6, 40.5))
    np.testing.assert_array_equal(huge.maps.distance_HW, huge.maps.distance_HW[:, :1].repeat(128, 1))
    D = 0.84 * 2e6 * 40.5 / 2 / (2e6 + 40.5)
    rows = np.flatnonzero(huge.maps.target_maps(0.4).prob_HW[:, 0])
    assert (rows[0], rows[-1]) == (np.ceil(30.25 + D), np.floor(70.75 - D))


def test_where_bands_overlap_the_threshold_map_takes_the_nearest_edge() -> None:
    upper, lower = rectangle(20, 10, 80, 40), rectangle(20, 45, 80, 40)
    both = draw(upper, lower).maps
    assert both.overlap_HW is not None
    maps = [draw(text).maps.target_maps(0.4) for text in (upper, lower)]
    together = both.target_maps(0.4)
    np.testing.assert_array_equal(together.thresh_HW, np.maximum(maps[0].thresh_HW, maps[1].thresh_HW))
    np.testing.assert_array_equal(together.prob_HW, maps[0].prob_HW | maps[1].prob_HW)
    far_HW = (draw(upper).maps.distance_HW > 0) ^ (draw(lower).maps.distance_HW > 0)
    assert not both.overlap_HW[far_HW].any()


def test_the_order_of_texts_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    texts = [turned(rectangle(*rng.uniform([0, 0, 20, 9], [90, 70, 60, 30])), a) for a in (0, 20, 50, 80)]
    first, second = draw(*texts).maps, draw(*texts[::-1]).maps
    np.testing.assert_array_equal(first.distance_HW, second.distance_HW)
    assert first.overlap_HW is not None
    assert second.overlap_HW is not None
    np.testing.assert_array_equal(first.overlap_HW, second.overlap_HW)


def test_a_page_without_texts_is_background() -> None:
    rendered = draw()
    assert rendered.statuses == ()
    assert not rendered.maps.distance_HW.any()
    assert rendered.maps.overlap_HW is None
    assert rendered.maps.prob_mask_HW.all()
    assert {plane.dtype for plane in (rendered.maps.distance_HW, rendered.maps.prob_mask_HW)} == {
        np.dtype("u1")
    }


def test_threads_draw_side_by_side() -> None:
    rng = np.random.default_rng(5)
    pages = [[rectangle(*rng.uniform([0, 0, 9, 9], [90, 70, 60, 30])) for _ in range(40)] for _ in range(24)]
    alone = [draw(*page).maps.distance_HW for page in pages]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda page: draw(*page).maps.distance_HW, pages))
    np.testing.assert_array_equal(alone, together)


def test_a_canvas_gives_what_planes_of_their_own_hold() -> None:
    rng, canvas = np.random.default_rng(8), Canvas(CANVAS)
    for count in (9, 1, 0, 3, 0, 5, 1, 1, 1, 2):
        places = rng.uniform([-20, -20, 3, 3], [110, 80, 60, 30], (count, 4))
        polygons = [turned(rectangle(*place), rng.uniform(0, 90)) for place in places]
        flags = [bool(flag) for flag in rng.integers(0, 3, count) == 0]
        own, held = (render(polygons, flags, on, TARGETS) for on in (CANVAS, canvas))
        assert held.statuses == own.statuses
        assert (held.maps.overlap_HW is None) == (own.maps.overlap_HW is None)
        for name in ("distance_HW", "overlap_HW", "prob_mask_HW"):
            np.testing.assert_array_equal(getattr(held.maps, name), getattr(own.maps, name))
        own_maps, held_maps = (render_planes(polygons, flags, on, TARGETS).maps for on in (CANVAS, canvas))
        assert_same(held_maps, own_maps)


def test_the_maps_of_a_canvas_are_its_own_planes_and_not_to_be_written_to() -> None:
    canvas = Canvas(CANVAS)
    text = rectangle(20, 20, 60, 30)
    first, second = (render([text], [False], canvas, TARGETS).maps.distance_HW for _ in range(2))
    assert np.shares_memory(first, second)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1
    assert not np.shares_memory(draw(text).maps.distance_HW, draw(text).maps.distance_HW)
    assert draw(text).maps.distance_HW.flags.writeable


@pytest.mark.parametrize(
    ("polygons", "flags", "problems", "canvas", "said"),
    [
        ([rectangle(0, 0, 9, 9)], [], None, CANVAS, "as many"),
        ([rectangle(0, 0, 9, 9)], [False], [None, None], CANVAS, "as many"),
        ([np.zeros((4, 3))], [False], None, CANVAS, r"\(3,\)"),
        ([rectangle(0, 0, 9, 9), rectangle(0, np.nan, 9, 9)], [True, True], None, CANVAS, "polygon 1"),
        ([rectangle(0, 0, 1e200, 1e200)], [False], None, CANVAS, "polygon 0"),
        ([], [], None, (64, 100), "multiple of 16"),
        ([], [], None, (64, 32768), "multiple of 16"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    polygons: Sequence[Points],
    flags: Sequence[bool],
    problems: Sequence[str | None] | None,
    canvas: tuple[int, int],
    said: str,
) -> None:
    with pytest.raises(ValueError, match=said):
        render(polygons, flags, canvas, TARGETS, problems)


def test_every_status_has_its_name() -> None:
    codes = (CARE, DONT_CARE, TOO_SMALL, EMPTY_SHRINK, DEGENERATE, SELF_CROSSING, OUTSIDE)
    names = ("care", "dont_care", "too_small", "empty_shrink", "degenerate", "self_crossing", "outside")
    assert tuple(STATUSES[code] for code in codes) == names == STATUSES
