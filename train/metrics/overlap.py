"""Areas of polygons and of what they share, by shapely, many at a time.

Polygons as annotated may be invalid. The rules are those of the library that the official scripts count with
(Polygon, on Murta's general polygon clipper), so that the scores are theirs: what an outline that crosses
itself surrounds is filled by the even-odd rule, yet its own area is that of the shoelace formula, in which
parts run through in opposite directions cancel. Fewer than three vertices, no area, or a coordinate that is
not finite stand for an empty region, which matches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.sample import Points

RegionArray = NDArray[np.object_]
Areas = NDArray[np.float64]


def regions_of(polygons: Sequence[Points]) -> RegionArray:
    """Return valid shapely geometries, one a polygon, some of them empty."""
    regions = np.empty(len(polygons), object)
    for index, polygon_V2 in enumerate(polygons):
        regions[index] = shapely.Polygon(polygon_V2 if _usable(polygon_V2) else None)
    for index in np.flatnonzero(~shapely.is_valid(regions)).tolist():
        parts = shapely.get_parts(shapely.make_valid(regions[index], method="linework"))
        regions[index] = shapely.union_all([part for part in parts if isinstance(part, shapely.Polygon)])
    return regions


def areas_of(polygons: Sequence[Points]) -> Areas:
    """Return the area of each polygon by the shoelace formula; 0 of one that is not finite."""
    areas = np.zeros(len(polygons))
    for index, polygon_V2 in enumerate(polygons):
        if _usable(polygon_V2):
            x, y = (polygon_V2 - polygon_V2[0]).T
            areas[index] = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2.0
    return areas


def _usable(polygon_V2: Points) -> bool:
    return len(polygon_V2) >= 3 and bool(np.isfinite(polygon_V2).all())


def intersections(first_G: RegionArray, second_D: RegionArray) -> NDArray[np.float64]:
    """Return the (G, D) areas that each pair of regions shares."""
    area_GD = np.zeros((len(first_G), len(second_D)))
    if area_GD.size:
        at_G, at_D = shapely.STRtree(second_D).query(first_G, predicate="intersects")
        area_GD[at_G, at_D] = shapely.area(shapely.intersection(first_G[at_G], second_D[at_D]))
    return area_GD


def own_share(area_GD: NDArray[np.float64], own_D: Areas) -> NDArray[np.float64]:
    """Return intersections as shares of the second polygons' own areas, 0 where those have none."""
    return np.asarray(np.divide(area_GD, own_D, out=np.zeros_like(area_GD), where=own_D > 0.0))


def intersection_over_union(area_GD: NDArray[np.float64], own_G: Areas, own_D: Areas) -> NDArray[np.float64]:
    """Return the (G, D) intersections over unions, 0 where there is no union."""
    union_GD = own_G[:, None] + own_D[None] - area_GD
    return np.asarray(np.divide(area_GD, union_GD, out=np.zeros_like(area_GD), where=union_GD > 0.0))


def held_by(points_M2: Points, polygon_V2: Points) -> NDArray[np.bool_]:
    """Return which points lie in a polygon, (M,), by the even-odd rule.

    A ray to the right crosses the outline an odd number of times (Shimrat, CACM 1962, algorithm 112). So a
    point on the outline lies inside at a left or upper edge and outside at a right or lower one, as in the
    official scripts: of two boxes that share an edge, one holds it.
    """
    if not _usable(polygon_V2):
        return np.zeros(len(points_M2), bool)
    x_M, y_M = points_M2.T
    inside_M = np.zeros(len(points_M2), bool)
    for (x1, y1), (x2, y2) in zip(polygon_V2, np.roll(polygon_V2, -1, axis=0), strict=True):
        at_height_M = (y1 > y_M) != (y2 > y_M)
        if at_height_M.any():
            inside_M ^= at_height_M & (x_M < x1 + (x2 - x1) * (y_M - y1) / (y2 - y1))
    return inside_M
