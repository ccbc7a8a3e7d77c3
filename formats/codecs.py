"""How each member of a sample becomes bytes and comes back. One pair of functions a member.

Images: JPEG (4:2:0), LZ4 or raw RGB. Maps: planes under Zstandard with its content checksum. Meta: canonical
JSON. Every payload has a CRC-32C in the manifest besides.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import simplejpeg
from numcodecs.lz4 import LZ4
from numcodecs.zstd import Zstd

from formats.canonical_json import canonical, canonical_points
from formats.errors import DamageError
from formats.sample import Bytes, DistanceMaps, Meta, StoredMaps, TargetMaps, Text, Variant
from formats.spec import EncodingSpec

Payload = bytes | memoryview
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHECKSUM_FLAG = 4
"""In the byte after the magic number: four bytes of checksum end the frame."""
_lz4 = LZ4(acceleration=1)
_unzstd = Zstd()


def encode_image(image_HWC: Bytes, encoding: EncodingSpec) -> bytes:
    """Encode (H, W, 3) uint8 RGB as the set's image encoding says."""
    image_HWC = np.ascontiguousarray(image_HWC)
    if encoding.image == "jpeg":
        jpeg: bytes = simplejpeg.encode_jpeg(image_HWC, quality=encoding.jpeg_quality, colorsubsampling="420")
        return jpeg
    if encoding.image == "lz4":
        return bytes(_lz4.encode(image_HWC))
    return image_HWC.tobytes()


def decode_image(payload: Payload, encoding: EncodingSpec, out_HWC: Bytes) -> None:
    """Decode an image into a C-contiguous (H, W, 3) uint8 array; releases the GIL.

    A JPEG can also be decoded into (H, W, 4): the same colours, and a fourth channel of no meaning.

    Raises:
        DamageError: not an image of that encoding and size.
    """
    try:
        if encoding.image == "jpeg":
            channels = "RGBX" if out_HWC.shape[2] == 4 else "RGB"
            decoded = simplejpeg.decode_jpeg(payload, channels, buffer=out_HWC)
            if decoded.shape != out_HWC.shape:
                raise ValueError(f"an image of {decoded.shape[:2]} pixels")
        elif encoding.image == "lz4":
            _expect_bytes(struct.unpack_from("<I", payload)[0], out_HWC)
            _lz4.decode(payload, out=out_HWC.reshape(-1))
        else:
            _expect_bytes(len(payload), out_HWC)
            out_HWC.reshape(-1)[:] = np.frombuffer(payload, np.uint8)
    except (ValueError, RuntimeError, struct.error) as error:
        raise DamageError(
            "image", expected=f"{encoding.image} of {out_HWC.shape}", found=str(error)
        ) from None


def _expect_bytes(found: int, out: Bytes) -> None:
    # numcodecs and NumPy fill a larger buffer in part, or repeat a single byte, without a word.
    if found != out.size:
        raise ValueError(f"{found} bytes")


def map_planes(maps: StoredMaps) -> dict[str, Bytes]:
    """Return the planes to store, in their fixed order; 0/1 planes packed along the row, 8 pixels a byte.

    (H, W) uint8 planes are ``distance``, ``overlap`` (left out where it is all zero) and ``thresh``;
    (H, W / 8) ones are ``prob``, ``prob_mask`` and ``thresh_mask``, first pixel in the highest bit.
    """
    if isinstance(maps, DistanceMaps):
        planes = {"distance": maps.distance_HW}
        # any() of bytes takes twice as long as their maximum.
        if maps.overlap_HW is not None and maps.overlap_HW.max() > 0:
            planes["overlap"] = maps.overlap_HW
        return planes | {"prob_mask": np.packbits(maps.prob_mask_HW, axis=1)}
    return {
        "thresh": maps.thresh_HW,
        "prob": np.packbits(maps.prob_HW, axis=1),
        "prob_mask": np.packbits(maps.prob_mask_HW, axis=1),
        "thresh_mask": np.packbits(maps.thresh_mask_HW, axis=1),
    }


def maps_of_planes(planes: dict[str, Bytes]) -> StoredMaps:
    """Return the maps of planes as `map_planes` gives them."""
    if "distance" in planes:
        return DistanceMaps(planes["distance"], planes.get("overlap"), _unpack(planes["prob_mask"]))
    return TargetMaps(
        prob_HW=_unpack(planes["prob"]),
        prob_mask_HW=_unpack(planes["prob_mask"]),
        thresh_HW=planes["thresh"],
        thresh_mask_HW=_unpack(planes["thresh_mask"]),
    )


def _unpack(bits: Bytes) -> Bytes:
    return np.unpackbits(bits, axis=1)


