"""The slow, obvious twin of the renderer: float64 NumPy by the definition, and pyclipper for the offsets.

The maps know nothing of levels, tiles or float32. With A, L a polygon's area and perimeter and d the distance
from a pixel's centre to the nearest edge, q = +d / (A/L) inside and -d / (A/L) outside, T = 1 - r^2:

    prob = {max q >= T}     thresh_mask = {max q >= -T}     thresh = 1 - min |q| / T
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyclipper
import shapely
from numpy.typing import NDArray

from formats.levels import LEVELS_PER_T, MAGNITUDES, ZERO_LEVEL, read_tables
from formats.sample import DistanceMaps, Points
from formats.spec import TargetsSpec

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN = 130 / LEVELS_PER_T
"""How far around a text its distances are taken, in offsets D: beyond the last level."""


@dataclass(frozen=True)
class ExactMaps:
    """A page by the definition.

    Attributes:
        T: the level of q of the shrink ratio.
        greatest_q_HW: float64, the greatest q; -inf far from every text.
        least_q_HW: float64, the least |q|; inf far from every text.
        least_near_HW: float64, the least |q| of those texts whose stored level would not be 0.
        masked_HW: bool, inside an ignored text that is to be masked.
        statuses: what becomes of each text.
    """

    T: float
    greatest_q_HW: Floats
    least_q_HW: Floats
    least_near_HW: Floats
    masked_HW: Bools
    statuses: tuple[str, ...]

    @property
    def prob_HW(self) -> Bools:
        """The probability map."""
        return self.greatest_q_HW >= self.T

    @property
    def thresh_mask_HW(self) -> Bools:
        """The threshold mask."""
        return self.greatest_q_HW >= -self.T

    @property
    def thresh_HW(self) -> Floats:
        """The threshold map, 0 to 1 over [thresh_min, thresh_max]."""
        return np.clip(1.0 - self.least_q_HW / self.T, 0.0, 1.0)

    @property
    def level_HW(self) -> NDArray[np.int64]:
        """The distance plane's bytes."""
        return level(self.greatest_q_HW, self.T)


def level(q: Floats, T: float) -> NDArray[np.int64]:
    """Return the byte of q: cells of a 108th of T, the lowest and the highest open."""
    cell = np.floor(np.clip(q / T, -9.0, 9.0) * LEVELS_PER_T)
    return np.clip(cell.astype(np.int64) + ZERO_LEVEL, 0, 255)


def area_and_perimeter(polygon_V2: Points) -> tuple[float, float]:
    """Return a polygon's area and perimeter by the shoelace formula, about its centre."""
    x, y = (polygon_V2 - polygon_V2.mean(axis=0)).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return float(area), float(np.linalg.norm(polygon_V2 - np.roll(polygon_V2, -1, axis=0), axis=1).sum())


def edges(rings: Iterable[Points]) -> Iterator[tuple[float, float, float, float]]:
    """Yield x and y of the first end of each edge of some rings, and the way to its other end."""
    for ring_V2 in rings:
        ends = np.concatenate([ring_V2[1:], ring_V2[:1]])
        yield from np.hstack([ring_V2, ends - ring_V2]).tolist()


def distance(rings: Iterable[Points], x: Floats, y: Floats) -> Floats:
    """Return the distance from points to the nearest edge of some rings."""
    least2 = np.full(x.shape, np.inf)
    for ax, ay, ex, ey in edges(rings):
        dx, dy = x - ax, y - ay
        t = np.clip((dx * ex + dy * ey) / (ex * ex + ey * ey or 1.0), 0.0, 1.0)
        least2 = np.minimum(least2, (dx - t * ex) ** 2 + (dy - t * ey) ** 2)
    return np.sqrt(least2)


def inside(rings: Iterable[Points], x: Floats, y: Floats) -> Bools:
    """Return which points lie inside some rings, by the even-odd rule: count the edges to the left."""
    odd = np.zeros(x.shape, bool)
    for ax, ay, ex, ey in edges(rings):
        if ey != 0.0:
            spans = (ay <= y) != (ay + ey <= y)
            odd ^= spans & (ax + (y - ay) / ey * ex <= x)
    return odd


