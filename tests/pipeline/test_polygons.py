from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyclipper
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from formats.errors import SampleError
from formats.sample import Points
from pipeline.polygons import (
    MAX_VERTICES,
    MIN_THICKNESS,
    _convex,
    clean_polygon,
    clean_polygons,
    signed_area,
    winding_number,
)
from pipeline.sources.icdar import parse_texts as parse_quads
from pipeline.sources.polygons import parse_texts

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=np.float64)
GRID_POLYGONS = st.integers(3, 14).flatmap(
    lambda count: arrays(np.float64, (count, 2), elements=st.integers(-40, 40).map(float))
)


def points(*flat: float) -> Points:
    return np.array(flat, dtype=np.float64).reshape(-1, 2)


def area(polygon_V2: Points) -> float:
    return float(shapely.Polygon(polygon_V2).area)


def test_a_simple_polygon_stays_as_annotated_in_either_sense() -> None:
    for ring_V2 in (SQUARE, SQUARE[::-1], np.roll(SQUARE, 2, axis=0), SQUARE - 500):
        clean = clean_polygon(ring_V2)
        assert clean.problem is None
        np.testing.assert_array_equal(clean.polygon_V2, ring_V2)


def test_repeated_vertices_are_dropped_and_the_first_stays_first() -> None:
    ring_V2 = SQUARE[[0, 0, 1, 2, 2, 2, 3, 0, 0]]
    np.testing.assert_array_equal(clean_polygon(ring_V2).polygon_V2, SQUARE)


def without_repeats(polygon_V2: Points) -> Points:
    """One polygon, vertex by vertex."""
    ring: list[list[float]] = []
    for vertex in polygon_V2.tolist():
        if not ring or vertex != ring[-1]:
            ring.append(vertex)
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    return np.array(ring, np.float64).reshape(-1, 2)


@given(
    st.lists(
        st.integers(0, 7).flatmap(
            lambda count: arrays(np.float64, (count, 2), elements=st.integers(0, 2).map(float))
        ),
        max_size=6,
    )
)
@example([SQUARE[[0, 0, 0]], SQUARE[:0], SQUARE[[1, 1, 2, 3, 0, 1, 1]], SQUARE[:1]])
def test_polygons_of_a_page_are_cleaned_together_as_each_alone(polygons: list[Points]) -> None:
    for clean, polygon_V2 in zip(clean_polygons(polygons), polygons, strict=True):
        alone = clean_polygon(without_repeats(polygon_V2))
        assert clean.problem == alone.problem
        np.testing.assert_array_equal(clean.polygon_V2, alone.polygon_V2)
        if clean.problem == "degenerate":
            np.testing.assert_array_equal(clean.polygon_V2, without_repeats(polygon_V2))


@given(
    st.integers(3, 6).flatmap(
        lambda count: arrays(
            np.float64,
            (count, 2),
            elements=st.integers(0, 3).map(float) | st.floats(0, 1e-4) | st.floats(-1e9, 1e9),
        )
    )
)
@example(np.array([[0, 0], [1e9, 1e-5], [2e9, 0], [1e9, 2]]) - 1e9)
def test_what_is_plainly_convex_is_so_for_shapely(ring_V2: Points) -> None:
    if _convex([ring_V2, SQUARE])[0]:
        shape = shapely.Polygon(ring_V2)
        assert shape.is_valid
        assert shape.area > 2 * MIN_THICKNESS * shape.length
        assert shape.area == pytest.approx(shape.convex_hull.area)


def test_a_ring_that_goes_round_twice_is_not_plainly_convex() -> None:
    turn_V = 4 * np.pi * np.arange(5) / 5
    star_V2 = 10 * np.stack([np.cos(turn_V), np.sin(turn_V)], axis=1)
    dart_V2 = points(0, 0, 10, 5, 0, 10, 4, 5)
    assert _convex([SQUARE, star_V2, SQUARE[::-1], dart_V2, SQUARE[:3]]) == [True, False, True, False, True]


def test_shapely_is_not_asked_about_quadrilaterals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(shapely, "polygons")
    assert [clean.problem for clean in clean_polygons([SQUARE, SQUARE[:2], SQUARE[:3]])] == [
        None,
        "degenerate",
        None,
    ]


