"""Pseudo-characters: where a text's letters would be, from its outline alone (CLEval; Baek et al., 2020).

A text is cut into equal parts along its reading direction, and the middle of each stands for a letter.
Outlines are read as annotated: the first half of the vertices along the top, the second half back along the
bottom.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.sample import Points

MOST = 10
"""Characters a length estimated from an aspect ratio is cut at."""
VERTICAL = 0.5
"""Aspect ratio (width over height) below which a quad is read from top to bottom."""
_TINY = 1e-5


def aspect_ratio(polygon_V2: Points) -> float:
    """Return mean length of top and bottom over mean length of the two ends."""
    half = len(polygon_V2) // 2
    if half < 1:
        return 1.0
    top_V2, bottom_V2 = polygon_V2[:half], polygon_V2[half:]
    along = (_length(top_V2) + _length(bottom_V2)) / 2.0
    ends = (np.linalg.norm(bottom_V2[0] - top_V2[-1]) + np.linalg.norm(top_V2[0] - bottom_V2[-1])) / 2.0
    return float((along + _TINY) / (ends + _TINY))


def estimated_length(polygon_V2: Points) -> int:
    """Return how many characters a text of this shape may hold: its longer side over its shorter."""
    ratio = aspect_ratio(polygon_V2)
    return min(round(0.5 + max(ratio, 1.0 / ratio)), MOST)


def false_length(polygon_V2: Points) -> int:
    """Return how many characters a false detection counts for.

    The official rule, kept for comparable figures: height over width, so a wide box counts for one. An
    outline of other than four vertices, which starts anywhere, is taken as its smallest rectangle.
    """
    quad_V2 = polygon_V2 if len(polygon_V2) == 4 else _smallest_rectangle(polygon_V2)
    return min(round(0.5 + 1.0 / (_TINY + aspect_ratio(quad_V2))), MOST)


def character_centers(polygon_V2: Points, count: int) -> NDArray[np.float64]:
    """Return the (count, 2) centres of equal parts along the reading direction."""
    half = len(polygon_V2) // 2
    if half < 1:
        return np.zeros((0, 2))
    if len(polygon_V2) == 4 and aspect_ratio(polygon_V2) < VERTICAL:
        polygon_V2 = np.roll(polygon_V2, 1, axis=0)
    if len(polygon_V2) == 4:
        # In this order of operations, since a centre may lie on the very edge of a detection.
        left_2, right_2 = (polygon_V2[0] + polygon_V2[3]) / 2.0, (polygon_V2[1] + polygon_V2[2]) / 2.0
        part_2 = (right_2 - left_2) / max(count, 1)
        return np.asarray(left_2 + part_2 / 2.0 + part_2 * np.arange(count)[:, None])
    cuts = np.linspace(0.0, 1.0, count + 1)
    line_V2 = (_along(polygon_V2[:half], cuts) + _along(polygon_V2[half:][::-1], cuts)) / 2.0
    return (line_V2[:-1] + line_V2[1:]) / 2.0


def _smallest_rectangle(polygon_V2: Points) -> Points:
    """Return a (4, 2) rectangle whose first side is the more horizontal one."""
    outline = shapely.oriented_envelope(shapely.MultiPoint(polygon_V2))
    if not isinstance(outline, shapely.Polygon):
        return np.repeat(polygon_V2[:1], 4, axis=0)
    quad_V2 = np.asarray(outline.exterior.coords[:4])
    run, rise = np.abs(quad_V2[1] - quad_V2[0])
    return quad_V2 if run >= rise else np.roll(quad_V2, 1, axis=0)


def _length(chain_V2: Points) -> float:
    return float(np.linalg.norm(np.diff(chain_V2, axis=0), axis=1).sum())


def _along(chain_V2: Points, cuts: NDArray[np.float64]) -> Points:
    """Return points of a chain at fractions of its vertex count, linear in between."""
    at = np.linspace(0.0, 1.0, len(chain_V2))
    return np.stack([np.interp(cuts, at, chain_V2[:, axis]) for axis in (0, 1)], axis=1)
