"""The figure of one sample, and everything else that pictures are made of, gathered under one name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from formats.pictures.drawing import Layers, draw_polygons, faded, overlay_maps
from formats.pictures.lettering import Entry, legend, strip
from formats.pictures.palette import BLACK, FAINT_INK, IGNORED, PROB, TEXT, WHITE, Color
from formats.pictures.sheet import (
    GAP,
    comparison_strip,
    contact_sheet,
    difference_of,
    framed,
    on_white,
    side_by_side,
    stack,
)
from formats.placement import page_box
from formats.sample import Bytes, Meta, Points, Sample, TargetMaps, sample_key

__all__ = [
    "Layers",
    "View",
    "comparison_strip",
    "contact_sheet",
    "difference_of",
    "draw_polygons",
    "draw_texts",
    "faded",
    "overlay_maps",
    "page_view",
    "sample_figure",
    "save_png",
    "side_by_side",
    "stack",
]

PANELS = ("page and its texts", "probability map", "threshold map", "masks")
LAYERS = (
    Layers(thresh=False, prob_mask=False),
    Layers(prob=False, prob_mask=False),
    Layers(prob=False, thresh=False, thresh_mask=True),
)
BAND_ON_PAPER: Color = (165, 208, 231)
"""The threshold mask as it looks on a light page, into which `draw_maps` blends it."""
LEGEND = (
    Entry("text", TEXT, "line"),
    Entry("ignored text", IGNORED, "dashed"),
    Entry("probability map", PROB),
    Entry("threshold map, darkest on an edge", form="heat"),
    Entry("threshold mask", BAND_ON_PAPER),
    Entry("no probability loss here", IGNORED, "hatched"),
)
STATUS_WORDS = {
    "dont_care": "don't care",
    "too_small": "too small",
    "empty_shrink": "shrunk to nothing",
    "degenerate": "without area",
    "self_crossing": "self-crossing",
    "outside": "off the page",
}
PANEL_HEIGHT, PANEL_WIDTH = 1000, 480
DETAIL_SHAPE = 0.62
"""Height of the detail in units of its width."""
MAGNIFIED = 2
"""How much larger the detail is than the whole page, and than the canvas at least."""


@dataclass(frozen=True)
class View:
    """A window of the canvas, in whole pixels, and how much it is magnified."""

    top: int
    left: int
    height: int
    width: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the view, magnified."""
        return round(self.height * self.scale), round(self.width * self.scale)

    def points(self, points_V2: Points) -> Points:
        """Return points of the canvas as points of the view (pixel centres at integers in both)."""
        return (points_V2 - (self.left, self.top) + 0.5) * self.scale - 0.5

    @property
    def corners_42(self) -> Points:
        """The window's corners on the canvas, along the edges of its pixels."""
        x0, y0 = self.left - 0.5, self.top - 0.5
        x1, y1 = x0 + self.width, y0 + self.height
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])

    def holds(self, points_N2: Points) -> NDArray[np.bool_]:
        """Return (N,): whether points of the canvas lie inside the window."""
        offsets_N2 = points_N2 - (self.left, self.top)
        return np.asarray(((offsets_N2 > 0) & (offsets_N2 < (self.width, self.height))).all(axis=1))

    def page(self, image_HWC: Bytes) -> Bytes:
        """Return the window of an image, resized smoothly."""
        return self._resized(self._window(image_HWC), Image.Resampling.LANCZOS)

    def overlay(self, image_HWC: Bytes, maps: TargetMaps, layers: Layers) -> Bytes:
        """Return the window of an overlay; where it is magnified, a pixel of the maps shows as a square."""
        planes = (maps.prob_HW, maps.prob_mask_HW, maps.thresh_HW, maps.thresh_mask_HW)
        window = TargetMaps(*(self._window(plane_HW) for plane_HW in planes))
        if self.scale < 1.0:
            drawn_HWC = overlay_maps(self._window(image_HWC), window, layers, hatch_period=9.0 / self.scale)
            return self._resized(drawn_HWC, Image.Resampling.LANCZOS)
        squares = (
            self._resized(plane_HW, Image.Resampling.NEAREST) for plane_HW in map(self._window, planes)
        )
        return overlay_maps(self.page(image_HWC), TargetMaps(*squares), layers)

    def _window(self, plane: Bytes) -> Bytes:
        return plane[self.top : self.top + self.height, self.left : self.left + self.width]

    def _resized(self, plane: Bytes, how: Image.Resampling) -> Bytes:
        return np.asarray(Image.fromarray(plane).resize(self.size[::-1], how))


def save_png(path: str | Path, image_HWC: Bytes) -> None:
    """Write an (H, W, 3) uint8 RGB image as a PNG; the same image gives the same bytes."""
    Image.fromarray(image_HWC).save(path, format="PNG", compress_level=6)


def draw_texts(image_HWC: Bytes, sample: Sample, view: View | None = None, width: float = 2.0) -> Bytes:
    """Return the image with a sample's texts: green if they count, else purple, dashed and hatched.

    Args:
        image_HWC: (H, W, 3) uint8 RGB: the canvas, or the view of it.
        sample: whose texts to draw.
        view: the window of the canvas that the image shows (default: all of it).
        width: of the lines, in pixels.
    """
    seen = view or _canvas_view(sample)
    care = [seen.points(text.polygon_V2) for text in sample.meta.texts if not text.ignored]
    ignored = [seen.points(text.polygon_V2) for text in sample.meta.texts if text.ignored]
    drawn_HWC = draw_polygons(image_HWC, care, TEXT, width)
    return draw_polygons(drawn_HWC, ignored, IGNORED, width, dashed=True, hatched=True)


