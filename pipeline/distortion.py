"""Distortions of a page on its canvas that go beyond a similarity: drawn, applied to points and to pixels.

A point p of the canvas goes to H p, with H a homography (perspective, shear, unequal scaling), and then to
the y with y + d(y) = H p, with d a smooth field of displacements (elastic). So an output pixel y takes its
colour from the point H^-1 (y + d(y)) of the page, and points follow exactly: straight edges stay straight
under H; under d they are divided until they bend by less than `TOLERANCE`.

d is a uniform cubic B-spline (de Boor, "A Practical Guide to Splines") over random displacements on a grid,
none beyond it. Its slopes stay below 0.4, so that y = H p - d(y) can be iterated.

What is drawn is a function of (seed, number of the variant, key) alone. Only additions, products, quotients
and square roots are used, one after the other: they are exactly rounded on every machine (IEEE 754), where
sines and matrix libraries are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import sqrt

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from formats.fingerprint import canonical
from formats.sample import Bytes, Points, Variant, projected
from formats.spec import VariantsSpec

TOLERANCE = 0.05
"""Pixels that a divided edge may lie beside its curve."""
DECIMALS = 3
"""Of the points that divide edges: a thousandth of a pixel, so that records stay short."""
HORIZON = 0.2
"""A text whose points come nearer to the horizon than this (it lies at 0, the canvas about 1) is too far."""
MIN_SIGMA = 0.1
"""Pixels: a narrower Gaussian changes no byte."""

_ITERATIONS = 20  # 0.4 ** 20 < 1.1e-8
_DEEPEST = 9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """Displacements, a cubic B-spline over a grid.

    Attributes:
        spacing: of the grid, pixels; its first row and column of coefficients stand for -1.
        coefficients_GG2: (rows, columns, 2) float64, x and y, pixels.
    """

    spacing: int
    coefficients_GG2: Floats

    def at(self, points_V2: Points) -> Points:
        """Return the displacements of points, (V, 2)."""
        rows, rows_4 = self._taps(points_V2[:, 1], 0)
        columns, columns_4 = self._taps(points_V2[:, 0], 1)
        taps = np.arange(4)
        near_V442 = self._padded[rows[:, None, None] + taps[:, None], columns[:, None, None] + taps]
        lines_V42 = np.zeros((len(points_V2), 4, 2))
        for i in range(4):
            lines_V42 += rows_4[i][:, None, None] * near_V442[:, i]
        out_V2 = np.zeros(points_V2.shape)
        for j in range(4):
            out_V2 += columns_4[j][:, None] * lines_V42[:, j]
        return out_V2

    def over(self, canvas: tuple[int, int]) -> Floats:
        """Return the displacements of all pixels, (H, W, 2)."""
        rows, rows_4 = self._taps(np.arange(canvas[0], dtype=np.float64), 0)
        columns, columns_4 = self._taps(np.arange(canvas[1], dtype=np.float64), 1)
        padded = self._padded
        lines_HG2 = np.zeros((canvas[0], *padded.shape[1:]))
        for i in range(4):
            lines_HG2 += rows_4[i][:, None, None] * padded[rows + i]
        out_HW2 = np.zeros((*canvas, 2))
        for j in range(4):
            out_HW2 += columns_4[j][None, :, None] * lines_HG2[:, columns + j]
        return out_HW2

    @cached_property
    def _padded(self) -> Floats:
        """Return the coefficients between four rows and columns of none."""
        return np.pad(self.coefficients_GG2, ((4, 4), (4, 4), (0, 0)))

    def _taps(self, at_V: Floats, axis: int) -> tuple[NDArray[np.int64], list[Floats]]:
        """Return the first of the four padded coefficients that bear on each place, and their weights."""
        place_V = np.clip(at_V / self.spacing, -4.0, self.coefficients_GG2.shape[axis] + 2.0)
        cell_V = np.floor(place_V)
        t = place_V - cell_V
        s = 1.0 - t
        weights = [
            s * s * s / 6.0,
            (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
            (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
            t * t * t / 6.0,
        ]
        first_V = cell_V.astype(np.int64) + 4
        return np.minimum(first_V, self.coefficients_GG2.shape[axis] + 4), weights


@dataclass(frozen=True)
class Distortion:
    """What is done to one page for one of its variants; `record` is what its meta data say of it."""

    record: Variant
    field: Field | None

    def move(self, polygons: Sequence[Points]) -> list[Points]:
        """Return where polygons of the canvas come to lie: (V', 2) each, edges divided where they bend."""
        if self.field is None or not polygons:
            return [projected(self.record.matrix_33, polygon_V2) for polygon_V2 in polygons]
        divided = _divided(polygons, self._bent, self.field.spacing)
        moved_N2 = np.round(self._bent(np.concatenate(divided)), DECIMALS)
        return np.split(moved_N2, np.cumsum([len(ring_V2) for ring_V2 in divided])[:-1])

    def _bent(self, points_V2: Points) -> Points:
        target_V2 = projected(self.record.matrix_33, points_V2)
        assert self.field is not None
        moved_V2 = target_V2
        for _ in range(_ITERATIONS):
            moved_V2 = target_V2 - self.field.at(moved_V2)
        return moved_V2

    def draw(self, image_HWC: Bytes, pad_color: tuple[int, int, int]) -> Bytes:
        """Return the page's canvas distorted, (H, W, 3) uint8 RGB."""
        H, W = image_HWC.shape[:2]
        y, x = np.mgrid[:H, :W].astype(np.float64)
        if self.field is not None:
            displacement_HW2 = self.field.over((H, W))
            x, y = x + displacement_HW2[..., 0], y + displacement_HW2[..., 1]
        (a, b, c), (d, e, f), (g, h, i) = inverse_33(self.record.matrix_33).tolist()
        w = g * x + h * y + i
        at_x, at_y = (
            ((a * x + b * y + c) / w).astype(np.float32),
            ((d * x + e * y + f) / w).astype(np.float32),
        )
        out_HWC = np.asarray(
            cv2.remap(
                image_HWC,
                at_x,
                at_y,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=pad_color,
            ),
            np.uint8,
        )
        if self.record.blur >= MIN_SIGMA:
            out_HWC = np.asarray(cv2.GaussianBlur(out_HWC, (0, 0), self.record.blur), np.uint8)
        if self.record.jpeg is not None:
            jpeg = simplejpeg.encode_jpeg(out_HWC, quality=self.record.jpeg, colorsubsampling="420")
            out_HWC = simplejpeg.decode_jpeg(jpeg, "RGB")
        return out_HWC


def draw_distortion(
    key: str, number: int, settings: VariantsSpec, canvas: tuple[int, int], polygons: Sequence[Points]
) -> Distortion:
    """Draw the distortion of a page for one of its variants.

    Where a perspective would bring a point of a text near or behind the horizon, it is halved until it does
    not: such a text reaches far out of the canvas.

    Args:
        key: the page's key.
        number: of the variant, from 1.
        settings: what is drawn from.
        canvas: height, width.
        polygons: (V, 2) texts of the page on its canvas.
    """
    random = _Random(settings.seed, number, key)
    corners_42 = np.array([[random.unit(), random.unit()] for _ in range(4)])
    shear_x, shear_y = (settings.shear * random.signed() for _ in range(2))
    stretch = random.between(*settings.stretch)
    blur = random.between(*settings.blur)
    low, high = settings.jpeg
    quality = low + int(random.unit() * (high - low + 1))
    linear = ((sqrt(stretch), shear_x), (shear_y, 1.0 / sqrt(stretch)))
    points_N2 = np.concatenate([*polygons, np.zeros((0, 2))])
    for share in (settings.perspective / 2**halvings for halvings in range(6)):
        matrix_33 = _product(_affine(linear, canvas), perspective_matrix(share * corners_42, canvas))
        if not len(points_N2) or depth(matrix_33, points_N2).min() >= HORIZON:
            break
    else:
        matrix_33 = _affine(linear, canvas)
    field = _field(random, settings, canvas) if settings.elastic else None
    reach = settings.elastic * settings.elastic_spacing
    record = Variant(number, matrix_33, reach, blur, None if low == 100 else quality)
    return Distortion(record, field)


def _field(random: _Random, settings: VariantsSpec, canvas: tuple[int, int]) -> Field:
    rows, columns = (side // settings.elastic_spacing + 4 for side in canvas)
    drawn = np.array([random.signed() for _ in range(rows * columns * 2)])
    reach = settings.elastic * settings.elastic_spacing
    return Field(settings.elastic_spacing, reach * drawn.reshape(rows, columns, 2))


class _Random:
    """Numbers in [0, 1) from Philox's raw output, which NumPy keeps the same from version to version."""

    def __init__(self, seed: int, number: int, key: str) -> None:
        text = canonical(["variant", str(seed), str(number), key])
        self._bits = np.random.Philox(key=int.from_bytes(hashlib.sha256(text).digest()[:16], "little"))

    def unit(self) -> float:
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def signed(self) -> float:
        return 2.0 * self.unit() - 1.0

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()


def perspective_matrix(inwards_42: Points, canvas: tuple[int, int]) -> Points:
    """Return the (3, 3) homography that moves the canvas's corners inwards by shares of its sides.

    By Heckbert ("Fundamentals of Texture Mapping and Image Warping", 1989, section 2.2.3), from the unit
    square to a quadrilateral, after the canvas has been brought to the unit square.

    Args:
        inwards_42: (x, y) shares for the corners top left, top right, bottom right, bottom left.
        canvas: height, width; its corners lie half a pixel outside the outer centres.
    """
    H, W = canvas
    signs = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
    ends = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    corners = zip(ends, signs, inwards_42.tolist(), strict=True)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = (
        ((end_x + sign_x * x) * W - 0.5, (end_y + sign_y * y) * H - 0.5)
        for (end_x, end_y), (sign_x, sign_y), (x, y) in corners
    )
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    dx1, dx2, dy1, dy2 = x1 - x2, x3 - x2, y1 - y2, y3 - y2
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sum_x * dy2 - dx2 * sum_y) / area, (dx1 * sum_y - sum_x * dy1) / area
    square_33 = np.array(
        [
            [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
            [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            [g, h, 1.0],
        ]
    )
    to_square_33 = np.array([[1.0 / W, 0.0, 0.5 / W], [0.0, 1.0 / H, 0.5 / H], [0.0, 0.0, 1.0]])
    return _product(square_33, to_square_33)


def _affine(linear: tuple[tuple[float, float], tuple[float, float]], canvas: tuple[int, int]) -> Points:
    """Return the (3, 3) matrix of a linear map about the middle of the canvas."""
    (a, b), (c, d) = linear
    x, y = (canvas[1] - 1) / 2, (canvas[0] - 1) / 2
    return np.array([[a, b, x - (a * x + b * y)], [c, d, y - (c * x + d * y)], [0.0, 0.0, 1.0]])


def _product(a_33: Points, b_33: Points) -> Points:
    """Return a @ b in one order of operations on every machine."""
    a, b = a_33.tolist(), b_33.tolist()
    cells = [[a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j] for j in range(3)] for i in range(3)]
    return np.array(cells)


def inverse_33(matrix_33: Points) -> Points:
    """Return a multiple of the inverse of a (3, 3) matrix, the adjugate: for homographies the same."""
    (a, b, c), (d, e, f), (g, h, i) = matrix_33.tolist()
    return np.array(
        [
            [e * i - f * h, c * h - b * i, b * f - c * e],
            [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ]
    )


def depth(matrix_33: Points, points_V2: Points) -> Floats:
    """Return the third coordinate of points under a homography: 0 is the horizon."""
    g, h, i = matrix_33[2].tolist()
    depth_V: Floats = g * points_V2[:, 0] + h * points_V2[:, 1] + i
    return depth_V


def _divided(polygons: Sequence[Points], bent: Callable[[Points], Points], spacing: int) -> list[Points]:
    """Return polygons with points put between its vertices, so many that no moved edge bends visibly.

    A part is halved, 9 times at most, as long as it is longer than the grid's spacing, or the points at a
    quarter, a half and three quarters of it come to lie more than half the tolerance beside the moved chord.
    """
    starts_N2 = np.concatenate(polygons)
    ends_N2 = np.concatenate([np.roll(polygon_V2, -1, axis=0) for polygon_V2 in polygons])
    places_N = np.arange(len(starts_N2), dtype=np.float64)
    firsts = np.cumsum([0, *(len(polygon_V2) for polygon_V2 in polygons)])
    size = 1.0
    found, at = [], []
    for level in range(_DEEPEST + 1):
        straight_N = _straight(starts_N2, ends_N2, bent, spacing)
        if level == _DEEPEST:
            straight_N[:] = True
        found.append(starts_N2[straight_N])
        at.append(places_N[straight_N])
        starts_N2, ends_N2, places_N = starts_N2[~straight_N], ends_N2[~straight_N], places_N[~straight_N]
        if not len(starts_N2):
            break
        middle_N2 = (starts_N2 + ends_N2) / 2.0
        size /= 2.0
        starts_N2, ends_N2 = np.concatenate([starts_N2, middle_N2]), np.concatenate([middle_N2, ends_N2])
        places_N = np.concatenate([places_N, places_N + size])
    placed_N = np.concatenate(at)
    points_N2, placed_N = np.concatenate(found)[np.argsort(placed_N)], np.sort(placed_N)
    cuts = np.searchsorted(placed_N, firsts)
    return [points_N2[start:end] for start, end in pairwise(cuts)]


def _straight(
    starts_N2: Points, ends_N2: Points, bent: Callable[[Points], Points], spacing: int
) -> NDArray[np.bool_]:
    from_N2, to_N2 = bent(starts_N2), bent(ends_N2)
    chord_N2 = to_N2 - from_N2
    length_N = np.sqrt(chord_N2[:, 0] * chord_N2[:, 0] + chord_N2[:, 1] * chord_N2[:, 1])
    beside_N = np.zeros(len(starts_N2))
    for share in (0.25, 0.5, 0.75):
        off_N2 = bent(starts_N2 + share * (ends_N2 - starts_N2)) - from_N2
        cross_N = np.abs(chord_N2[:, 0] * off_N2[:, 1] - chord_N2[:, 1] * off_N2[:, 0])
        beside_N = np.maximum(beside_N, cross_N / np.maximum(length_N, 1e-9))
    return (beside_N <= TOLERANCE / 2.0) & (length_N <= spacing)