@pytest.mark.parametrize(
    "ring_V2",
    [
        np.empty((0, 2)),
        points(3, 4),
        points(3, 4, 3, 4, 3, 4),
        points(0, 0, 5, 5),
        points(0, 0, 5, 5, 0, 0, 5, 5),
        points(0, 0, 4, 4, 9, 9),
        points(0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4),
        points(0, 0, 10, 0, 5, 0, 7, 0),
    ],
    ids=[
        "empty",
        "a point",
        "one point thrice",
        "a line",
        "there and back",
        "on a line",
        "rounded",
        "folded",
    ],
)
def test_what_encloses_nothing_is_degenerate(ring_V2: Points) -> None:
    clean = clean_polygon(ring_V2)
    assert clean.problem == "degenerate"
    assert clean.polygon_V2.shape[1] == 2


def test_a_bow_tie_is_masked_by_its_hull() -> None:
    clean = clean_polygon(points(0, 0, 10, 10, 10, 0, 0, 10))
    assert clean.problem == "self_crossing"
    assert area(clean.polygon_V2) == 100


def test_a_small_loop_is_cut_off() -> None:
    # The edge 4-5 crosses the edge 0-1 near the corner and leaves a loop of area 0.5 beside 400.
    clean = clean_polygon(points(0, 0, 20, 0, 20, 20, 0, 20, 0, 1, 1, -1))
    assert clean.problem is None
    assert shapely.is_valid(shapely.Polygon(clean.polygon_V2))
    assert 398 < area(clean.polygon_V2) <= 400


def test_a_spike_without_width_is_cut_off() -> None:
    clean = clean_polygon(points(0, 0, 10, 0, 30, 0, 10, 0, 10, 10, 0, 10))
    assert clean.problem is None
    assert area(clean.polygon_V2) == 100
    assert clean.polygon_V2.max() == 10


def test_a_ring_wound_twice_is_filled_once_and_holes_are_dropped() -> None:
    twice_V2 = np.concatenate([SQUARE, SQUARE])
    assert area(clean_polygon(twice_V2).polygon_V2) == 100
    # A frame as one line: the outer ring, a bridge, the inner ring the other way round, the bridge back.
    frame_V2 = np.concatenate([SQUARE, SQUARE[:1], 3 + 0.4 * SQUARE[[0, 3, 2, 1, 0]]])
    assert area(clean_polygon(frame_V2).polygon_V2) == 100


def test_a_pentagram_is_filled_by_the_non_zero_rule() -> None:
    turn_V = np.arange(5) * 4 * np.pi / 5
    star_V2 = np.stack([np.sin(turn_V), -np.cos(turn_V)], axis=1) * 100
    clean = clean_polygon(star_V2)
    assert clean.problem is None
    assert len(clean.polygon_V2) == 10
    # The pentagon in its middle is wound around twice, so it belongs to the fill: the star's own area.
    outer, inner = 100, 100 * np.sin(np.pi / 10) / np.sin(7 * np.pi / 10)
    assert area(clean.polygon_V2) == pytest.approx(5 * outer * inner * np.sin(np.pi / 5), rel=1e-9)


def test_an_outline_keeps_the_annotated_sense_and_starts_at_its_smallest_vertex() -> None:
    looped_V2 = points(0, 0, 20, 0, 20, 20, 0, 20, 0, 1, 1, -1)
    for ring_V2 in (looped_V2, looped_V2[::-1]):
        clean_V2 = clean_polygon(ring_V2).polygon_V2
        assert np.sign(signed_area(clean_V2)) == np.sign(signed_area(ring_V2))
        assert tuple(clean_V2[0]) == min(map(tuple, clean_V2))


@pytest.mark.parametrize(
    "bad",
    [np.array([[0, 0], [np.nan, 1], [2, 2]]), SQUARE - np.inf, SQUARE * 1e300, SQUARE[0], SQUARE[:, :1]],
)
def test_what_is_no_polygon_of_numbers_is_refused(bad: Points) -> None:
    with pytest.raises(SampleError):
        clean_polygon(bad)


def test_the_number_of_vertices_is_limited_and_the_worst_tangle_ends() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(SampleError, match="1000 vertices"):
        clean_polygon(rng.random((MAX_VERTICES + 1, 2)))
    tangle = clean_polygon(rng.random((300, 2)) * 1000)
    assert tangle.problem == "self_crossing"
    assert area(tangle.polygon_V2) > 950_000


@given(GRID_POLYGONS)
@settings(max_examples=300, deadline=None)
def test_the_result_is_always_a_ring_that_needs_no_cleaning(ring_V2: Points) -> None:
    clean = clean_polygon(ring_V2)
    if clean.problem != "degenerate":
        polygon = shapely.Polygon(clean.polygon_V2)
        assert polygon.is_valid
        assert polygon.area > 0
        again = clean_polygon(clean.polygon_V2)
        assert again.problem is None
        np.testing.assert_array_equal(again.polygon_V2, clean.polygon_V2)
    if clean.problem is None:
        assert polygon.difference(shapely.MultiPoint(ring_V2).convex_hull.buffer(1e-9)).is_empty