def plane_shapes(canvas: tuple[int, int], encoding: EncodingSpec) -> dict[str, tuple[int, int]]:
    """Return the shape of every plane a sample may have, in the stored order."""
    H, W = canvas
    whole, packed = (H, W), (H, W // 8)
    if encoding.maps == "distance":
        return {"distance": whole, "overlap": whole, "prob_mask": packed}
    return {"thresh": whole, "prob": packed, "prob_mask": packed, "thresh_mask": packed}


def member_names(canvas: tuple[int, int], encoding: EncodingSpec) -> tuple[str, ...]:
    """Return the names of a sample's members: what every shard's manifest must have an index of."""
    maps = ("maps",) if encoding.container == "tar" else tuple(plane_shapes(canvas, encoding))
    return ("image", *maps, "meta")


def compress(data: Payload | Bytes, level: int) -> bytes:
    """Return one Zstandard frame with content checksum."""
    return bytes(Zstd(level=level, checksum=True).encode(data))


def decompress(payload: Payload, out: Bytes | None = None, *, checked: bool = False) -> Bytes:
    """Return a frame's content as flat uint8, in `out` where given; releases the GIL.

    Args:
        payload: the frame.
        out: memory of just its content's size.
        checked: the payload has been compared with its CRC-32C: what its content hashes to is then not looked
            at again, which would take a third of the time.

    Raises:
        DamageError: not a frame, its checksum does not hold, or its content is not of the size of `out`.
    """
    try:
        if out is not None:
            _expect_bytes(content_size(payload), out)
        content = _unzstd.decode(_without_checksum(payload) if checked else payload, out=out)
    except (RuntimeError, ValueError) as error:
        raise DamageError("maps", expected="a Zstandard frame", found=str(error)) from None
    return np.frombuffer(content, np.uint8) if out is None else out


def _without_checksum(frame: Payload) -> Payload:
    """Return the same frame without its content checksum (RFC 8878, sections 3.1.1 and 3.1.1.1.1.6)."""
    if len(frame) < 10 or not frame[4] & CHECKSUM_FLAG:
        return frame
    plain = bytearray(frame)
    plain[4] &= ~CHECKSUM_FLAG
    return memoryview(plain)[:-4]


def content_size(payload: Payload) -> int:
    """Return the size of a Zstandard frame's content, as its header gives it (RFC 8878, section 3.1.1.1).

    Raises:
        ValueError: not a frame, or one whose header does not say.
    """
    head = bytes(payload[:14])
    if len(head) < 6 or head[:4] != ZSTD_MAGIC:
        raise ValueError("no Zstandard frame")
    flag, single_segment, dictionary = head[4] >> 6, head[4] >> 5 & 1, head[4] & 3
    start = 5 + (not single_segment) + (0, 1, 2, 4)[dictionary]
    width = (single_segment, 2, 4, 8)[flag]
    if not width or len(head) < start + width:
        raise ValueError("a Zstandard frame that does not give its size")
    return int.from_bytes(head[start : start + width], "little") + (256 if width == 2 else 0)


def encode_meta(meta: Meta) -> bytes:
    """Encode a page's meta data as canonical JSON."""
    points = canonical_points([array for text in meta.texts for array in (text.polygon_V2, text.source_V2)])
    texts = map(_text_record, meta.texts, points[::2], points[1::2])
    before: dict[str, Any] = {"key": meta.key, "source_size": list(meta.source_size), "split": meta.split}
    after: dict[str, Any] = {"to_canvas": meta.to_canvas_23.tolist(), "to_source": meta.to_source_23.tolist()}
    if meta.variant is not None:
        after["variant"] = _variant_record(meta.variant)
    return b'%b,"texts":[%b],%b' % (canonical(before)[:-1], b",".join(texts), canonical(after)[1:])


def _variant_record(variant: Variant) -> dict[str, Any]:
    record = {
        "number": variant.number,
        "matrix": variant.matrix_33.tolist(),
        "elastic": variant.elastic,
        "blur": variant.blur,
    }
    return record if variant.jpeg is None else record | {"jpeg": variant.jpeg}


def _text_record(text: Text, polygon: bytes, source: bytes) -> bytes:
    transcription = b"" if text.text is None else b',"text":' + canonical(text.text)
    status = canonical(text.status)
    return b'{"polygon":%b,"source":%b,"status":%b%b}' % (polygon, source, status, transcription)


def decode_meta(payload: Payload) -> Meta:
    """Decode a page's meta data.

    Raises:
        DamageError: not the JSON that `encode_meta` writes.
    """
    try:
        record = json.loads(bytes(payload))
        height, width = record["source_size"]
        return Meta(
            key=_string(record["key"]),
            split=_string(record["split"]),
            source_size=(int(height), int(width)),
            to_canvas_23=np.array(record["to_canvas"], np.float64).reshape(2, 3),
            texts=tuple(_text_of(text) for text in record["texts"]),
            variant=_variant_of(record["variant"]) if "variant" in record else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DamageError("meta", expected="a page's JSON record", found=repr(error)) from None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no string")
    return value


def _variant_of(record: dict[str, Any]) -> Variant:
    return Variant(
        number=int(record["number"]),
        matrix_33=np.array(record["matrix"], np.float64).reshape(3, 3),
        elastic=float(record["elastic"]),
        blur=float(record["blur"]),
        jpeg=int(record["jpeg"]) if "jpeg" in record else None,
    )


def _text_of(record: dict[str, Any]) -> Text:
    return Text(
        polygon_V2=np.array(record["polygon"], np.float64).reshape(-1, 2),
        source_V2=np.array(record["source"], np.float64).reshape(-1, 2),
        status=_string(record["status"]),
        text=_string(record["text"]) if "text" in record else None,
    )