def sample_figure(sample: Sample, stored_ratio: float, ratio: float | None = None) -> Bytes:
    """Return the figure of one sample: page, probability map, threshold map and masks, whole and magnified.

    Args:
        sample: as stored.
        stored_ratio: the shrink ratio that its set was rendered at.
        ratio: the shrink ratio to read a distance plane at (default: the stored one).

    Returns:
        (?, ?, 3) uint8 RGB, at most about 2,000 pixels wide. The canvas's padding is left out.

    Raises:
        ValueError: the ratio cannot be read from the set.
    """
    maps = sample.maps.target_maps(stored_ratio, ratio)
    whole = page_view(sample, PANEL_HEIGHT, PANEL_WIDTH)
    detail = _detail_view(sample, whole)
    panels = _panels(sample, maps, whole, width=2.0)
    panels = [_marked(panel, whole.points(detail.corners_42)) for panel in panels]
    details = [_marked(panel, None) for panel in _panels(sample, maps, detail, width=3.0)]
    column = max(whole.size[1], detail.size[1], PANEL_WIDTH * 3 // 4)
    rows = [side_by_side([on_white(p, p.shape[0], column) for p in row]) for row in (panels, details)]
    width = rows[0].shape[1]
    size = round(width / 74)
    captions = side_by_side([strip(caption, column, size) for caption in PANELS])
    heading = [
        strip(_name(sample.meta), width, round(1.5 * size)),
        strip(_facts(sample), width, size, FAINT_INK),
    ]
    figure_HWC = stack([*heading, stack([captions, rows[0]]), rows[1], legend(LEGEND, width, size)], gap=GAP)
    return np.pad(figure_HWC, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def _marked(panel_HWC: Bytes, corners_42: Points | None) -> Bytes:
    """Return a panel with a frame around what the detail shows; without corners, around the panel.

    The frame is black in white, thicker than any rule of a page, so that it is not taken for a part of one.
    """
    if corners_42 is None:
        height, width = panel_HWC.shape[:2]
        corners_42 = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    halo_HWC = draw_polygons(panel_HWC, [corners_42], WHITE, 9.0)
    return draw_polygons(halo_HWC, [corners_42], BLACK, 4.0)


def _panels(sample: Sample, maps: TargetMaps, view: View, width: float) -> list[Bytes]:
    page = draw_texts(view.page(sample.image_HWC), sample, view, width)
    panels = [page, *(view.overlay(sample.image_HWC, maps, layers) for layers in LAYERS)]
    return [framed(panel) for panel in panels]


def _canvas_view(sample: Sample) -> View:
    height, width = sample.image_HWC.shape[:2]
    return View(0, 0, height, width, 1.0)


def page_view(sample: Sample, height: int, width: int) -> View:
    """Return the view of what `page_box` gives of a sample, as large as fits into a height and a width."""
    H, W = sample.image_HWC.shape[:2]
    left, top, right, bottom = page_box(sample.meta, (H, W))
    scale = min(height / (bottom - top), width / (right - left))
    return View(top, left, bottom - top, right - left, scale)


def _detail_view(sample: Sample, whole: View) -> View:
    """Return the magnified view with the most corners of texts in it; an ignored text's count six times."""
    scale = max(MAGNIFIED, round(MAGNIFIED * whole.scale))
    height = min(whole.height, max(1, int(DETAIL_SHAPE * whole.size[1] / scale)))
    width = min(whole.width, max(1, int(whole.size[1] / scale)))
    low = np.array([whole.left, whole.top])
    high = low + np.array([whole.width - width, whole.height - height])
    texts = [text for text in sample.meta.texts if len(text.polygon_V2)]
    centres = [text.polygon_V2.mean(axis=0) for text in texts]
    corners_N2 = np.vstack([text.polygon_V2 for text in texts]) if texts else np.empty((0, 2))
    weights_N = np.repeat([6 if text.ignored else 1 for text in texts], [len(t.polygon_V2) for t in texts])

    def about(centre_2: Points) -> View:
        left, top = np.clip(np.rint(centre_2 - (width / 2, height / 2)), low, high).astype(int).tolist()
        return View(top, left, height, width, float(scale))

    views = [about(centre_2) for centre_2 in (*centres, (low + high + (width, height)) / 2)]
    return max(views, key=lambda view: float(weights_N @ view.holds(corners_N2)))


def _name(meta: Meta) -> str:
    return sample_key(meta.key, meta.variant.number if meta.variant else 0)


def _facts(sample: Sample) -> str:
    texts, meta = sample.meta.texts, sample.meta
    ignored = Counter(STATUS_WORDS.get(text.status, text.status) for text in texts if text.ignored)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(ignored.items()))
    sizes = (meta.source_size, sample.image_HWC.shape[:2])
    source, canvas = (f"{height} x {width}" for height, width in sizes)
    counts = f"{len(texts)} texts, ignored: {reasons or 'none'}"
    return f"{meta.split} · {counts} · source {source}, canvas {canvas} (height x width)"
