"""Texts to maps, exactly by the definition in formats/levels.py.

What becomes of a text, by the first row that applies (`formats.sample.Text.status`):

| status | when | prob_mask inside it |
|---|---|---|
| degenerate | found so in the source, or no area on the canvas | 1 |
| self_crossing | found so in the source | 0 |
| outside | found to lie beside its page | 0 |
| dont_care | annotated so | 0 |
| too_small | its size is below `min_size`, unless `small_text="keep"` | 0 |
| outside | no pixel of the canvas lies inside it or in its band | (no pixel) |
| empty_shrink | it lies wholly on the canvas and no pixel has q >= T, unless `empty_shrink="keep"` | 0 |
| care | otherwise | 1 |

Only texts of status "care" are drawn; all others contribute to no map. With `dont_care="background"`
prob_mask is 1 everywhere. The size of a text is the shorter side of the rectangle of least area around it, in
canvas pixels: it does not change with rotation, and for an upright box it is the usual height or width.
Inside is by the even-odd rule. A text's band reaches 125 levels out. A text lies wholly on the canvas if
its vertices do, the half pixel around the outer centres included. Texts that reach out of the canvas are
never cut: their distances are those of the whole polygon. Whether a text holds a pixel with q >= T is read
off its levels, unless r^2 A/L is at least the square root of 1/2: the inradius of a simple polygon exceeds
A/L (Bonnesen's inequality), so that what is left of it after the shrink holds a disc that no pixel's centre
can miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from formats.levels import offset_level
from formats.sample import STATUSES, Bytes, DistanceMaps, Points, TargetMaps
from formats.spec import TargetsSpec
from pipeline.kernels.distance import LANES, TILE, draw
from pipeline.kernels.measure import DEGENERATE, NOT_FINITE, OUTSIDE, SELF_CROSSING, measure

RENDERER_VERSION = 2
"""Part of the fingerprint: moves with every change of this package that changes a byte stored of a source.

Those are what `render` gives, and as much the page's pixels (images.py, geometry.py), where it lies
(`formats.placement`) and its cleaned polygons (polygons.py); a test in tests/pipeline/test_page.py holds what
this version stores. What distortion.py makes of a variant has a version of its own
(`formats.manifest.DISTORTION_VERSION`). Versions of OpenCV, libjpeg and GEOS are in no fingerprint, though
they have their part in decoded and resized pixels and in crossings.

2: a text that lies wholly beside its page is "outside"; 1 learnt it where the canvas has padding.
"""

_PROBLEMS = {"degenerate": DEGENERATE, "self_crossing": SELF_CROSSING, "outside": OUTSIDE}


@dataclass(frozen=True)
class Rendered:
    """A page's distance maps and the status of each of its texts."""

    maps: DistanceMaps
    statuses: tuple[str, ...]


@dataclass(frozen=True)
class RenderedPlanes:
    """A page's four maps and the status of each of its texts."""

    maps: TargetMaps
    statuses: tuple[str, ...]


_Planes = tuple[Bytes, Bytes, NDArray[np.int64]]
"""Planes (K, H, W), the same planes as they are given out, and the rows that may hold something (`draw`)."""


class Canvas:
    """Planes that are drawn on page after page; only the rows that the page before drew on are cleared.

    The maps that `render` and `render_planes` give are then views of these planes, not to be written to, and
    hold until the next page: encode or copy them before. A canvas is for one thread.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Make a canvas of a height and a width in pixels, the width a multiple of 16."""
        self.size = size
        self._planes: dict[int, _Planes] = {}

    def planes(self, count: int) -> _Planes:
        """Return so many planes as the last page left them."""
        if count not in self._planes:
            self._planes[count] = _new_planes(self.size, count)
            self._planes[count][1].flags.writeable = False
        return self._planes[count]


def _new_planes(size: tuple[int, int], count: int) -> _Planes:
    planes_KHW = np.empty((count, *size), np.uint8)
    return planes_KHW, planes_KHW[:], np.array((0, size[0]))


