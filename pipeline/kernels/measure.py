"""Areas, perimeters and sizes of polygons, float64."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.jit import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CARE, DONT_CARE, TOO_SMALL, EMPTY_SHRINK, DEGENERATE, SELF_CROSSING, OUTSIDE, NOT_FINITE = range(8)
"""Codes of a polygon's status; the order of `formats.sample.STATUSES`."""

# Of the squared perimeter: far below any annotated text, far above what rounding leaves of collinear points.
_NO_AREA = 1e-10
# Rectangles around a triangle have equal areas; without a tolerance rounding would choose between them.
_EQUAL_AREA = 1.0 + 1e-9


@kernel
def measure(points_N2: Floats, starts: Integers, min_size: float, codes: Any, units: Floats) -> None:
    """Measure each polygon: its unit of length A/L into `units`, and what its shape makes of its status.

    Args:
        points_N2: (N, 2) float64 vertices of all polygons, one polygon after the other.
        starts: (P + 1,) int64, polygon i is points_N2[starts[i] : starts[i + 1]].
        min_size: polygons of CARE whose `shorter_side` is below become TOO_SMALL.
        codes: (P,) uint8, in and out. Polygons without area become DEGENERATE, whatever they were; such with
            infinite or NaN coordinates NOT_FINITE.
        units: (P,) float64, out: area by perimeter, pixels; 0 where there is no area.
    """
    for i in range(len(codes)):
        points_V2 = points_N2[starts[i] : starts[i + 1]]
        area, perimeter = area_and_perimeter(points_V2)
        units[i] = 0.0
        if not (isfinite(area) and isfinite(perimeter)):
            codes[i] = NOT_FINITE
        elif area <= _NO_AREA * perimeter * perimeter:
            codes[i] = DEGENERATE
        else:
            units[i] = area / perimeter
            # A polygon is no larger than its least width times its diameter: most texts need no hull.
            certain = area >= _EQUAL_AREA * min_size * diagonal(points_V2)
            if codes[i] == CARE and not certain and shorter_side(points_V2) < min_size:
                codes[i] = TOO_SMALL


@kernel
def area_and_perimeter(points_V2: Floats) -> tuple[float, float]:
    """Return the absolute area (shoelace formula about the first vertex) and the perimeter of a polygon."""
    twice = 0.0
    perimeter = 0.0
    V = len(points_V2)
    for i in range(V):
        h = i - 1 if i > 0 else V - 1
        x, y = points_V2[i, 0] - points_V2[0, 0], points_V2[i, 1] - points_V2[0, 1]
        before_x, before_y = points_V2[h, 0] - points_V2[0, 0], points_V2[h, 1] - points_V2[0, 1]
        twice += before_x * y - before_y * x
        perimeter += sqrt((x - before_x) * (x - before_x) + (y - before_y) * (y - before_y))
    return abs(twice) / 2.0, perimeter


@kernel
def diagonal(points_V2: Floats) -> float:
    """Return the diagonal of the upright box around a polygon: at least the polygon's diameter."""
    x0, y0 = points_V2[0, 0], points_V2[0, 1]
    x1, y1 = x0, y0
    for i in range(1, len(points_V2)):
        x, y = points_V2[i, 0], points_V2[i, 1]
        x0, x1 = min(x0, x), max(x1, x)
        y0, y1 = min(y0, y), max(y1, y)
    return sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))


@kernel
def shorter_side(points_V2: Floats) -> float:
    """Return the shorter side of the rectangle of least area around a polygon; of equal ones the thickest.

    Such a rectangle has a side along an edge of the convex hull (Freeman and Shapira, "Determining the
    minimum-area encasing rectangle for an arbitrary closed curve", CACM 1975).
    """
    hull_K2 = convex_hull(points_V2)
    K = len(hull_K2)
    least = np.inf
    shorter = 0.0
    for i in range(K):
        j = i + 1 if i + 1 < K else 0
        ux, uy = hull_K2[j, 0] - hull_K2[i, 0], hull_K2[j, 1] - hull_K2[i, 1]
        length = sqrt(ux * ux + uy * uy)
        if length == 0.0:  # the square of a side below 1e-160
            continue
        low, high, thick = 0.0, 0.0, 0.0
        for k in range(K):
            x, y = hull_K2[k, 0] - hull_K2[i, 0], hull_K2[k, 1] - hull_K2[i, 1]
            along = (x * ux + y * uy) / length
            low, high = min(low, along), max(high, along)
            thick = max(thick, abs(x * uy - y * ux) / length)
        area = thick * (high - low)
        side = min(thick, high - low)
        if area * _EQUAL_AREA < least or (area <= least * _EQUAL_AREA and side > shorter):
            least = area
            shorter = side
    return shorter


@kernel
def convex_hull(points_V2: Floats) -> Floats:
    """Return the (K, 2) corners of the convex hull (Andrew's monotone chain, 1979), no three on a line."""
    order = np.argsort(points_V2[:, 1], kind="mergesort")
    order = order[np.argsort(points_V2[order, 0], kind="mergesort")]
    V = len(order)
    hull_K2 = np.empty((2 * V, 2))
    K = 0
    for half in range(2):
        first = K
        for i in range(V):
            point = points_V2[order[i if half == 0 else V - 1 - i]]
            while K - first >= 2 and _turn(hull_K2[K - 2], hull_K2[K - 1], point) <= 0.0:
                K -= 1
            hull_K2[K] = point
            K += 1
        K -= 1  # the last corner of one half is the first of the other
    return hull_K2[:K]


@kernel
def _turn(a: Floats, b: Floats, c: Floats) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