def box(polygon_V2: Points, margin: float, canvas: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of the canvas within a margin of a polygon."""
    low = np.floor(polygon_V2.min(axis=0) - margin)
    high = np.ceil(polygon_V2.max(axis=0) + margin) + 1
    (x0, y0), (x1, y1) = np.clip([low, high], 0, canvas[::-1]).astype(int)
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def pixels(place: tuple[slice, slice]) -> tuple[Floats, Floats]:
    """Return x and y of the pixels of a rectangle."""
    y, x = np.mgrid[place].astype(np.float64)
    return x, y


def exact_q(polygon_V2: Points, T: float, canvas: tuple[int, int]) -> tuple[tuple[slice, slice], Floats]:
    """Return the part of the canvas within a text's last level, and q there."""
    area, perimeter = area_and_perimeter(polygon_V2)
    place = box(polygon_V2, MARGIN * T * area / perimeter + 1.0, canvas)
    x, y = pixels(place)
    q = distance([polygon_V2], x, y) / (area / perimeter)
    return place, np.where(inside([polygon_V2], x, y), q, -q)


def exact_maps(
    polygons: Sequence[Points],
    dont_care: Sequence[bool],
    canvas: tuple[int, int],
    targets: TargetsSpec,
    problems: Sequence[str | None] | None = None,
) -> ExactMaps:
    """Return a page's maps and statuses by the definition and the rules of `pipeline.render`."""
    T = 1.0 - targets.shrink_ratio**2
    greatest, least, near = np.full(canvas, -np.inf), np.full(canvas, np.inf), np.full(canvas, np.inf)
    masked = np.zeros(canvas, bool)
    statuses = []
    for polygon_V2, ignored, problem in zip(
        polygons, dont_care, problems or [None] * len(polygons), strict=True
    ):
        status = plain_status(polygon_V2, ignored, problem, targets)
        if status == "care":
            place, q = exact_q(polygon_V2, T, canvas)
            status = drawn_status(polygon_V2, q, T, canvas, targets)
        if status == "care":
            greatest[place] = np.maximum(greatest[place], q)
            least[place] = np.minimum(least[place], abs(q))
            near[place] = np.minimum(near[place], np.where(level(q, T) > 0, abs(q), np.inf))
        elif status != "degenerate" and targets.dont_care == "mask":
            place = box(polygon_V2, 1.0, canvas)
            masked[place] |= inside([polygon_V2], *pixels(place))
        statuses.append(status)
    return ExactMaps(T, greatest, least, near, masked, tuple(statuses))


def size(polygon_V2: Points) -> float:
    """Return the shorter side of the rectangle of least area around a polygon."""
    hull = shapely.get_coordinates(shapely.convex_hull(shapely.MultiPoint(polygon_V2)))[:-1]
    sides = []
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        along = (b - a) / np.linalg.norm(b - a)
        extents = np.ptp(hull @ np.array([along, [-along[1], along[0]]]).T, axis=0)
        sides.append((extents.prod(), extents.min()))
    least_area = min(area for area, _ in sides)
    return float(max(side for area, side in sides if area <= least_area * (1 + 1e-6)))


def plain_status(polygon_V2: Points, dont_care: bool, problem: str | None, targets: TargetsSpec) -> str:
    """Return what becomes of one text by its annotation and its shape."""
    area, perimeter = area_and_perimeter(polygon_V2) if len(polygon_V2) else (0.0, 0.0)
    if problem == "degenerate" or area <= 1e-10 * perimeter**2:
        return "degenerate"
    if problem is not None:
        return problem
    if dont_care:
        return "dont_care"
    small = targets.small_text == "ignore" and size(polygon_V2) < targets.min_size
    return "too_small" if small else "care"


def drawn_status(
    polygon_V2: Points, q: Floats, T: float, canvas: tuple[int, int], targets: TargetsSpec
) -> str:
    """Return what becomes of one text by what of it is on the canvas."""
    (x0, y0), (x1, y1) = polygon_V2.min(axis=0), polygon_V2.max(axis=0)
    whole = x0 >= -0.5 and y0 >= -0.5 and x1 <= canvas[1] - 0.5 and y1 <= canvas[0] - 0.5
    if not whole and not level(q, T).any():
        return "outside"
    if whole and targets.empty_shrink == "ignore" and not (q >= T).any():
        return "empty_shrink"
    return "care"


def clipper_offset(polygon_V2: Points, offset: float) -> list[Points]:
    """Return the rings of a polygon grown by an offset in pixels (shrunk where negative), round joins.

    Clipper works on integers: a pixel is 2^16 of its units, and arcs deviate by at most 200 of them.
    """
    grid = 65536.0
    clipper = pyclipper.PyclipperOffset(2.0, 200.0)
    path = np.rint(polygon_V2 * grid).astype(np.int64)
    clipper.AddPath(path.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return [np.array(ring, np.float64) / grid for ring in clipper.Execute(offset * grid)]


@dataclass(frozen=True)
class Agreement:
    """How rendered maps compare with a page by the definition.

    Attributes:
        pixels: pixels in the band or inside of a text.
        different: pixels of prob, thresh_mask and prob_mask together that are not as defined.
        gap: the greatest distance in q, by T, of such a pixel of prob or thresh_mask from the boundary.
        levels_different: pixels of the distance plane that are not as defined.
        level_error: the most levels that one of these is off.
        level_gap: the greatest distance, in levels, of such a pixel from the boundary of its cell.
        least_error: the most levels that the least magnitude, as the overlap plane gives it, is off.
        thresh_error: the most levels (108 to T) that the threshold map is off, its quantisation included.
    """

    pixels: int
    different: int
    gap: float
    levels_different: int
    level_error: int
    level_gap: float
    least_error: int
    thresh_error: float


def compare(maps: DistanceMaps, exact: ExactMaps, ratio: float) -> Agreement:
    """Compare rendered maps, and what is read from them by table at the stored ratio, with the definition."""
    read = maps.target_maps(ratio)
    level_HW = exact.level_HW
    wrong = np.abs(maps.distance_HW.astype(int) - level_HW)
    at_wrong = exact.greatest_q_HW[wrong > 0] / exact.T * LEVELS_PER_T
    wrong_prob = (read.prob_HW == 1) != exact.prob_HW
    wrong_band = (read.thresh_mask_HW == 1) != exact.thresh_mask_HW
    wrong_mask = (maps.prob_mask_HW == 0) != exact.masked_HW
    gaps = np.abs(np.abs(exact.greatest_q_HW[wrong_prob | wrong_band]) - exact.T) / exact.T
    least_HW = read_tables(ratio).magnitude[maps.distance_HW].astype(int)
    if maps.overlap_HW is not None:
        least_HW -= maps.overlap_HW
    near_HW = (maps.distance_HW > 0) & (level_HW > 0)
    least = np.floor(exact.least_near_HW[near_HW] / exact.T * LEVELS_PER_T)
    off = np.abs(least_HW[near_HW] - np.minimum(least, MAGNITUDES - 1))
    return Agreement(
        pixels=int((level_HW > 0).sum()),
        different=int(wrong_prob.sum() + wrong_band.sum() + wrong_mask.sum()),
        gap=float(gaps.max(initial=0.0)),
        levels_different=int((wrong > 0).sum()),
        level_error=int(wrong.max(initial=0)),
        level_gap=float(np.abs(at_wrong - np.rint(at_wrong)).max(initial=0.0)),
        least_error=int(off.max(initial=0)),
        thresh_error=float(np.abs(read.thresh_HW / 255.0 - exact.thresh_HW).max() * LEVELS_PER_T),
    )
