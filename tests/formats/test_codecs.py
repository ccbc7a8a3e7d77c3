"""Each member to bytes and back; damage is an error and never another array."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numcodecs.zstd import Zstd

from formats.codecs import (
    compress,
    content_size,
    decode_image,
    decode_meta,
    decompress,
    encode_image,
    encode_meta,
    map_planes,
    maps_of_planes,
    plane_shapes,
)
from formats.errors import DamageError
from formats.sample import STATUSES, DistanceMaps, Meta, TargetMaps, Text
from formats.spec import EncodingSpec

H, W = 32, 64
BITS = arrays.arrays(np.uint8, (H, W), elements=st.integers(0, 1))
BYTES = arrays.arrays(np.uint8, (H, W))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POLYGONS = st.integers(0, 6).flatmap(lambda V: arrays.arrays(np.float64, (V, 2), elements=FINITE))
TEXTS = st.builds(Text, POLYGONS, POLYGONS, st.sampled_from(STATUSES), st.none() | st.text())


def page(seed: int = 0) -> np.ndarray:
    y_HW, x_HW = np.mgrid[:H, :W]
    return np.stack([(x_HW * 3 + seed) % 256, (y_HW * 5) % 256, (x_HW + y_HW) % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize("image", ["lz4", "raw"])
@given(image_HWC=arrays.arrays(np.uint8, (H, W, 3)))
@settings(max_examples=20)
def test_lossless_images(image: str, image_HWC: np.ndarray) -> None:
    encoding, out_HWC = EncodingSpec(image=image), np.empty((H, W, 3), np.uint8)
    decode_image(encode_image(image_HWC[:, ::-1], encoding), encoding, out_HWC)
    np.testing.assert_array_equal(out_HWC, image_HWC[:, ::-1])


def test_jpeg_is_near_and_obeys_its_quality() -> None:
    out_HWC, smooth = np.empty((H, W, 3), np.uint8), np.full((H, W, 3), (200, 60, 10), np.uint8)
    payload = encode_image(smooth, EncodingSpec())
    decode_image(memoryview(payload), EncodingSpec(), out_HWC)
    assert np.abs(out_HWC.astype(int) - smooth).max() <= 3
    sizes = [len(encode_image(page(), EncodingSpec(jpeg_quality=quality))) for quality in (50, 90)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("image", ["jpeg", "lz4", "raw"])
@pytest.mark.parametrize("shape", [(H, W // 2, 3), (H, W * 2, 3), (H * 2, W, 3)])
def test_images_of_another_size_are_refused(image: str, shape: tuple[int, ...]) -> None:
    encoding = EncodingSpec(image=image)
    with pytest.raises(DamageError, match=image):
        decode_image(encode_image(page(), encoding), encoding, np.empty(shape, np.uint8))


@pytest.mark.parametrize("image", ["jpeg", "lz4", "raw"])
@pytest.mark.parametrize("payload", [b"", b"x", b"\xff\xd8\xff\xe0", b"\0" * 40])
def test_bytes_that_are_no_image(image: str, payload: bytes) -> None:
    with pytest.raises(DamageError):
        decode_image(payload, EncodingSpec(image=image), np.empty((H, W, 3), np.uint8))


@given(distance_HW=BYTES, overlap_HW=st.none() | BYTES, prob_mask_HW=BITS)
@settings(max_examples=30)
def test_distance_planes(
    distance_HW: np.ndarray, overlap_HW: np.ndarray | None, prob_mask_HW: np.ndarray
) -> None:
    planes = map_planes(DistanceMaps(distance_HW, overlap_HW, prob_mask_HW))
    shapes = plane_shapes((H, W), EncodingSpec())
    stored = overlap_HW is not None and overlap_HW.any()
    assert list(planes) == [name for name in shapes if stored or name != "overlap"]
    assert all(planes[name].shape == shapes[name] for name in planes)
    back = maps_of_planes(planes)
    assert isinstance(back, DistanceMaps)
    np.testing.assert_array_equal(back.distance_HW, distance_HW)
    np.testing.assert_array_equal(back.prob_mask_HW, prob_mask_HW)
    assert (back.overlap_HW is not None) == stored
    if stored:
        np.testing.assert_array_equal(back.overlap_HW, overlap_HW)


@given(prob_HW=BITS, prob_mask_HW=BITS, thresh_HW=BYTES, thresh_mask_HW=BITS)
@settings(max_examples=30)
def test_four_planes(**maps: np.ndarray) -> None:
    planes = map_planes(TargetMaps(**maps))
    shapes = plane_shapes((H, W), EncodingSpec(maps="planes"))
    assert {name: plane.shape for name, plane in planes.items()} == shapes
    assert list(planes) == list(shapes)
    back = maps_of_planes(planes)
    for name, plane_HW in maps.items():
        np.testing.assert_array_equal(getattr(back, name), plane_HW)


def test_first_pixel_is_the_highest_bit() -> None:
    mask_HW = np.zeros((H, W), np.uint8)
    mask_HW[0, 0] = mask_HW[0, 15] = 1
    packed = map_planes(DistanceMaps(mask_HW, None, mask_HW))["prob_mask"]
    assert packed[0, :3].tolist() == [0b1000_0000, 0b0000_0001, 0]


@given(
    st.binary(min_size=1, max_size=70_000)
    | st.sampled_from([b"a" * n for n in (255, 256, 65_791, 65_792, 1 << 20)])
)
def test_frames(data: bytes) -> None:
    frame = compress(data, 1)
    assert content_size(frame) == len(data)
    assert decompress(frame).tobytes() == data
    out = np.empty(len(data), np.uint8)
    assert decompress(memoryview(frame), out) is out
    assert out.tobytes() == data
    out.fill(0)
    assert decompress(frame, out, checked=True).tobytes() == data
    unchecked = bytes(Zstd(level=1, checksum=False).encode(data))
    assert decompress(unchecked, checked=True).tobytes() == data
    for size in (len(data) + 1, len(data) - 1):
        with pytest.raises(DamageError, match="frame"):
            decompress(frame, np.empty(size, np.uint8))


def test_every_flipped_bit_of_a_frame_is_found() -> None:
    data = (np.arange(4000) % 251).astype(np.uint8)
    frame, out = compress(data, 3), np.empty_like(data)
    unseen = []
    for position in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[position // 8] ^= 1 << position % 8
        try:
            if not np.array_equal(decompress(bytes(flipped), out), data):
                unseen.append(position)
        except DamageError:
            pass
    assert unseen == []


@pytest.mark.parametrize(
    "payload", [b"", b"x" * 5, b"\x28\xb5\x2f\xfd\x00\x00\x00\x00", b"\x28\xb5\x2f\xfd\xe0"]
)
def test_bytes_that_are_no_frame(payload: bytes) -> None:
    for out in (None, np.empty(8, np.uint8)):
        with pytest.raises(DamageError, match="frame"):
            decompress(payload, out)


@given(st.text(), st.lists(TEXTS, max_size=3))
@settings(max_examples=50)
def test_meta_comes_back(key: str, texts: list[Text]) -> None:
    meta = Meta(key, "train", (480, 640), np.array([[0.5, 0, -0.25], [0, 0.5, 3]]), tuple(texts))
    data = encode_meta(meta)
    back = decode_meta(memoryview(data))
    assert encode_meta(back) == data
    assert (back.key, back.source_size) == (key, (480, 640))
    for one, other in zip(texts, back.texts, strict=True):
        np.testing.assert_array_equal(one.polygon_V2, other.polygon_V2)
        assert (one.status, one.text) == (other.status, other.text)
    assert json.loads(data)["to_source"] == [[2, 0, 0.5], [0, 2, -6]]
    assert data == rfc8785.dumps(json.loads(data, parse_int=float))


@pytest.mark.parametrize(
    "change",
    [
        {"texts": [{}]},
        {"texts": "no"},
        {"to_canvas": [1, 2]},
        {"source_size": [1]},
        {"texts": [{"polygon": [1], "source": [], "status": "care"}]},
        {"texts": [{"polygon": [], "source": [], "status": [1]}]},
        {"texts": [{"polygon": [], "source": [], "status": "care", "text": 1}]},
        {"key": 1},
        {"split": None},
    ],
)
def test_meta_of_another_shape(change: dict[str, object]) -> None:
    record = json.loads(encode_meta(Meta("a", "train", (1, 1), np.eye(2, 3), ())))
    endless = json.dumps(record | {"source_size": [1, 7]}).replace("7", "1e400")
    for payload in (
        json.dumps(record | change).encode(),
        endless.encode(),
        b"[" * 100_000,
        b"[]",
        b"\xff",
        b"{}",
    ):
        with pytest.raises(DamageError, match="meta"):
            decode_meta(payload)


def test_a_jpeg_has_the_same_colours_with_and_without_a_fourth_channel() -> None:
    encoding = EncodingSpec(image="jpeg")
    payload = encode_image(page(), encoding)
    three, four = np.empty((H, W, 3), np.uint8), np.empty((H, W, 4), np.uint8)
    decode_image(payload, encoding, three)
    decode_image(payload, encoding, four)
    np.testing.assert_array_equal(four[..., :3], three)


def test_an_overlap_of_a_single_step_is_stored() -> None:
    maps = DistanceMaps(*(np.zeros((32, 32), np.uint8) for _ in range(3)))
    assert maps.overlap_HW is not None
    assert "overlap" not in map_planes(maps)
    maps.overlap_HW[7, 5] = 1
    assert map_planes(maps)["overlap"][7, 5] == 1
