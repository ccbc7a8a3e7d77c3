"""Bytes of a source image to RGB pixels, under one written policy (docs/sources.md).

Orientation is applied or ignored as told; grey becomes three equal channels; inks, 16 bits, alpha and
palettes become 8-bit RGB by fixed formulas; no colour profile is applied. A file that is damaged or cut
short is refused: decoders would paint what is missing in grey.
"""

from __future__ import annotations

import zlib
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from formats.errors import SampleError
from formats.image_header import MAX_PIXELS, ImageHeader, png_chunks, read_header, turned, without_orientation
from formats.sample import Bytes

Exif = Literal["apply", "ignore"]

# What OpenCV prints of a damaged file names no file; the error raised here does.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def image_size(data: bytes, *, exif: Exif = "apply", name: str = "image") -> tuple[int, int]:
    """Return (height, width) in pixels from the header alone, as `read_image` would give them.

    Raises:
        SampleError: no image of a known kind, or its header is damaged.
    """
    header = read_header(data, name)
    return header.turned_size if exif == "apply" else (header.height, header.width)


REDUCTIONS = (8, 4, 2)
"""By how much a JPEG's sides can shrink while it is decoded, for less work: of an 8 x 8 block only the lowest
1, 2 or 4 frequencies a side are turned into as many pixels."""


def reduction_within(data: bytes, spare: float, *, exif: Exif = "apply", name: str = "image") -> int:
    """Return the largest reduction, 1, 2, 4 or 8, of at most `spare` that an image can be decoded at.

    Only JPEGs can, and of them not those of four inks, whose colours are products. Where a side is no
    multiple of the reduction, the last pixel reaches beyond the page; the EXIF orientation must not bring it
    to the front.
    """
    header = read_header(data, name)
    if header.kind != "jpeg" or header.components == 4:
        return 1
    straight = exif == "ignore" or header.orientation in (1, 5)
    for reduction in REDUCTIONS:
        if reduction <= spare and (straight or not (header.height % reduction or header.width % reduction)):
            return reduction
    return 1


def read_image(
    data: bytes,
    *,
    exif: Exif = "apply",
    max_pixels: int = MAX_PIXELS,
    name: str = "image",
    reduction: int = 1,
) -> Bytes:
    """Decode a JPEG, PNG, BMP, TIFF or WebP file to (H, W, 3) uint8 RGB, C-contiguous.

    The size in the header is checked before anything is decoded.

    Args:
        data: the file's bytes.
        exif: whether the EXIF orientation turns the page.
        max_pixels: the largest page, height times width.
        name: what errors call the image.
        reduction: source pixels a side of a pixel, as `reduction_within` allows; sides are rounded up.

    Raises:
        SampleError: no image of a known kind, too large, damaged, cut short, or a variant without a rule.
    """
    header = read_header(data, name)
    if header.height * header.width > max_pixels:
        raise SampleError(
            name,
            expected=f"at most {max_pixels} pixels",
            found=f"{header.width} x {header.height} pixels, by its header",
            next_step="set source.max_pixels higher if the page is to be trusted",
        )
    if header.unsupported is not None:
        raise _refused(name, header.unsupported)
    size = (-(-header.height // reduction), -(-header.width // reduction))
    if header.kind == "jpeg":
        image_HWC = _decode_jpeg(data, size, reduction, name)
    else:
        image_HWC = _decode_other(data, header, name)
    if image_HWC.shape != (*size, 3):
        raise _refused(name, f"a header of {header.width} x {header.height} pixels and other pixels")
    if exif == "apply":
        image_HWC = turned(image_HWC, header.orientation)
    return np.ascontiguousarray(image_HWC)


def _decode_jpeg(data: bytes, size: tuple[int, int], reduction: int, name: str) -> Bytes:
    """Decode with libjpeg-turbo, every warning of which (a bad code, a missing end) is an error here."""
    try:
        colors = simplejpeg.decode_jpeg_header(data, strict=True)[2]
        if colors not in ("CMYK", "YCCK"):
            least = {"min_height": size[0], "min_width": size[1], "min_factor": reduction}
            rgb_HWC: Bytes = simplejpeg.decode_jpeg(data, "RGB", strict=True, **least)
            return rgb_HWC
        inks_HWC = simplejpeg.decode_jpeg(data, "CMYK", strict=True)
    except ValueError as error:
        raise _refused(name, f"a damaged JPEG: {error}") from None
    # Files hold 255 - ink, as Adobe writes them and every common reader takes them.
    return _divide_by_255(inks_HWC[..., :3].astype(np.uint16) * inks_HWC[..., 3:])


def _decode_other(data: bytes, header: ImageHeader, name: str) -> Bytes:
    if header.kind == "png":
        _check_png(data, name)
    upright = without_orientation(data, header)  # OpenCV turns TIFFs by itself
    try:
        decoded = cv2.imdecode(np.frombuffer(upright, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(error.err) from None
        raise _refused(name, f"a damaged {header.kind.upper()}: {error.err}") from None
    if decoded is None:
        raise _refused(name, f"a damaged {header.kind.upper()}")
    return _to_rgb(decoded, name)


def _check_png(data: bytes, name: str) -> None:
    for kind, start, end in png_chunks(data):
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise _refused(name, f"a damaged PNG: the checksum of {kind!r} does not fit")


def _to_rgb(decoded: NDArray[np.generic], name: str) -> Bytes:
    """Turn what OpenCV decodes, (H, W[, 1, 3 or 4]) grey, BGR or BGRA of 8 or 16 bits, into 8-bit RGB."""
    if decoded.dtype not in (np.uint8, np.uint16):
        raise _refused(name, f"pixels of type {decoded.dtype}")
    pixels = decoded if decoded.ndim == 3 else decoded[..., None]
    levels: Bytes
    if pixels.dtype == np.uint16:
        levels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    else:
        levels = pixels.astype(np.uint8, copy=False)
    if levels.shape[2] == 1:
        return np.repeat(levels, 3, axis=2)
    rgb_HWC = levels[..., 2::-1]
    if levels.shape[2] == 3:
        return rgb_HWC
    alpha_HW1 = levels[..., 3:].astype(np.uint16)
    return _divide_by_255(rgb_HWC * alpha_HW1 + np.uint16(255) * (255 - alpha_HW1))


def _divide_by_255(products: NDArray[np.uint16]) -> Bytes:
    """Round x / 255 to the nearest, exactly, for x up to 255 * 255."""
    return ((products + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def _refused(name: str, found: str) -> SampleError:
    return SampleError(
        name,
        expected="an image whose every pixel can be decoded",
        found=found,
        next_step="save the image again from its original, or take it out of the annotations",
    )
