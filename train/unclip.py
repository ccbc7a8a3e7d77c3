"""How far a shrunk region grows back, and the growing.

Let a region of area A and perimeter L be grown by D with sharp corners. For a rectangle

    area = A + L D + 4 D^2,    perimeter = L + 8 D

(for a convex polygon 4 becomes the sum of tan(turn / 2) over its corners: pi for a smooth outline, 4 for a
rectangle; texts are close to rectangles). Two things follow from it.

*Pixels.* A contour runs through pixel centres, so a region of n x m pixels has a contour of n-1 by m-1. Half
a pixel is right for straight rows, too much for slanted ones, whose staircase already touches the true edge.
The region's pixel count is an unbiased estimate of its area, so the contour grows until it encloses as many.

*The exact offset.* The targets were shrunk by D = T A0 / L0, T = 1 - r^2, of the text's own area A0 and
perimeter L0 (Liao et al., AAAI 2020, eq. 10). With A0 = A + L D + 4 D^2 and L0 = L + 8 D in terms of the
shrunk region that is

    (8 - 4 T) D^2 + (1 - T) L D - T A = 0

whose positive root undoes the shrink. The customary D = 1.5 or 2 times A / L does so for one shape only: at
r = 0.4 the factor would be 1.45 for a square, 1.66 for a text twice as long as high, 3.3 for ten times.
"""

from __future__ import annotations

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from formats.levels import offset_level
from formats.sample import Points
from train.regions import Contour, Regions

Numbers = NDArray[np.float64]

CORNERS = 4.0
STAIRCASE = 0.8
"""Pixels by which an outline may be simplified: a one-pixel staircase strays less from the line it draws."""
GRID = 256.0
"""Steps a pixel of pyclipper's integer coordinates."""
MITER_LIMIT = 2.0


def pixel_growth(area: Numbers, perimeter: Numbers, pixels: Numbers) -> Numbers:
    """Return by how much contours grow to cover their pixels, 0 to 0.5 px."""
    missing = np.maximum(pixels - area, 0.0)
    root = (np.sqrt(perimeter**2 + 4.0 * CORNERS * missing) - perimeter) / (2.0 * CORNERS)
    return np.minimum(root, 0.5)


def ratio_offset(area: Numbers, perimeter: Numbers, ratio: float) -> Numbers:
    """Return the customary offset ratio * A / L of shrunk regions, in px."""
    return np.asarray(ratio * area / np.maximum(perimeter, np.finfo(np.float64).tiny))


def exact_offset(area: Numbers, perimeter: Numbers, shrink_ratio: float) -> Numbers:
    """Return the offset, in px, that undoes the shrink of rectangles by `shrink_ratio`."""
    level = offset_level(shrink_ratio)
    square = 2.0 * CORNERS - CORNERS * level
    linear = (1.0 - level) * perimeter
    root = np.sqrt(linear**2 + 4.0 * square * level * area)
    return np.asarray((root - linear) / (2.0 * square))


def grow(area: Numbers, perimeter: Numbers, growth: Numbers) -> tuple[Numbers, Numbers]:
    """Return area and perimeter after growing with sharp corners."""
    return area + perimeter * growth + CORNERS * growth**2, perimeter + 2.0 * CORNERS * growth


def total_growth(
    area: Numbers, perimeter: Numbers, pixels: Numbers, unclip: float | None, shrink_ratio: float
) -> Numbers:
    """Return how far contours grow to become texts, in px: the pixel correction and the offset together.

    Args:
        area: enclosed by the contours, square px.
        perimeter: of the contours, px.
        pixels: of the regions.
        unclip: factor of A / L, or None for the exact offset.
        shrink_ratio: the r the targets were shrunk by.
    """
    correction = pixel_growth(area, perimeter, pixels)
    area, perimeter = grow(area, perimeter, correction)
    if unclip is None:
        return correction + exact_offset(area, perimeter, shrink_ratio)
    return correction + ratio_offset(area, perimeter, unclip)


def grown_quads(regions: Regions, unclip: float | None, shrink_ratio: float) -> NDArray[np.float64]:
    """Return the regions' smallest rectangles, grown: (K, 4, 2) float64, clockwise on the screen.

    The first vertex is the one nearest the top left. A rectangle grown with round corners and boxed again is
    the rectangle with longer sides, so no clipper is needed.
    """
    boxes = [cv2.minAreaRect(contour) for contour in regions.contours]
    center_K2 = np.array([box[0] for box in boxes]).reshape(-1, 2)
    size_K2 = np.array([box[1] for box in boxes]).reshape(-1, 2)
    angle_K = np.deg2rad(np.array([box[2] for box in boxes]).reshape(-1))
    growth_K = total_growth(
        size_K2.prod(axis=1), 2.0 * size_K2.sum(axis=1), regions.pixels_K, unclip, shrink_ratio
    )
    half_K2 = size_K2 / 2.0 + growth_K[:, None]
    along_K2 = np.stack([np.cos(angle_K), np.sin(angle_K)], axis=1) * half_K2[:, :1]
    across_K2 = np.stack([-np.sin(angle_K), np.cos(angle_K)], axis=1) * half_K2[:, 1:]
    corners = (-along_K2 - across_K2, along_K2 - across_K2, along_K2 + across_K2, across_K2 - along_K2)
    quads_K42 = center_K2[:, None] + np.stack(corners, axis=1)
    first_K = quads_K42.sum(axis=2).argmin(axis=1)
    turn_K4 = (first_K[:, None] + np.arange(4)) % 4
    return np.take_along_axis(quads_K42, turn_K4[:, :, None], axis=1)


def grown_polygon(contour: Contour, pixels: float, unclip: float | None, shrink_ratio: float) -> Points:
    """Return one region's outline, simplified and grown: (V, 2) float64, empty if nothing is left.

    A region without an interior (a row of pixels) is taken as its smallest rectangle. Corners stay sharp up
    to the miter limit, as the shrink left them.
    """
    outline_V2 = _simplified(contour)
    sides_V = np.linalg.norm(outline_V2 - np.roll(outline_V2, 1, axis=0), axis=1)
    area = np.asarray(cv2.contourArea(outline_V2.astype(np.float32)))
    growth = total_growth(area, sides_V.sum(), np.asarray(pixels), unclip, shrink_ratio)
    clipper = pyclipper.PyclipperOffset(MITER_LIMIT)
    clipper.AddPath(np.rint(outline_V2 * GRID).tolist(), pyclipper.JT_MITER, pyclipper.ET_CLOSEDPOLYGON)
    grown = clipper.Execute(float(growth) * GRID)
    return np.array(max(grown, key=pyclipper.Area, default=()), np.float64).reshape(-1, 2) / GRID


def _simplified(contour: Contour) -> Points:
    outline = cv2.approxPolyDP(contour, STAIRCASE, True)
    if cv2.contourArea(outline) >= 1.0:
        return np.asarray(outline[:, 0], np.float64)
    center, size, angle = cv2.minAreaRect(contour)
    least = 8.0 / GRID
    return np.asarray(cv2.boxPoints((center, (max(size[0], least), max(size[1], least)), angle)), np.float64)
