"""A page from a file onto the canvas a checkpoint was trained with, by OpenCV.

The rule is the one sets are built by (formats/placement.py): one matrix, half pixel included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from formats.errors import SampleError, UsageError
from formats.image_header import read_header, turned, without_orientation
from formats.placement import check_resized, filter_of, lay_page, place
from formats.sample import Bytes, Points
from formats.spec import GeometrySpec

FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


@dataclass(frozen=True)
class PlacedPage:
    """A page on its canvas.

    Attributes:
        canvas_HWC: (H, W, 3) uint8 RGB.
        to_source_23: (2, 3) float64 matrix from points of the canvas to points of the page.
    """

    canvas_HWC: Bytes
    to_source_23: Points


def read_page(path: Path, exif: str = "apply") -> Bytes:
    """Read an image file as (h, w, 3) uint8 RGB.

    Grey becomes three equal channels, 16 bits become 8, and what is transparent becomes white.

    Args:
        path: of the file.
        exif: "apply" turns the page as its EXIF orientation says, "ignore" does not.

    Raises:
        UsageError: no such file, or no image, a damaged one, or a variant that sets are not built of.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    try:
        header = read_header(data)
        upright = np.frombuffer(without_orientation(data, header), np.uint8)  # OpenCV turns TIFFs by itself
        pixels = None if header.unsupported else cv2.imdecode(upright, cv2.IMREAD_UNCHANGED)
    except SampleError as error:
        raise _unreadable(path, error.found) from None
    except cv2.error as error:
        raise _unreadable(path, str(error.err)) from None
    if pixels is None:
        raise _unreadable(path, header.unsupported or "a damaged image")
    orientation = header.orientation if exif == "apply" else 1
    return np.ascontiguousarray(turned(_as_rgb(pixels), orientation))


def _as_rgb(pixels: NDArray[Any]) -> Bytes:
    """Bring 16 bits to 8 and lay what has alpha on white; (h, w[, 1, 3 or 4]) BGR(A) to RGB."""
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.asarray(pixels[..., ::-1])  # most pages: no arithmetic on what may be a large scan
    levels = pixels.astype(np.uint32)
    if pixels.dtype != np.uint8:
        levels = (levels + 128) // 257
    levels = np.atleast_3d(levels)
    if levels.shape[2] == 1:
        return np.repeat(levels, 3, axis=2).astype(np.uint8)
    rgb_HWC, alpha_HW1 = levels[..., 2::-1], levels[..., 3:]
    if alpha_HW1.size:
        rgb_HWC = (rgb_HWC * alpha_HW1 + 255 * (255 - alpha_HW1) + 127) // 255
    return np.ascontiguousarray(rgb_HWC.astype(np.uint8))


def place_page(image_HWC: Bytes, geometry: GeometrySpec) -> PlacedPage:
    """Bring a page onto the canvas by the resize rule and the position of a set's geometry.

    Raises:
        SampleError: the page is so narrow that, covering the canvas, it would fill the memory.
    """
    placement = place((image_HWC.shape[0], image_HWC.shape[1]), geometry)
    check_resized(placement, geometry)
    rows, columns = placement.resized
    if placement.resized != placement.source:
        flag = FILTERS[filter_of(placement, geometry)]
        image_HWC = np.asarray(cv2.resize(image_HWC, (columns, rows), interpolation=flag), np.uint8)
    return PlacedPage(lay_page(image_HWC, placement, geometry), placement.to_source_23)


def _unreadable(path: Path, found: str) -> UsageError:
    return UsageError(str(path), expected="an image file (JPEG, PNG, TIFF, BMP, WebP)", found=found)