def render(
    polygons: Sequence[Points],
    dont_care: Sequence[bool],
    canvas: tuple[int, int] | Canvas,
    targets: TargetsSpec,
    problems: Sequence[str | None] | None = None,
) -> Rendered:
    """Render a page's texts to the distance plane.

    Args:
        polygons: (V, 2) float64 vertices on the canvas, pixels, in either direction; they may reach
            out of it.
        dont_care: for each polygon, whether it is annotated so.
        canvas: height, width in pixels, the width a multiple of 16, for planes of their own; or a `Canvas`.
        targets: the settings.
        problems: for each polygon None, or what its source was found to be: "degenerate", "self_crossing" or
            "outside", wholly beside the page.

    Raises:
        ValueError: the sequences differ in length, vertices are not (V, 2) or not finite, or the canvas's
            width is not a multiple of 16.
    """
    planes_KHW, statuses, overlap = _draw(polygons, dont_care, canvas, targets, problems, False)
    return Rendered(DistanceMaps(planes_KHW[1], planes_KHW[2] if overlap else None, planes_KHW[0]), statuses)


def render_planes(
    polygons: Sequence[Points],
    dont_care: Sequence[bool],
    canvas: tuple[int, int] | Canvas,
    targets: TargetsSpec,
    problems: Sequence[str | None] | None = None,
) -> RenderedPlanes:
    """Render a page's texts to the four maps at once; the same as `render` and reading its maps by table."""
    planes_KHW, statuses, _ = _draw(polygons, dont_care, canvas, targets, problems, True)
    return RenderedPlanes(TargetMaps(planes_KHW[1], planes_KHW[0], planes_KHW[2], planes_KHW[3]), statuses)


def warm_up() -> None:
    """Compile the kernels, or load them from the compiler's cache."""
    square_V2 = np.array([[4.0, 4.0], [28.0, 4.0], [28.0, 28.0], [4.0, 28.0]])
    render([square_V2], [False], (32, 32), TargetsSpec())
    render_planes([square_V2], [False], (32, 32), TargetsSpec())


def _draw(
    polygons: Sequence[Points],
    dont_care: Sequence[bool],
    canvas: tuple[int, int] | Canvas,
    targets: TargetsSpec,
    problems: Sequence[str | None] | None,
    fused: bool,
) -> tuple[Bytes, tuple[str, ...], bool]:
    H, W = size = canvas.size if isinstance(canvas, Canvas) else canvas
    if H < 1 or not 1 <= W <= TILE or W % LANES:
        raise ValueError(f"the canvas is {W} pixels wide, not a multiple of {LANES} up to {TILE}")
    points_N2, starts = _flatten(polygons)
    codes = _first_codes(dont_care, problems, len(polygons))
    units = np.empty(len(codes))
    measure(points_N2, starts, targets.min_size if targets.small_text == "ignore" else 0.0, codes, units)
    if NOT_FINITE in codes.tobytes():
        raise ValueError(
            f"polygon {int(np.argmax(codes == NOT_FINITE))} has infinite or undefined coordinates"
        )
    count = 4 if fused else 3
    planes_KHW, given_KHW, used = (
        canvas.planes(count) if isinstance(canvas, Canvas) else _new_planes(size, count)
    )
    overlap = draw(
        points_N2,
        starts,
        units,
        offset_level(targets.shrink_ratio),
        targets.empty_shrink == "ignore",
        targets.dont_care == "mask",
        fused,
        codes,
        planes_KHW,
        used,
    )
    return given_KHW, tuple([STATUSES[code] for code in codes.tobytes()]), overlap


def _flatten(polygons: Sequence[Points]) -> tuple[Points, NDArray[np.int64]]:
    """Lay all vertices in one (N, 2) array; return it and where each polygon starts in it."""
    starts = np.fromiter(accumulate(map(len, polygons), initial=0), np.int64, len(polygons) + 1)
    points_N2 = np.concatenate(polygons, dtype=np.float64) if len(polygons) else np.empty((0, 2))
    if points_N2.shape[1:] != (2,):
        raise ValueError(f"vertices are (x, y), not of shape {points_N2.shape[1:]}")
    return points_N2, starts


def _first_codes(
    dont_care: Sequence[bool], problems: Sequence[str | None] | None, count: int
) -> NDArray[np.uint8]:
    codes = np.array(dont_care, bool).view(np.uint8)  # CARE is 0, DONT_CARE 1
    if len(codes) != count or (problems is not None and len(problems) != count):
        raise ValueError("polygons, don't-care flags and problems are as many as each other")
    if problems is not None and problems.count(None) < count:
        for i, problem in enumerate(problems):
            if problem is not None:
                codes[i] = _PROBLEMS[problem]
    return codes
