"""Polygons to level planes by distances to their edges; no clipper, no objects.

One polygon at a time, in tiles that stay in the cache. For each edge and row only the pixels that the edge can
reach are visited; squared distances are taken in units of a level, float32, from float64 origins on the block
of pixels itself, so that neither large coordinates nor long edges cost precision. The inside comes from the
row's crossings by the even-odd rule. A square root per pixel at the end gives the level.

The inner loops run over LANES pixels or over whole rows, with unsigned indices: a signed index would need
Python's wrap-around of negative ones, and the compiler would not vectorise. This file holds all they call, for
the reason given in `pipeline.kernels.jit`; its constants are those of `formats.levels`, which a test compares.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.jit import kernel
from pipeline.kernels.measure import CARE, DEGENERATE, EMPTY_SHRINK, OUTSIDE

LEVELS_PER_T = 108
ZERO_LEVEL = 126
MASK_LEVEL = 18
PROB_LEVEL = 234
TOP_MAGNITUDE = 129

LANES = 16
"""Pixels of a block; the width of the planes is a multiple of it."""

_OUTER = 125.01  # levels outside an edge at which 0 begins, with room for rounding
_REACH = 129.01  # levels inside an edge at which 255 begins, with room for rounding
_FAR = np.float32(130.0 * 130.0)
_TILE = 16384  # pixels: 64 kB of float32, half of a small second-level cache
_TILE_ROWS = 96
_DISC = 0.7072  # a disc of this radius, the square root of 1/2, holds a pixel centre wherever it lies

# The threshold map by magnitude a, 255 (1 - (a + 1/2) / 108), plus 1/2 for rounding.
_SLOPE = np.float32(255.0 / LEVELS_PER_T)
_START = np.float32(255.0 - 255.0 / (2 * LEVELS_PER_T) + 0.5)

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_INSIDE = np.float32(ZERO_LEVEL)
_JUST_OUTSIDE = np.float32(ZERO_LEVEL - 1)
_TOP = np.float32(TOP_MAGNITUDE)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
u64 = np.uint64


class Scratch(NamedTuple):
    """Working memory of one call.

    Attributes:
        squares: (_TILE,) float32 squared distances, in levels.
        inside: (_TILE,) uint8 0/1.
        levels: (_TILE,) uint8, as in formats/levels.py.
        values: (_TILE,) uint8 magnitudes, or values of the threshold map.
        counts: (_TILE_ROWS,) int64 crossings of each row.
        crossings: (_TILE_ROWS * V,) int64: row by row, the columns at which the inside begins or ends.
    """

    squares: NDArray[np.float32]
    inside: Bytes
    levels: Bytes
    values: Bytes
    counts: Integers
    crossings: Integers


class Window(NamedTuple):
    """A rectangle of the canvas; the width is a multiple of LANES, or the canvas's for crossings alone."""

    left: int
    top: int
    rows: int
    width: int


@kernel
def draw(
    points_N2: Floats,
    starts: Integers,
    units: Floats,
    T: float,
    check_empty: bool,
    mask_ignored: bool,
    fused: bool,
    codes: Any,
    planes_KHW: Bytes,
) -> bool:
    """Draw a page's texts; return whether the overlap plane holds anything.

    Args:
        points_N2: (N, 2) float64 vertices of all polygons, one polygon after the other, on the canvas.
        starts: (P + 1,) int64, polygon i is points_N2[starts[i] : starts[i + 1]].
        units: (P,) float64 area by perimeter, as `measure` gives them.
        T: the level of q of the shrink ratio, 1 - r^2.
        check_empty: whether a text on the canvas without a pixel of the probability map becomes EMPTY_SHRINK.
        mask_ignored: whether ignored texts are masked.
        fused: which planes to write, see below.
        codes: (P,) uint8 statuses, in and out: CARE may become EMPTY_SHRINK or OUTSIDE.
        planes_KHW: uint8, out, W a multiple of LANES. K = 3, prob_mask, distance, overlap; or, where `fused`,
            K = 4, prob_mask, prob, thresh, thresh_mask.
    """
    longest = 1
    for i in range(len(codes)):
        longest = max(longest, starts[i + 1] - starts[i])
    scratch = Scratch(
        np.empty(_TILE, np.float32),
        np.empty(_TILE, np.uint8),
        np.empty(_TILE, np.uint8),
        np.empty(_TILE, np.uint8),
        np.empty(_TILE_ROWS, np.int64),
        np.empty(_TILE_ROWS * longest, np.int64),
    )
    planes_KHW[0] = 1
    planes_KHW[1:] = 0
    overlap = False
    for i in range(len(codes)):
        points_V2 = points_N2[starts[i] : starts[i + 1]]
        if codes[i] == CARE:
            step = T * units[i] / LEVELS_PER_T
            check = check_empty and (1.0 - T) * units[i] < _DISC
            code, overlaps = _draw_text(points_V2, step, check, fused, scratch, planes_KHW)
            codes[i] = code
            overlap |= overlaps
        if mask_ignored and codes[i] != CARE and codes[i] != DEGENERATE:
            _mask(points_V2, scratch, planes_KHW[0])
    return overlap


@kernel
def _draw_text(
    points_V2: Floats, step: float, check: bool, fused: bool, scratch: Scratch, planes_KHW: Bytes
) -> tuple[int, bool]:
    """Draw one text whose levels are `step` pixels apart; return its status and whether it overlaps another."""
    _, H, W = planes_KHW.shape
    x0, y0 = points_V2[0]
    x1, y1 = x0, y0
    for x, y in points_V2:
        x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
    whole = x0 >= -0.5 and y0 >= -0.5 and x1 <= W - 0.5 and y1 <= H - 0.5
    band = _OUTER * step
    if x1 + band < 0.0 or y1 + band < 0.0 or x0 - band > W - 1 or y0 - band > H - 1:
        return OUTSIDE, False
    left, right = int(max(x0 - band, 0.0)), int(min(x1 + band, W - 1.0))
    top, bottom = int(max(y0 - band, 0.0)), int(min(y1 + band, H - 1.0))
    width = (right - left + LANES) // LANES * LANES
    left = min(left, W - width)
    height = min(_TILE // width, _TILE_ROWS)
    filled = False
    if check and whole:
        if not _holds(PROB_LEVEL, points_V2, step, Window(left, top, bottom + 1 - top, width), scratch):
            return EMPTY_SHRINK, False
        filled = top + height > bottom
    touched, overlap = whole, False
    for y in range(top, bottom + 1, height):
        window = Window(left, y, min(height, bottom + 1 - y), width)
        if not filled:
            _fill(points_V2, step, fused, window, scratch)
    return CARE, overlap
