"""Cleaning of one annotated polygon: from what people and tools write to a simple ring, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.errors import SampleError
from formats.sample import Points

MAX_VERTICES = 1_000
MAX_COORDINATE = 1e9
MIN_THICKNESS = 1e-6
"""Pixels: an area of at most this times the perimeter is none, but round-off of collinear points."""
MIN_TURN = 1e-5
"""Pixels: far above rounding, and more than `MIN_THICKNESS`; see `_convex`."""
MIN_SHARE = 0.9
"""Of the area of a self-crossing polygon, what its largest piece must hold to stand for the whole."""

MAX_FACES = 2_000
"""Regions a self-crossing ring may cut the plane into; one with more is a tangle without a largest piece."""
MAX_MEETINGS = 20_000
"""Pairs of edges of a self-crossing ring that may meet: GEOS takes half a second for as many."""

Problem = Literal["degenerate", "self_crossing"]


@dataclass(frozen=True)
class CleanPolygon:
    """A polygon that a renderer can take.

    Attributes:
        polygon_V2: float64 (V, 2). Without a problem: a simple ring of at least three distinct vertices and
            some area, the last vertex not repeating the first. "degenerate": the distinct vertices, which
            enclose nothing (V may be 0). "self_crossing": the convex hull, to be masked as don't-care.
        problem: why the text cannot be learnt; None where it can.
    """

    polygon_V2: Points
    problem: Problem | None = None


def clean_polygon(polygon_V2: Points) -> CleanPolygon:
    """Clean one annotated polygon (V, 2), in pixels of any plane.

    - Vertices that repeat the one before them, and a last one that repeats the first, are dropped.
    - A simple ring is returned as annotated: its first vertex, its sense of rotation and its coordinates,
      inside the page or not.
    - Fewer than three vertices, or no area: "degenerate".
    - A ring that crosses or touches itself becomes the outline of its non-zero fill (the points it winds
      around, as SVG and Clipper define it), without holes. If that is in several pieces, the largest stands
      for the whole if it holds 90 % of their area; otherwise "self_crossing". An outline keeps the sense of
      rotation of the annotated signed area and starts at its smallest vertex (by x, then y). A tangle of
      more than 2,000 regions is "self_crossing" without further ado.

    Raises:
        SampleError: not (V, 2), not finite or beyond +-1e9, or more than 1,000 vertices.
    """
    return clean_polygons([polygon_V2])[0]


def clean_polygons(polygons: Sequence[Points]) -> list[CleanPolygon]:
    """Clean the polygons of a page, each as `clean_polygon` does.

    Together, since calls of NumPy and of shapely take longer than what they do for one. Shapely is not asked
    about boxes and quadrilaterals that are plainly convex.

    Raises:
        SampleError: see `clean_polygon`.
    """
    rings = _without_repeats(_checked(polygons))
    verdicts = iter(_verdicts([ring_V2 for ring_V2 in rings if len(ring_V2) >= 3]))
    return [
        _cleaned(ring_V2, *next(verdicts)) if len(ring_V2) >= 3 else CleanPolygon(ring_V2, "degenerate")
        for ring_V2 in rings
    ]


def _checked(polygons: Sequence[Points]) -> list[Points]:
    polygons = [np.asarray(polygon_V2, dtype=np.float64) for polygon_V2 in polygons]
    for polygon_V2 in polygons:
        shape = polygon_V2.shape
        if len(shape) != 2 or shape[1] != 2:
            raise SampleError("polygon", expected="an array of shape (V, 2)", found=f"shape {shape}")
        if shape[0] > MAX_VERTICES:
            raise SampleError("polygon", expected=f"at most {MAX_VERTICES} vertices", found=str(shape[0]))
    if polygons and not (np.abs(np.concatenate(polygons)) <= MAX_COORDINATE).all():
        raise SampleError("polygon", expected="finite coordinates within +-1e9", found="others")
    return polygons


def _following(polygons: Sequence[Points]) -> NDArray[np.int64]:
    """Return of each vertex, all laid in one array, the place there of the next one round its polygon."""
    counts_P = np.array([len(polygon_V2) for polygon_V2 in polygons if len(polygon_V2)])
    ends_P = np.cumsum(counts_P)
    next_N = np.arange(1, ends_P[-1] + 1)
    next_N[ends_P - 1] = ends_P - counts_P
    return next_N


def _without_repeats(polygons: list[Points]) -> list[Points]:
    """Drop vertices that the next one repeats, round the ring; of a polygon that is one point, one stays."""
    if not any(map(len, polygons)):
        return polygons
    points_N2 = np.concatenate(polygons)
    same_N2 = points_N2 == points_N2[_following(polygons)]
    keep_N = ~(same_N2[:, 0] & same_N2[:, 1])
    if keep_N.all():  # as of most pages
        return polygons
    bounds = pairwise(accumulate(map(len, polygons), initial=0))
    rings = [points_N2[start:end][keep_N[start:end]] for start, end in bounds]
    return [
        ring_V2 if len(ring_V2) else whole_V2[:1] for ring_V2, whole_V2 in zip(rings, polygons, strict=True)
    ]


def _convex(rings: Sequence[Points]) -> list[bool]:
    """Tell of each ring of at least three vertices whether it is certainly convex, and not thin.

    So is one of three or four vertices that turns the same way at each: five could go round twice. Twice the
    area of the triangle at each corner must exceed `MIN_TURN` times the two edges there; summed over the
    corners, the ring's area then exceeds three times `MIN_THICKNESS` times its perimeter.
    """
    if not rings:
        return []
    points_N2, next_N = np.concatenate(rings), _following(rings)
    edge_N2 = points_N2[next_N] - points_N2
    x_N, y_N = edge_N2.T
    turn_N = x_N * y_N[next_N] - y_N * x_N[next_N]
    length_N = np.abs(x_N) + np.abs(y_N)
    least_N = MIN_TURN * (length_N + length_N[next_N])
    counts_P = np.array([len(ring_V2) for ring_V2 in rings])
    starts_P = np.cumsum(counts_P) - counts_P
    left_P = np.logical_and.reduceat(turn_N > least_N, starts_P)
    right_P = np.logical_and.reduceat(turn_N < -least_N, starts_P)
    convex: list[bool] = ((counts_P <= 4) & (left_P | right_P)).tolist()
    return convex


def _verdicts(rings: Sequence[Points]) -> list[tuple[bool, bool]]:
    """Tell of each ring of at least three vertices whether it is simple, and whether it has no area."""
    verdicts = [(sure, False) for sure in _convex(rings)]
    unsure = [number for number, (sure, _) in enumerate(verdicts) if not sure]
    if unsure:
        points_N2 = np.concatenate([rings[number] for number in unsure])
        owner_N = np.repeat(np.arange(len(unsure)), [len(rings[number]) for number in unsure])
        shapes = shapely.polygons(shapely.linearrings(points_N2, indices=owner_N))
        thin = shapely.area(shapes) <= MIN_THICKNESS * shapely.length(shapes)
        valid = shapely.is_valid(shapes)
        for number, is_simple, is_thin in zip(unsure, valid.tolist(), thin.tolist(), strict=True):
            verdicts[number] = is_simple, is_thin
    return verdicts


def _cleaned(ring_V2: Points, is_simple: bool, is_thin: bool) -> CleanPolygon:
    if not is_simple:
        return _resolved(ring_V2)
    return CleanPolygon(ring_V2, "degenerate" if is_thin else None)


def _is_thin(area: float, length: float) -> bool:
    return bool(area <= MIN_THICKNESS * length)


def _resolved(ring_V2: Points) -> CleanPolygon:
    """Resolve a ring that crosses or touches itself by its non-zero fill."""
    hull = shapely.convex_hull(shapely.MultiPoint(ring_V2))
    if _is_thin(hull.area, hull.length):
        return CleanPolygon(ring_V2, "degenerate")
    faces = None if is_tangle(ring_V2) else _faces(ring_V2)
    if faces is None or len(faces) > MAX_FACES:
        return CleanPolygon(_canonical(hull, ring_V2), "self_crossing")
    pieces = _filled_pieces(ring_V2, faces)
    areas = shapely.area(pieces)
    if not len(pieces) or _is_thin(areas.sum(), shapely.LinearRing(ring_V2).length):
        return CleanPolygon(ring_V2, "degenerate")
    if areas.max() >= MIN_SHARE * areas.sum():
        return CleanPolygon(_canonical(pieces[areas.argmax()], ring_V2))
    return CleanPolygon(_canonical(hull, ring_V2), "self_crossing")


def is_tangle(ring_V2: Points) -> bool:
    """Tell whether so many edges of a ring meet that resolving it would take seconds, and give nothing.

    A ring whose edges cross in n pairs, each at a place of its own, has at least n regions.
    """
    x_V, y_V = ring_V2.T
    dx_V1, dy_V1 = (np.roll(ring_V2, -1, axis=0) - ring_V2).T[..., None]
    side_VV = np.sign(dx_V1 * (y_V - y_V[:, None]) - dy_V1 * (x_V - x_V[:, None]))
    sides_VV = side_VV * np.roll(side_VV, -1, axis=1)
    crossing_VV, touching_VV = sides_VV < 0, sides_VV <= 0
    for start_V in (x_V, y_V):  # of edges on one line, those apart do not meet
        end_V = np.roll(start_V, -1)
        low_V, high_V = np.minimum(start_V, end_V), np.maximum(start_V, end_V)
        touching_VV &= low_V <= high_V[:, None]
    crossing, touching = (int(np.count_nonzero(pairs & pairs.T)) // 2 for pairs in (crossing_VV, touching_VV))
    return crossing > MAX_FACES or touching > MAX_MEETINGS


def _faces(ring_V2: Points) -> NDArray[np.object_]:
    """Return the bounded regions into which a ring cuts the plane, as shapely polygons."""
    crossings_are_nodes = shapely.union_all([shapely.LinearRing(ring_V2)])
    faces: NDArray[np.object_] = shapely.get_parts(shapely.polygonize([crossings_are_nodes]))
    return faces


def _filled_pieces(ring_V2: Points, faces: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the pieces of the non-zero fill as shapely polygons without holes."""
    if not len(faces):
        return faces
    inner_F2 = shapely.get_coordinates(shapely.point_on_surface(faces))
    filled = faces[[winding_number(ring_V2, point) != 0 for point in inner_F2]]
    parts = shapely.get_parts(shapely.union_all(filled))
    outlines: NDArray[np.object_] = shapely.polygons(shapely.get_exterior_ring(parts))
    return outlines


