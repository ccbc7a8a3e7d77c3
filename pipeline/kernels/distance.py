"""Polygons to level planes by distances to their edges; no clipper, no objects.

One polygon at a time, in tiles that stay in the cache. For each edge and row only the pixels that the edge
can reach are visited; squared distances are taken in units of a level, float32, from float64 origins on the
block of pixels itself, so that neither large coordinates nor long edges cost precision. The inside comes from
the row's crossings by the even-odd rule. A square root per pixel at the end gives the level.

The inner loops run over LANES pixels or over whole rows, with unsigned indices: a signed index would need
Python's wrap-around of negative ones, and the compiler would not vectorise. Kernels take whole arrays and
places in them, no views and no tuples of arrays, since each costs reference counts. One file holds all that
`draw` calls, for the reason given in `pipeline.kernels.jit`; its constants are those of `formats.levels`,
and its codes those of `pipeline.kernels.measure`, which a test compares.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.jit import kernel

LEVELS_PER_T = 108
ZERO_LEVEL = 126
MASK_LEVEL = 18
PROB_LEVEL = 234
TOP_MAGNITUDE = 129
CARE, EMPTY_SHRINK, DEGENERATE, OUTSIDE = 0, 3, 4, 6

LANES = 16
"""Pixels of a block; the width of the planes is a multiple of it."""

_OUTER = 125.01  # levels outside an edge at which 0 begins, with room for rounding
_REACH = 129.01  # levels inside an edge at which 255 begins, with room for rounding
_MORE = np.float32(1.0 + 2.0**-22)
_LESS = np.float32(2.0**-22 - 1.0)
_FAR = np.float32(130.0 * 130.0)
TILE = 16384  # pixels: 64 kB of float32, half of a small second-level cache
_TILE_ROWS = 96
_FLAT = 1e-6
_DISC = 0.7072  # a disc of this radius, the square root of 1/2, holds a pixel centre wherever it lies

# The threshold map by magnitude a, 255 (1 - (a + 1/2) / 108), plus 1/2 for rounding.
_SLOPE = np.float32(255.0 / LEVELS_PER_T)
_START = np.float32(255.0 + 0.5)

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_NEARNESS = np.float32(255.0 + 0.5)  # 255 less the magnitude
_ONE = np.float32(1.0)
_INSIDE = np.float32(ZERO_LEVEL)
_TOP = np.float32(TOP_MAGNITUDE)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
u64 = np.uint64


class Tile(NamedTuple):
    """A rectangle of the canvas, in pixels."""

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
    used: Integers,
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
        used: (2,) int64, in and out: the first row and the one after the last that may hold something. All
            other rows must be as a page without texts leaves them.
    """
    longest = 1
    for i in range(len(codes)):
        longest = max(longest, starts[i + 1] - starts[i])
    K, H, W = planes_KHW.shape
    planes = planes_KHW.reshape(-1)
    for k in range(K):
        planes[(k * H + used[0]) * W : (k * H + used[1]) * W] = 1 if k == 0 else 0
    used[0], used[1] = H, 0
    squares = np.empty(TILE, np.float32)
    cells = np.empty(3 * TILE, np.uint8)
    crossings = np.empty(_TILE_ROWS * (1 + longest), np.int64)
    for i in range(len(codes)):
        first, stop = starts[i], starts[i + 1]
        if codes[i] == CARE:
            step = T * units[i] / LEVELS_PER_T
            check = check_empty and (1.0 - T) * units[i] < _DISC
            codes[i] = _draw_text(
                points_N2, first, stop, step, check, fused, H, W, squares, cells, crossings, planes, used
            )
        if mask_ignored and codes[i] != CARE and codes[i] != DEGENERATE:
            _mask(points_N2, first, stop, H, W, crossings, planes, used)
    return False if fused else _excess(planes, H * W, used[0] * W, used[1] * W)


