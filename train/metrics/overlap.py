"""Areas of polygons and of what they share, by shapely, many at a time.

Polygons as annotated may be invalid. The rule: a self-crossing outline stands for all that it surrounds;
fewer than three vertices, no area, or a coordinate that is not finite stand for an empty region, which
matches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.sample import Points

RegionArray = NDArray[np.object_]


def regions_of(polygons: Sequence[Points]) -> RegionArray:
    """Return valid shapely geometries, one a polygon, some of them empty."""
    regions = np.empty(len(polygons), object)
    for index, polygon_V2 in enumerate(polygons):
        usable = len(polygon_V2) >= 3 and bool(np.isfinite(polygon_V2).all())
        regions[index] = shapely.Polygon(polygon_V2 if usable else None)
    return np.asarray(shapely.make_valid(regions, method="structure", keep_collapsed=False), object)


def intersections(first_G: RegionArray, second_D: RegionArray) -> NDArray[np.float64]:
    """Return the (G, D) areas that each pair of regions shares."""
    area_GD = np.zeros((len(first_G), len(second_D)))
    if area_GD.size:
        at_G, at_D = shapely.STRtree(second_D).query(first_G, predicate="intersects")
        area_GD[at_G, at_D] = shapely.area(shapely.intersection(first_G[at_G], second_D[at_D]))
    return area_GD


def own_share(area_GD: NDArray[np.float64], regions_D: RegionArray) -> NDArray[np.float64]:
    """Return intersections as shares of the second regions' own areas, 0 where those have none."""
    own_D = shapely.area(regions_D)
    return np.asarray(np.divide(area_GD, own_D, out=np.zeros_like(area_GD), where=own_D > 0.0))


def intersection_over_union(first_G: RegionArray, second_D: RegionArray) -> NDArray[np.float64]:
    """Return the (G, D) intersections over unions, 0 where a region is empty."""
    area_GD = intersections(first_G, second_D)
    union_GD = shapely.area(first_G)[:, None] + shapely.area(second_D)[None] - area_GD
    return np.asarray(np.divide(area_GD, union_GD, out=np.zeros_like(area_GD), where=union_GD > 0.0))