def winding_number(ring_V2: Points, point_2: Points) -> int:
    """Return how often a ring winds around a point that is not on it (Sunday's crossing rule)."""
    start_V2 = ring_V2 - point_2
    end_V2 = np.roll(start_V2, -1, axis=0)
    left_V = start_V2[:, 0] * end_V2[:, 1] - end_V2[:, 0] * start_V2[:, 1]
    upward = (start_V2[:, 1] <= 0) & (end_V2[:, 1] > 0) & (left_V > 0)
    downward = (start_V2[:, 1] > 0) & (end_V2[:, 1] <= 0) & (left_V < 0)
    return int(upward.sum()) - int(downward.sum())


def _canonical(piece: shapely.Polygon, annotated_V2: Points) -> Points:
    """Return a piece's ring, so that neither its start nor its sense depend on the geometry library."""
    ring_V2: Points = shapely.get_coordinates(shapely.get_exterior_ring(piece))[:-1]
    if (signed_area(ring_V2) < 0) != (signed_area(annotated_V2) < 0):
        ring_V2 = ring_V2[::-1]
    first = int(np.lexsort((ring_V2[:, 1], ring_V2[:, 0]))[0])
    return np.ascontiguousarray(np.roll(ring_V2, -first, axis=0))


def signed_area(ring_V2: Points) -> float:
    """Return the area of a ring by the shoelace formula; positive where it runs clockwise on the screen."""
    x_V, y_V = (ring_V2 - ring_V2[0]).T
    return 0.5 * float(np.dot(x_V, np.roll(y_V, -1)) - np.dot(y_V, np.roll(x_V, -1)))