@kernel
def _draw_text(
    points_N2: Floats,
    first: int,
    stop: int,
    step: float,
    check: bool,
    fused: bool,
    H: int,
    W: int,
    squares: NDArray[np.float32],
    cells: Bytes,
    crossings: Integers,
    planes: Bytes,
    used: Integers,
) -> int:
    """Draw one text whose levels are `step` pixels apart; return its status."""
    x0, y0 = points_N2[first, 0], points_N2[first, 1]
    x1, y1 = x0, y0
    for v in range(first + 1, stop):
        x, y = points_N2[v, 0], points_N2[v, 1]
        x0, x1 = min(x0, x), max(x1, x)
        y0, y1 = min(y0, y), max(y1, y)
    whole = x0 >= -0.5 and y0 >= -0.5 and x1 <= W - 0.5 and y1 <= H - 0.5
    band = _OUTER * step
    if x1 + band < 0.0 or y1 + band < 0.0 or x0 - band > W - 1 or y0 - band > H - 1:
        return OUTSIDE
    left, right = int(max(x0 - band, 0.0)), int(min(x1 + band, W - 1.0))
    top, bottom = int(max(y0 - band, 0.0)), int(min(y1 + band, H - 1.0))
    width = (right - left + LANES) // LANES * LANES
    left = min(left, W - width)
    height = min(TILE // width, _TILE_ROWS)
    if check and whole:
        greatest = 0
        for y in range(top, bottom + 1, height):
            if greatest < PROB_LEVEL:
                tile = Tile(left, y, min(height, bottom + 1 - y), width)
                greatest = _fill(points_N2, first, stop, step, fused, tile, squares, cells, crossings)
        if greatest < PROB_LEVEL:
            return EMPTY_SHRINK
    used[0], used[1] = min(used[0], top), max(used[1], bottom + 1)
    filled = check and whole and top + height > bottom
    touched = whole
    for y in range(top, bottom + 1, height):
        tile = Tile(left, y, min(height, bottom + 1 - y), width)
        if not filled:
            touched |= _fill(points_N2, first, stop, step, fused, tile, squares, cells, crossings) > 0
        if fused:
            _merge_maps(tile, H * W, W, cells, planes)
        else:
            _merge_distance(tile, H * W, W, cells, planes)
    return CARE if touched else OUTSIDE


@kernel
def _fill(
    points_N2: Floats,
    first: int,
    stop: int,
    step: float,
    fused: bool,
    tile: Tile,
    squares: NDArray[np.float32],
    cells: Bytes,
    crossings: Integers,
) -> int:
    """Fill a tile with a text's levels and values; return the greatest level."""
    size = tile.rows * tile.width
    for i in range(size):
        squares[u64(i)] = _FAR
    for i in range(size):
        cells[u64(i)] = 0
    _near_edges(points_N2, first, stop, step, tile, squares)
    _cross(points_N2, first, stop, tile, crossings)
    _fill_inside(stop - first, tile.rows, crossings, cells, 0, tile.width, 1)
    if fused:
        return _quantise(size, squares, cells, _SLOPE, _START)
    return _quantise(size, squares, cells, _ONE, _NEARNESS)


@kernel
def _near_edges(
    points_N2: Floats, begin: int, end: int, step: float, tile: Tile, squares: NDArray[np.float32]
) -> None:
    """Lower `squares` to the squared distances, in levels, to the edges within reach.

    The distance to a segment has two parts: across it, and along it beyond one of its ends. Both are linear
    in the column; at `start` they are `across` and `along`, counted from the first end. A block may begin
    before the last has ended, to stay in the row: a minimum may be taken twice. The blocks of most rows are
    those of the row before, all the rows of an edge that is upright, level or far shorter than its reach.
    """
    left, top, rows, width = tile.left, tile.top, tile.rows, tile.width
    reach = _REACH * step
    for i in range(begin, end):
        j = i + 1 if i + 1 < end else begin
        ax, ay, bx, by = points_N2[i, 0], points_N2[i, 1], points_N2[j, 0], points_N2[j, 1]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        if by + reach < top or ay - reach > top + rows - 1.0:
            continue
        length = sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
        # Levels a pixel, along the edge; of a repeated vertex, any direction.
        if length > 0.0:
            ux, uy = (bx - ax) / length / step, (by - ay) / length / step
        else:
            ux, uy = 1.0 / step, 0.0
        slope = (bx - ax) / (by - ay) if by - ay > _FLAT else 0.0
        first = int(max(ay - reach - top, 0.0))
        last = int(min(by + reach - top, rows - 1.0))
        levels_long = length / step
        ux32, uy32 = np.float32(ux), np.float32(uy)
        at_a = at_b = np.nan
        for row in range(first, last + 1):
            y = top + row
            # The part of the edge within reach of the row, and from there as far to both sides.
            xa = ax + max(y - reach - ay, 0.0) * slope - left
            xb = bx + min(y + reach - by, 0.0) * slope - left
            if xa != at_a or xb != at_b:
                at_a, at_b = xa, xb
                low, high = min(xa, xb) - reach, max(xa, xb) + reach
                start = min(int(max(low, 0.0)), width - LANES)
                blocks = (int(min(high, width - 1.0)) - start + LANES) // LANES if high >= 0.0 else 0
                dx = left + start - ax
                dx_uy, dx_ux = dx * uy, dx * ux
            dy = y - ay
            across, along = dy * ux - dx_uy, dx_ux + dy * uy
            for block in range(blocks):
                column = min(start + LANES * block, width - LANES)
                ahead = np.float64(column - start)
                here = along + ahead * ux
                p = np.float32(across - ahead * uy)
                before, after = np.float32(-here), np.float32(here - levels_long)
                origin = u64(row * width + column)
                for lane in range(LANES):
                    n = np.float32(lane)
                    a = p - n * uy32
                    b = before - n * ux32
                    c = after + n * ux32
                    beyond = b if b > c else c
                    beyond = beyond if beyond > _ZERO else _ZERO
                    square = a * a + beyond * beyond
                    least = squares[origin + u64(lane)]
                    least = square if square < least else least
                    # Plus 0, or the compiler stores under a mask, where `square` is less: slow with AVX2.
                    squares[origin + u64(lane)] = least + _ZERO


@kernel
def _cross(points_N2: Floats, begin: int, end: int, tile: Tile, crossings: Integers) -> None:
    """List, row by row in ascending order, the first column right of each crossing of the outline.

    A row has 1 + V places, the number of its crossings before them.
    """
    stride = end - begin + 1
    for row in range(tile.rows):
        crossings[row * stride] = 0
    for i in range(begin, end):
        j = i + 1 if i + 1 < end else begin
        ax, ay, bx, by = points_N2[i, 0], points_N2[i, 1], points_N2[j, 0], points_N2[j, 1]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        if by <= tile.top or ay > tile.top + tile.rows - 1.0 or ay == by:
            continue
        first = int(np.ceil(max(ay - tile.top, 0.0)))
        stop = int(np.ceil(min(by - tile.top, float(tile.rows))))
        for row in range(first, stop):
            x = ax + (tile.top + row - ay) / (by - ay) * (bx - ax) - tile.left
            column = int(np.ceil(min(max(x, 0.0), float(tile.width))))
            crossings[row * stride] += 1
            k = row * stride + crossings[row * stride]
            while k > row * stride + 1 and crossings[k - 1] > column:
                crossings[k] = crossings[k - 1]
                k -= 1
            crossings[k] = column


@kernel
def _fill_inside(
    V: int, rows: int, crossings: Integers, plane: Bytes, origin: int, stride: int, value: int
) -> None:
    """Set a flat plane to `value` between every other pair of crossings."""
    for row in range(rows):
        start = origin + row * stride
        place = row * (V + 1)
        for k in range(place + 1, place + crossings[place], 2):
            for i in range(start + crossings[k], start + crossings[k + 1]):
                plane[u64(i)] = value


@kernel
def _mask(
    points_N2: Floats,
    first: int,
    stop: int,
    H: int,
    W: int,
    crossings: Integers,
    planes: Bytes,
    used: Integers,
) -> None:
    """Set the first plane, the mask, to 0 inside an ignored text."""
    y0, y1 = points_N2[first, 1], points_N2[first, 1]
    for v in range(first + 1, stop):
        y0, y1 = min(y0, points_N2[v, 1]), max(y1, points_N2[v, 1])
    begin, end = int(min(max(y0, 0.0), float(H))), int(min(max(y1, -1.0), H - 1.0)) + 1
    if begin < end:
        used[0], used[1] = min(used[0], begin), max(used[1], end)
    for top in range(begin, end, _TILE_ROWS):
        tile = Tile(0, top, min(_TILE_ROWS, end - top), W)
        _cross(points_N2, first, stop, tile, crossings)
        _fill_inside(stop - first, tile.rows, crossings, planes, top * W, W, 0)


@kernel
def _quantise(
    size: int, squares: NDArray[np.float32], cells: Bytes, slope: np.float32, start: np.float32
) -> int:
    """Turn squared distances into levels and values, start - slope * magnitude; return the greatest level.

    The cells are [n, n + 1) in q: outside, where q is negative, a distance of a whole number of levels
    belongs to the magnitude below. Distances are moved up in q by two units in the last place, more than
    float32 has lost: where a row of pixels lies on a level, all of it is in the cell above.
    """
    greatest = np.uint8(0)
    for i in range(size):
        q = np.float32(sqrt(squares[u64(i)])) * (_MORE if cells[u64(i)] != 0 else _LESS)
        cell = np.floor(q)
        cell = cell if cell < _TOP else _TOP
        level = cell + _INSIDE
        level = level if level > _ZERO else _ZERO
        value = start - slope * abs(cell + _HALF)
        value = value if value > _ZERO else _ZERO
        byte = np.uint8(np.int32(level))
        cells[u64(TILE + i)] = byte
        cells[u64(2 * TILE + i)] = np.uint8(np.int32(value))
        greatest = byte if byte > greatest else greatest
    return int(greatest)


@kernel
def _merge_maps(tile: Tile, size: int, W: int, cells: Bytes, planes: Bytes) -> None:
    """Take one text's tile into the prob, thresh and thresh_mask planes."""
    for row in range(tile.rows):
        target, source = size + (tile.top + row) * W + tile.left, TILE + row * tile.width
        for j in range(tile.width):
            to, at = u64(target + j), u64(source + j)
            level, value, nearest = cells[at], cells[at + u64(TILE)], planes[to + u64(size)]
            planes[to] |= np.uint8(level >= PROB_LEVEL)
            planes[to + u64(size)] = value if value > nearest else nearest
            planes[to + u64(2 * size)] |= np.uint8(level >= MASK_LEVEL)


@kernel
def _merge_distance(tile: Tile, size: int, W: int, cells: Bytes, planes: Bytes) -> None:
    """Take one text's tile into the distance plane and the plane of greatest nearness, 255 - magnitude."""
    for row in range(tile.rows):
        target, source = size + (tile.top + row) * W + tile.left, TILE + row * tile.width
        for j in range(tile.width):
            to, at = u64(target + j), u64(source + j)
            level, distance, nearest = cells[at], planes[to], planes[to + u64(size)]
            # A text that does not come near the pixel, level 0, has no say in its nearness.
            value = cells[at + u64(TILE)]
            value = value if level > 0 else np.uint8(0)
            planes[to] = level if level > distance else distance
            planes[to + u64(size)] = value if value > nearest else nearest


@kernel
def _excess(planes: Bytes, size: int, begin: int, end: int) -> bool:
    """Turn nearness into the excess of the greatest level's magnitude; return if any is above 0."""
    greatest = np.uint8(0)
    for i in range(begin, end):
        level, below = np.int16(planes[u64(size + i)]), np.int16(255 - planes[u64(2 * size + i)])
        magnitude = level - ZERO_LEVEL if level >= ZERO_LEVEL else ZERO_LEVEL - 1 - level
        excess = np.uint8(magnitude - below if level > 0 else 0)
        planes[u64(2 * size + i)] = excess
        greatest = max(greatest, excess)
    return bool(greatest > 0)