@given(
    GRID_POLYGONS, st.integers(-300, 300), st.sampled_from([1, 2, 4, 0.5]), st.integers(0, 13), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_cleaning_commutes_with_shift_scale_start_and_sense(
    ring_V2: Points, shift: int, scale: float, start: int, flip: bool
) -> None:
    moved_V2 = np.roll(ring_V2, start, axis=0)[:: -1 if flip else 1] * scale + shift
    clean, moved = clean_polygon(ring_V2), clean_polygon(moved_V2)
    outlines, _ = fill_by_clipper(ring_V2)
    if outlines and abs(max(outlines) - 0.9 * sum(outlines)) < 1e-3 * sum(outlines):
        return  # On the limit itself, round-off may fall either way.
    assert moved.problem == clean.problem
    if clean.problem is None:
        back = shapely.Polygon((moved.polygon_V2 - shift) / scale)
        assert back.symmetric_difference(shapely.Polygon(clean.polygon_V2)).area < 1e-6


def joined(faces: list[shapely.Polygon]) -> list[shapely.Polygon]:
    """Join polygons on a grid of 2^-16 that run along each other for a quarter of a pixel or more."""
    pieces: list[shapely.Polygon] = []
    for face in faces:
        for piece in [piece for piece in pieces if along_each_other(piece, face)]:
            pieces.remove(piece)
            face = shapely.union_all([piece, face], grid_size=16.0)
        pieces.append(face)
    return pieces


def along_each_other(one: shapely.Polygon, other: shapely.Polygon) -> bool:
    # Crossings were rounded to the grid: edges that coincide may be some of its units apart.
    near = shapely.buffer(shapely.boundary(other), 16.0)
    return bool(shapely.length(shapely.intersection(shapely.boundary(one), near)) > 2**14)


def fill_by_clipper(ring_V2: Points) -> tuple[list[float], list[float]]:
    """Areas of the outlines and of the holes of the non-zero fill, by another library on an integer grid.

    The rule: pieces that touch in points only are pieces by themselves, pieces that share an edge are one,
    and a hole that touches its outline is a hole. Clipper may give one outline that passes twice through a
    point, and two along one edge, so its outlines are cut where they touch themselves and joined along edges.
    """
    scaled = np.round(ring_V2 * 2**16).astype(np.int64).tolist()
    paths = pyclipper.SimplifyPolygon(scaled, pyclipper.PFT_NONZERO)
    faces = []
    for path in paths:
        if pyclipper.Area(path) > 0:
            cut = shapely.get_parts(shapely.polygonize([shapely.union_all([shapely.LinearRing(path)])]))
            inner_F2 = shapely.get_coordinates(shapely.point_on_surface(cut))
            inside = [pyclipper.PointInPolygon(point, path) == 1 for point in inner_F2.tolist()]
            faces += cut[inside].tolist()
    outlines = [shapely.Polygon(piece.exterior).area / 2**32 for piece in joined(faces)]
    return outlines, [-pyclipper.Area(path) / 2**32 for path in paths if pyclipper.Area(path) < 0]


@given(GRID_POLYGONS)
# Two pieces that touch in a point, which Clipper gives as one outline: neither holds nine tenths.
@example(points(3, 2, -4, -2, 1, 1, -4, 2, -4, -3))
# A small piece that touches the large one in a point is cut off.
@example(points(4, 2, 1, 4, 2, 3, 2, -4, 1, 0, 0, -1, 0, 2, -4, 2, 4, 4, 4, -2, -4, 2, -3, 3, -2, 4))
# A hole that touches its outline in a point is dropped as any other.
@example(points(-1, -1, -1, 1, -1, 4, -4, -3, 3, -4, 4, -1, 4, 0, -1, 2, 2, -1, -1, 0))
@settings(max_examples=300, deadline=None)
def test_the_fill_agrees_with_clipper(ring_V2: Points) -> None:
    outlines, holes = fill_by_clipper(ring_V2)
    clean = clean_polygon(ring_V2)
    total = sum(outlines)
    if holes or (outlines and abs(max(outlines) - 0.9 * total) < 1e-3 * total):
        return
    expected = None if outlines and max(outlines) >= 0.9 * total else "self_crossing"
    if total < 1e-2:
        return
    assert clean.problem == expected
    if expected is None:
        assert area(clean.polygon_V2) == pytest.approx(max(outlines), abs=0.02)


@given(GRID_POLYGONS, st.tuples(st.integers(-45, 45), st.integers(-45, 45)))
@settings(max_examples=200, deadline=None)
def test_the_winding_number_is_the_sum_of_the_angles(ring_V2: Points, cell: tuple[int, int]) -> None:
    point_2 = np.array(cell) + np.array([np.sqrt(2) - 1, np.sqrt(3) - 1.5])
    around = (ring_V2 - point_2) @ np.array([1, 1j])
    angles = np.angle(np.roll(around, -1) / around)
    if np.abs(np.abs(angles) - np.pi).min() > 1e-9:
        assert winding_number(ring_V2, point_2) == round(angles.sum() / (2 * np.pi))


def only(file: Path, line: int, polygon: bool = False) -> Points:
    parse = parse_texts if polygon else parse_quads
    data = file.read_bytes().split(b"\n")[line - 1]
    return parse(data, ())[0].polygon_V2


@pytest.mark.parametrize(
    ("name", "line"),
    [("train/gt/gt_img_232.txt", 37), ("test/gt/gt_img_367.txt", 19), ("test/gt/gt_img_476.txt", 50)],
)
def test_icdar_quads_with_a_repeated_vertex_become_triangles(shared_data: Path, name: str, line: int) -> None:
    annotated_V2 = only(shared_data / "icdar2015" / name, line)
    clean = clean_polygon(annotated_V2)
    assert (clean.problem, len(clean.polygon_V2)) == (None, 3)
    assert area(clean.polygon_V2) == area(annotated_V2) > 0


def test_the_flat_quad_of_x51006008092_is_degenerate(shared_data: Path) -> None:
    annotated_V2 = only(shared_data / "sroie/test/gt/X51006008092.txt", 32)
    assert area(annotated_V2) == 0
    assert clean_polygon(annotated_V2).problem == "degenerate"


@pytest.mark.parametrize(
    ("name", "line", "share", "vertices"),
    [
        ("test/img557.jpg.txt", 9, 0.9612, 4),
        ("train/img1204.jpg.txt", 10, 0.9951, 4),
        ("train/img858.jpg.txt", 5, 0.9948, 6),
    ],
)
def test_the_self_crossings_of_total_text_lose_a_small_piece(
    shared_data: Path, name: str, line: int, share: float, vertices: int
) -> None:
    annotated_V2 = only(shared_data / "totaltext/gt_only" / name, line, polygon=True)
    assert not shapely.Polygon(annotated_V2).is_valid
    clean = clean_polygon(annotated_V2)
    assert (clean.problem, len(clean.polygon_V2)) == (None, vertices)
    outlines, _ = fill_by_clipper(annotated_V2)
    assert area(clean.polygon_V2) / sum(outlines) == pytest.approx(share, abs=1e-3)


def test_every_polygon_of_total_text_has_a_known_end(shared_data: Path) -> None:
    ends: Counter[str | None] = Counter()
    for file in sorted((shared_data / "totaltext/gt_only").glob("*/*.txt")):
        texts = parse_texts(file.read_bytes(), ())
        ends.update(clean_polygon(text.polygon_V2).problem for text in texts)
    # The one is the line with a single point, of train/img1075.
    assert ends == {None: 238, "degenerate": 1}


def test_negative_coordinates_stay(shared_data: Path) -> None:
    annotated_V2 = only(shared_data / "totaltext/gt_only/test/img1055.jpg.txt", 4, polygon=True)
    assert annotated_V2.min() < 0
    np.testing.assert_array_equal(clean_polygon(annotated_V2).polygon_V2, annotated_V2)


@given(
    st.lists(GRID_POLYGONS | st.just(SQUARE) | st.just(SQUARE[:2]) | st.just(np.zeros((0, 2))), max_size=6)
)
def test_polygons_of_a_page_are_cleaned_as_each_alone(polygons: list[Points]) -> None:
    together = clean_polygons(polygons)
    assert len(together) == len(polygons)
    for found, polygon_V2 in zip(together, polygons, strict=True):
        alone = clean_polygon(polygon_V2.copy())
        assert found.problem == alone.problem
        np.testing.assert_array_equal(found.polygon_V2, alone.polygon_V2)


@given(GRID_POLYGONS)
def test_simple_rings_are_those_that_shapely_takes_one_by_one(polygon_V2: Points) -> None:
    clean = clean_polygon(polygon_V2)
    if shapely.is_valid(shapely.Polygon(polygon_V2)) and (np.diff(polygon_V2, axis=0) != 0).any(axis=1).all():
        ring_V2 = polygon_V2[:-1] if (polygon_V2[0] == polygon_V2[-1]).all() else polygon_V2
        np.testing.assert_array_equal(clean.polygon_V2, ring_V2)
