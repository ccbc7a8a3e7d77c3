"""What is drawn over a page: polygons with smooth edges, hatching, and the four maps.

Images are (H, W, 3) uint8 RGB; polygons (V, 2) in pixels, pixel centres at integers. Nothing is changed in
place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from formats.pictures.palette import BAND, IGNORED, PROB, Color, heat_table
from formats.sample import Bytes, Points, TargetMaps

OVERSAMPLING = 4
"""Lines are drawn this many times larger and averaged: that is what smooths their edges."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """Which of the maps an overlay shows."""

    prob: bool = True
    thresh: bool = True
    prob_mask: bool = True
    thresh_mask: bool = False


@dataclass(frozen=True)
class Coverage:
    """How much of each pixel of a window is covered: (h, w) float32, 0..1, its corner at (top, left)."""

    top: int
    left: int
    share_HW: Floats


def draw_polygons(
    image_HWC: Bytes,
    polygons: Iterable[Points],
    color: Color,
    width: float = 2.0,
    *,
    dashed: bool = False,
    hatched: bool = False,
) -> Bytes:
    """Return the image with closed polygons drawn over it.

    Args:
        image_HWC: (H, W, 3) uint8 RGB.
        polygons: (V, 2) each, in pixels; may reach out of the image.
        color: RGB.
        width: of the lines, in pixels.
        dashed: broken lines, a dash at every corner.
        hatched: the insides striped in the same colour, in step across neighbours.
    """
    drawn_HWC = image_HWC.astype(np.float32)
    for polygon_V2 in polygons:
        if len(polygon_V2) == 0:
            continue
        if hatched and len(polygon_V2) > 2:
            inside = _inside(polygon_V2, image_HWC.shape)
            stripes_HW = 0.75 * inside.share_HW * _hatch(inside, period=max(7.0, 3.5 * width))
            _blend(drawn_HWC, Coverage(inside.top, inside.left, stripes_HW), color)
        _blend(drawn_HWC, _outline(polygon_V2, image_HWC.shape, width, dashed=dashed), color)
    return _to_bytes(drawn_HWC)


def overlay_maps(
    image_HWC: Bytes, maps: TargetMaps, layers: Layers | None = None, *, hatch_period: float = 9.0
) -> Bytes:
    """Return the page, faded, with its maps over it.

    The threshold map is heat (dark on a text's edge), the probability map blue, the threshold mask sky blue,
    and where the probability loss must not look there are purple stripes.

    Args:
        image_HWC: (H, W, 3) uint8 RGB.
        maps: planes (H, W) of the same size.
        layers: which maps to show; by default all but the threshold mask.
        hatch_period: of the stripes, in pixels.

    Raises:
        ValueError: image and maps differ in size.
    """
    if image_HWC.shape[:2] != maps.prob_HW.shape:
        raise ValueError(f"image {image_HWC.shape[:2]} and maps {maps.prob_HW.shape} differ in size")
    shown = layers or Layers()
    drawn_HWC = faded(image_HWC).astype(np.float32)
    if shown.thresh_mask:
        _blend(drawn_HWC, _whole(0.45 * maps.thresh_mask_HW), BAND)
    if shown.thresh:
        closeness_HW = maps.thresh_HW.astype(np.float32) / 255.0
        share_HW1 = (maps.thresh_mask_HW * (0.25 + 0.75 * closeness_HW))[..., None]
        drawn_HWC += share_HW1 * (heat_table()[maps.thresh_HW] - drawn_HWC)
    if shown.prob:
        _blend(drawn_HWC, _whole(0.8 * maps.prob_HW), PROB)
    if shown.prob_mask:
        blind = _whole((maps.prob_mask_HW == 0).astype(np.float32))
        _blend(drawn_HWC, _whole(0.8 * blind.share_HW * _hatch(blind, hatch_period)), IGNORED)
    return _to_bytes(drawn_HWC)


def faded(image_HWC: Bytes) -> Bytes:
    """Return the page in light grey (luma of ITU-R BT.601), so that colours over it stand out."""
    luma_HW = image_HWC @ np.array([0.299, 0.587, 0.114], np.float32)
    return _to_bytes(np.repeat(105.0 + luma_HW[..., None] * (150.0 / 255.0), 3, axis=2))


def _to_bytes(image_HWC: NDArray[Any]) -> Bytes:
    rounded_HWC: Bytes = np.rint(np.clip(image_HWC, 0.0, 255.0)).astype(np.uint8)
    return rounded_HWC


def _whole(share_HW: NDArray[Any]) -> Coverage:
    return Coverage(0, 0, share_HW.astype(np.float32))


def _blend(image_HWC: Floats, coverage: Coverage, color: Color) -> None:
    """Paint a colour into a working image, by share of each pixel."""
    height, width = coverage.share_HW.shape
    window_HWC = image_HWC[coverage.top : coverage.top + height, coverage.left : coverage.left + width]
    window_HWC += coverage.share_HW[..., None] * (np.array(color, np.float32) - window_HWC)


def _hatch(window: Coverage, period: float) -> Floats:
    """Return (h, w) stripes at 45 degrees; they depend on the place in the image, not in the window."""
    height, width = window.share_HW.shape
    rows_H1, columns_1W = np.ogrid[window.top : window.top + height, window.left : window.left + width]
    phase_HW: Floats = ((rows_H1 + columns_1W) / np.sqrt(2.0) % period).astype(np.float32)
    stripes_HW: Floats = np.clip(0.2 * period + 0.5 - np.abs(phase_HW - period / 2.0), 0.0, 1.0)
    return stripes_HW


def _inside(polygon_V2: Points, shape: tuple[int, ...]) -> Coverage:
    canvas = _Canvas(polygon_V2, shape, margin=1)
    canvas.draw.polygon(canvas.scaled(polygon_V2), fill=255)
    return canvas.coverage()


def _outline(polygon_V2: Points, shape: tuple[int, ...], width: float, *, dashed: bool) -> Coverage:
    canvas = _Canvas(polygon_V2, shape, margin=int(np.ceil(width)) + 1)
    closed_V2 = np.vstack([polygon_V2, polygon_V2[:2]])
    strokes = _dashes(closed_V2[: len(polygon_V2) + 1], 3.5 * width) if dashed else [closed_V2]
    for stroke_V2 in strokes:
        canvas.draw.line(canvas.scaled(stroke_V2), fill=255, width=round(width * OVERSAMPLING), joint="curve")
    return canvas.coverage()


def _dashes(path_V2: Points, dash: float) -> Sequence[Points]:
    """Cut each edge into dashes and gaps of about equal length, beginning and ending with half a dash."""
    strokes = []
    for start, end in pairwise(path_V2):
        count = max(1, round(float(np.linalg.norm(end - start)) / (2.0 * dash)))
        cuts = np.clip((np.arange(count + 1)[:, None] + (-0.25, 0.25)) / count, 0.0, 1.0)
        strokes += [start + cut[:, None] * (end - start) for cut in cuts]
    return strokes


class _Canvas:
    """A window of the image around some points, drawn on at a multiple of its size."""

    def __init__(self, points_V2: Points, shape: tuple[int, ...], margin: int) -> None:
        limit = np.array([shape[1], shape[0]])
        low = np.clip(np.floor(points_V2.min(axis=0)) - margin, 0, limit).astype(int)
        high = np.clip(np.ceil(points_V2.max(axis=0)) + margin + 1, low, limit).astype(int)
        self._low = low
        width, height = ((high - low) * OVERSAMPLING).tolist()
        self._mask = Image.new("L", (width, height))
        self.draw = ImageDraw.Draw(self._mask)

    def scaled(self, points_V2: Points) -> list[tuple[float, float]]:
        """Return points of the image in the canvas's own pixels."""
        scaled_V2 = (points_V2 - self._low + 0.5) * OVERSAMPLING - 0.5
        return [(float(x), float(y)) for x, y in scaled_V2]

    def coverage(self) -> Coverage:
        """Return what was drawn, averaged back to the image's pixels."""
        left, top = (int(v) for v in self._low)
        mask_HW = np.asarray(self._mask, np.float32) / 255.0
        height, width = (side // OVERSAMPLING for side in mask_HW.shape)
        cells = mask_HW.reshape(height, OVERSAMPLING, width, OVERSAMPLING)
        return Coverage(top, left, cells.mean(axis=(1, 3)))
