"""All texts of a set measured on the canvas: what the distributions, and the sorting of pages, go by."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.sample import STATUSES
from formats.shards import ShardSet

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
_EQUAL_AREA = 1.0 + 1e-9


@dataclass(frozen=True)
class Survey:
    """Measures of a set's pages and texts; T texts, N pages.

    Attributes:
        texts_N: number of texts of each page.
        area_N: share of the canvas, 0..1, that the texts' polygons take, overlaps counted twice.
        page_T: page of each text.
        height_T: shorter side of the least rectangle around each text, in pixels of the canvas; NaN for a
            text without area.
        aspect_T: longer side over shorter side.
        outside_T: share of each text's area that lies out of the page, 0..1.
        status_T: index of its status in `formats.sample.STATUSES`.
    """

    texts_N: Numbers
    area_N: Floats
    page_T: Numbers
    height_T: Floats
    aspect_T: Floats
    outside_T: Floats
    status_T: Numbers


def survey(opened: ShardSet) -> Survey:
    """Measure every text of a set; reads the meta data of all its pages.

    Raises:
        DamageError: a page's meta data are not what was written.
    """
    canvas = float(opened.canvas[0] * opened.canvas[1])
    by_size: dict[int, list[Floats]] = {}
    places: dict[int, list[int]] = {}
    page: list[int] = []
    status: list[int] = []
    counts: list[int] = []
    outside: list[float] = []
    for number in range(len(opened)):
        record = json.loads(opened.member(number, "meta"))
        width, height = record["source_size"][1], record["source_size"][0]
        counts.append(len(record["texts"]))
        for text in record["texts"]:
            polygon = np.array(text["polygon"], np.float64).reshape(-1, 2)
            by_size.setdefault(len(polygon), []).append(polygon)
            places.setdefault(len(polygon), []).append(len(page))
            page.append(number)
            status.append(STATUSES.index(text["status"]) if text["status"] in STATUSES else 0)
            outside.append(_outside(text["source"], width, height))
    sides_T2, area_T = np.full((len(page), 2), np.nan), np.zeros(len(page))
    for size, polygons in by_size.items():
        if size > 2:
            stacked_PV2 = np.stack(polygons)
            sides_T2[places[size]] = sides(stacked_PV2)
            area_T[places[size]] = _areas(stacked_PV2)
    page_T = np.array(page, np.int64)
    return Survey(
        texts_N=np.array(counts, np.int64),
        area_N=np.bincount(page_T, area_T, minlength=len(opened)) / canvas,
        page_T=page_T,
        height_T=sides_T2[:, 0],
        aspect_T=sides_T2[:, 1] / np.maximum(sides_T2[:, 0], 1e-9),
        outside_T=np.array(outside),
        status_T=np.array(status, np.int64),
    )


def sides(polygons_PV2: Floats) -> Floats:
    """Return shorter and longer side, (P, 2), of the least rectangle around each polygon (P, V, 2).

    Such a rectangle has a side along an edge of the convex hull (Freeman and Shapira, CACM 1975); all edges
    of the polygon are tried, which are those of the hull where it is convex.
    """
    edges_PV2 = np.roll(polygons_PV2, -1, axis=1) - polygons_PV2
    length_PV1 = np.linalg.norm(edges_PV2, axis=2, keepdims=True)
    along_PV2 = edges_PV2 / np.where(length_PV1 > 0, length_PV1, np.nan)
    across_PV2 = along_PV2[..., ::-1] * (-1.0, 1.0)
    extents = []
    for axes_PV2 in (along_PV2, across_PV2):
        # Each polygon's vertices (k) on each of its edges' directions (v).
        cast_PVK = np.einsum("pvd,pkd->pvk", axes_PV2, polygons_PV2)
        extents.append(cast_PVK.max(axis=2) - cast_PVK.min(axis=2))
    both_PV2 = np.stack(extents, axis=2)
    area_PV = np.where(np.isnan(both_PV2[..., 0]), np.inf, both_PV2.prod(axis=2))
    # Rectangles around a triangle have equal areas: of equal ones the thickest, as the renderer takes it.
    least_PV = area_PV <= area_PV.min(axis=1, keepdims=True) * _EQUAL_AREA
    best_P = np.where(least_PV, both_PV2.min(axis=2), -np.inf).argmax(axis=1)
    chosen_P2 = both_PV2[np.arange(len(both_PV2)), best_P]
    return np.sort(chosen_P2, axis=1)


def _areas(polygons_PV2: Floats) -> Floats:
    x_PV, y_PV = polygons_PV2[..., 0], polygons_PV2[..., 1]
    cross_PV = x_PV * np.roll(y_PV, -1, axis=1) - np.roll(x_PV, -1, axis=1) * y_PV
    areas: Floats = np.abs(cross_PV.sum(axis=1)) / 2.0
    return areas


def _outside(points: list[list[float]], width: int, height: int) -> float:
    """Return the share of a polygon's area out of a page whose pixels' centres are 0 .. width - 1."""
    low, right, bottom = -0.5, width - 0.5, height - 0.5
    if all(low <= x <= right and low <= y <= bottom for x, y in points) or len(points) < 3:
        return 0.0
    polygon = shapely.make_valid(shapely.polygons(points))
    inside = shapely.intersection(polygon, shapely.box(low, low, right, bottom))
    area = shapely.area(polygon)
    return float(1.0 - shapely.area(inside) / area) if area else 0.0
