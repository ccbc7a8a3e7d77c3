"""What a sample holds, as decoded.

Legend of the shape letters in names, used throughout: H, W rows and columns of the canvas; C channels; V
vertices of a polygon (x, y); N samples of a batch. ``prob_HW`` is an array of shape (H, W). Pixel (row i,
column j) stands for the point (x=j, y=i).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.levels import read_tables

Bytes = NDArray[np.uint8]
Points = NDArray[np.float64]


def inverse(matrix_23: Points) -> Points:
    """Return the (2, 3) matrix that undoes a (2, 3) matrix on points."""
    (a, b, x), (c, d, y) = matrix_23.tolist()
    if a and d and b == c == 0.0:
        # A page that is not turned, as nearly all: NumPy's way takes twenty times as long.
        return np.array([[1 / a, 0.0, -1 / a * x], [0.0, 1 / d, -1 / d * y]])
    linear_22 = np.linalg.inv(matrix_23[:, :2])
    return np.hstack([linear_22, -linear_22 @ matrix_23[:, 2:]])


def projected(matrix_33: Points, points_V2: Points) -> Points:
    """Return points (V, 2) under a homography (3, 3)."""
    (a, b, c), (d, e, f), (g, h, i) = matrix_33.tolist()
    x, y = points_V2[:, 0], points_V2[:, 1]
    w = g * x + h * y + i
    return np.column_stack([(a * x + b * y + c) / w, (d * x + e * y + f) / w])


@dataclass(frozen=True)
class TargetMaps:
    """The four maps a DBNet learns from, each (H, W) uint8.

    Attributes:
        prob_HW: 0/1, the probability map (shrunk text).
        prob_mask_HW: 0/1, 0 where the probability loss must not look.
        thresh_HW: 0..255 over [thresh_min, thresh_max], the threshold map.
        thresh_mask_HW: 0/1, 1 where the threshold loss looks (grown text).
    """

    prob_HW: Bytes
    prob_mask_HW: Bytes
    thresh_HW: Bytes
    thresh_mask_HW: Bytes

    def target_maps(self, stored_ratio: float, ratio: float | None = None) -> TargetMaps:
        """Return the maps themselves, as `DistanceMaps.target_maps` reads them.

        Raises:
            ValueError: another ratio than the stored one: maps cannot be read at it.
        """
        if ratio not in (None, stored_ratio):
            raise ValueError(f"maps rendered at shrink ratio {stored_ratio} cannot be read at {ratio}")
        return self


@dataclass(frozen=True)
class DistanceMaps:
    """The distance plane and what the maps need besides, each (H, W) uint8.

    Attributes:
        distance_HW: level of the greatest q over the texts (formats/levels.py); 0 is background.
        overlap_HW: magnitude of that level less the magnitude of the smallest |q|; None where no two texts'
            bands overlap (all zero).
        prob_mask_HW: 0/1, 0 where the probability loss must not look.
    """

    distance_HW: Bytes
    overlap_HW: Bytes | None
    prob_mask_HW: Bytes

    def target_maps(self, stored_ratio: float, ratio: float | None = None) -> TargetMaps:
        """Read the four maps through the tables of one shrink ratio (default: the stored one).

        Raises:
            ValueError: the ratio cannot be read from a plane stored at `stored_ratio`.
        """
        tables = read_tables(stored_ratio, ratio)
        magnitude_HW = tables.magnitude[self.distance_HW]
        if self.overlap_HW is not None:
            magnitude_HW = magnitude_HW - np.minimum(self.overlap_HW, magnitude_HW)
        return TargetMaps(
            prob_HW=tables.prob[self.distance_HW],
            prob_mask_HW=self.prob_mask_HW,
            thresh_HW=tables.thresh[magnitude_HW],
            thresh_mask_HW=tables.thresh_mask[self.distance_HW],
        )


StoredMaps = DistanceMaps | TargetMaps
"""What a shard holds, by `encoding.maps`: the distance plane, or the four maps as they are."""


STATUSES = ("care", "dont_care", "too_small", "empty_shrink", "degenerate", "self_crossing", "outside")
"""What a text can be: counted, or why not (see `Text`)."""


@dataclass(frozen=True)
class Text:
    """One text of a page.

    Attributes:
        polygon_V2: float64 vertices on the canvas, in pixels; may reach out of it.
        source_V2: float64 vertices in the source image, as annotated.
        status: "care", or why the text is ignored: "dont_care" (annotated so), "too_small", "empty_shrink",
            "degenerate" (no area), "self_crossing", "outside" (does not touch its page, or the canvas).
        text: the transcription, if there is one.
    """

    polygon_V2: Points
    source_V2: Points
    status: str
    text: str | None = None

    @property
    def ignored(self) -> bool:
        """Whether the losses do not count this text; the metrics have rules of their own."""
        return self.status != "care"


@dataclass(frozen=True)
class Variant:
    """How a distorted variant came from its page.

    Attributes:
        number: of the variant, from 1.
        matrix_33: (3, 3) float64 homography from the canvas of the page as it is to that of the variant.
        elastic: pixels by which points were displaced after that, at most, each way; 0: not at all.
        blur: sigma of the Gaussian, pixels.
        jpeg: quality of the JPEG it went through; None: none.
    """

    number: int
    matrix_33: Points
    elastic: float
    blur: float
    jpeg: int | None


def sample_key(page: str, variant: int) -> str:
    """Return what a sample is called: its page's key, and that of a variant as in ``train/a.jpg#v2``."""
    return f"{page}#v{variant}" if variant else page


@dataclass(frozen=True)
class Meta:
    """What evaluation and pictures need of a page.

    Attributes:
        key: the sample's key, unique in its set: the image's path below the source root.
        split: the split it belongs to ("train", "test", ...).
        source_size: height, width of the source image in pixels, after EXIF.
        to_canvas_23: (2, 3) float64 matrix from source points to canvas points; of a variant: to the canvas
            of the page as it is.
        texts: the texts of the page; of a variant: where they lie there.
        variant: how it was distorted; None for a page as it is.
    """

    key: str
    split: str
    source_size: tuple[int, int]
    to_canvas_23: Points
    texts: tuple[Text, ...]
    variant: Variant | None = None

    @property
    def to_source_23(self) -> Points:
        """(2, 3) float64 inverse of `to_canvas_23`: boxes come back in source coordinates."""
        return inverse(self.to_canvas_23)


@dataclass(frozen=True)
class Sample:
    """A page as stored: image (H, W, 3) uint8 RGB, its stored maps, its meta data."""

    image_HWC: Bytes
    maps: StoredMaps
    meta: Meta
