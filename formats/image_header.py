"""What an image file says of itself: its kind, its size, its EXIF orientation; no pixel is decoded.

Sources: JPEG, ITU-T T.81 annex B; PNG (W3C, third edition), sections 5 and 11; BMP, Windows GDI's
BITMAPINFOHEADER; TIFF 6.0, section 2; WebP, RFC 9649; EXIF 2.32, section 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from formats.errors import SampleError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Of the files that are looked for as images, in lower case; what a file is says its content."""
OTHER_SUFFIXES = (
    *(".avif", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpx", ".jxl", ".pdf", ".svg"),
    *(".dng", ".eps", ".exr", ".ico", ".pbm", ".pgm", ".pnm", ".ppm", ".psd", ".tga"),
)
"""Of files that are pages in other programs, and that are not looked for here: they are told of."""
MAX_PIXELS = 178_956_970
"""The largest page by default, height times width: what 0.5 GB of RGB hold."""

Kind = Literal["jpeg", "png", "bmp", "tiff", "webp"]
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = 256, 257, 258, 262, 274, 277


def without_image_suffix(name: str) -> str:
    """Return a file's name without the suffix of an image, in any case; another name as it is."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and (dot + suffix).lower() in IMAGE_SUFFIXES else name


@dataclass(frozen=True)
class ImageHeader:
    """An image file's header.

    Attributes:
        kind: the file format.
        height: rows as stored, before the orientation.
        width: columns as stored, before the orientation.
        orientation: EXIF tag 274, 1 to 8; 1 where there is none or it cannot be read.
        orientation_at: of a TIFF, the offset of the two bytes that hold the orientation; otherwise None.
        unsupported: why pixels of this variant are refused; None where they are not.
        components: of a JPEG, colours or inks a pixel: 1, 3 or 4; of the others 0.
    """

    kind: Kind
    height: int
    width: int
    orientation: int = 1
    orientation_at: int | None = None
    unsupported: str | None = None
    components: int = 0

    @property
    def turned_size(self) -> tuple[int, int]:
        """Height, width after the orientation."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(data: bytes, name: str = "image") -> ImageHeader:
    """Read the header of a JPEG, PNG, BMP, TIFF or WebP file.

    Raises:
        SampleError: another kind of file, or a header that is cut short or makes no sense.
    """
    for signature, parse in _PARSERS:
        if data.startswith(signature):
            try:
                header = parse(data)
            except (struct.error, LookupError, ValueError):
                raise _broken(name, "a header that is cut short or makes no sense") from None
            if header.height < 1 or header.width < 1:
                raise _broken(name, f"a size of {header.width} x {header.height}")
            return header
    raise _broken(name, f"a file that begins with {data[:8].hex(' ') or 'nothing: it is empty'}")


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the view of pixels (H, W, ...) that an EXIF orientation wants (EXIF 2.32, tag 274: 1 to 8)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    # After the transposition of 5 to 8: 6 is mirrored left to right, 8 top to bottom, 7 both.
    rows, columns = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(
        orientation, (1, 1)
    )
    return pixels[::rows, ::columns]


def without_orientation(data: bytes, header: ImageHeader) -> bytes:
    """Return a TIFF with orientation 1 for a decoder that turns TIFFs and cannot be told not to."""
    if header.orientation_at is None:
        return data
    at, order = header.orientation_at, "<" if data.startswith(b"II") else ">"
    return data[:at] + struct.pack(order + "H", 1) + data[at + 2 :]


def _broken(name: str, found: str) -> SampleError:
    return SampleError(
        name,
        expected="a JPEG, PNG, BMP, TIFF or WebP image",
        found=found,
        next_step="replace the file, or take it out of the annotations",
    )


def _parse_jpeg(data: bytes) -> ImageHeader:
    frame: tuple[int, int, int] | None = None
    orientation: int | None = None
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and orientation is None and data[start : start + 6] == b"Exif\0\0":
            orientation = _exif_orientation(data[start + 6 : end])
        elif marker in _SIZE_MARKERS and frame is None:
            frame = struct.unpack_from(">HHB", data, start + 1)
    if frame is None:
        raise ValueError("no frame before the scan")
    height, width, components = frame
    return ImageHeader("jpeg", height, width, orientation or 1, components=components)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of the segments before the first scan."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker")
        while data[at] == 0xFF:
            at += 1
        marker, at = data[at], at + 1
        if marker in (0xD9, 0xDA):
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        yield marker, at + 2, at + length
        at += length


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of the data of a PNG's chunks, IEND last; the CRC follows at `end`.

    Raises:
        struct.error, ValueError: the file ends before IEND does.
    """
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(data):
            raise ValueError("cut short")
        yield kind, start, end
        at = end + 4


def _parse_png(data: bytes) -> ImageHeader:
    width, height, _, color = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR")
    orientation, transparent = 1, False
    for kind, start, end in png_chunks(data):
        if kind == b"eXIf":
            orientation = _exif_orientation(data[start:end])
        transparent |= kind == b"tRNS"
    # OpenCV drops the transparent level of a grey image: its pixels would show their hidden values.
    unsupported = "a grey PNG with one transparent level" if transparent and color == 0 else None
    return ImageHeader("png", height, width, orientation, unsupported=unsupported)


def _parse_bmp(data: bytes) -> ImageHeader:
    (header_size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    return ImageHeader("bmp", abs(height), width)


def _parse_webp(data: bytes) -> ImageHeader:
    if data[8:12] != b"WEBP":
        raise ValueError("another RIFF file")
    at, size, orientation = 12, None, 1
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        start = at + 8
        size = size or _webp_size(kind, data[start : start + 10])
        if kind == b"EXIF":
            orientation = _exif_orientation(data[start : start + length].removeprefix(b"Exif\0\0"))
        at = start + length + length % 2
    if size is None:
        raise ValueError("no image chunk")
    return ImageHeader("webp", size[0], size[1], orientation)


def _webp_size(kind: bytes, head: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X":
        return int.from_bytes(head[7:10], "little") + 1, int.from_bytes(head[4:7], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _parse_tiff(data: bytes) -> ImageHeader:
    tags = _tiff_tags(data)
    (height, _), (width, _) = tags[_HEIGHT], tags[_WIDTH]
    orientation, at = tags.get(_ORIENTATION, (1, None))
    bits, photometric, samples = (tags.get(tag, (1, 0))[0] for tag in (_BITS, _PHOTOMETRIC, _SAMPLES))
    # What OpenCV decodes faithfully: it multiplies colours by alpha, and does not convert 16-bit inks.
    known = (photometric, samples) in {(0, 1), (1, 1), (2, 3), (3, 1), (5, 4), (6, 3)}
    if bits > 8:
        known = bits == 16 and (photometric, samples) in {(1, 1), (2, 3)}
    unsupported = None
    if not known:
        unsupported = (
            f"a TIFF with {samples} samples of {bits} bits, photometric interpretation {photometric}"
        )
    return ImageHeader(
        "tiff", height, width, orientation if 1 <= orientation <= 8 else 1, at, unsupported=unsupported
    )


def _tiff_tags(data: bytes) -> dict[int, tuple[int, int]]:
    """Return the SHORT and LONG tags of the first directory: tag -> (first value, its offset)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}[data[:4]]
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    tags: dict[int, tuple[int, int]] = {}
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, at)
        if kind not in (3, 4) or tag in tags or values < 1:
            continue
        width = 2 if kind == 3 else 4
        place = at + 8 if width * values <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
        if place + width <= len(data):
            (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, place)
            tags[tag] = (value, place)
    return tags


def _exif_orientation(exif: bytes) -> int:
    """Return the orientation in an EXIF block; 1 where there is none or the block is damaged."""
    try:
        orientation, _ = _tiff_tags(exif).get(_ORIENTATION, (1, 0))
    except (struct.error, KeyError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1


_PARSERS: tuple[tuple[bytes, Callable[[bytes], ImageHeader]], ...] = (
    (b"\xff\xd8", _parse_jpeg),
    (b"\x89PNG\r\n\x1a\n", _parse_png),
    (b"BM", _parse_bmp),
    (b"II*\0", _parse_tiff),
    (b"MM\0*", _parse_tiff),
    (b"RIFF", _parse_webp),
)
