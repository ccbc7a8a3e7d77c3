from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from formats.errors import SampleError
from pipeline.images import image_size, read_image, reduction_within

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (9, 14, 3), dtype=np.uint8)
# Smooth, so that lossy files stay near it.
SMOOTH = np.clip(np.add.outer(np.arange(40) * 4, np.arange(60) * 1)[..., None] + [0, 20, 40], 0, 255).astype(
    np.uint8
)
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


def saved(pixels: NDArray[np.generic] | Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    page = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    page.save(buffer, form, **(LOSSLESS.get(form, {"quality": 95, "subsampling": 0}) | options))
    return buffer.getvalue()


def by_opencv(pixels: NDArray[np.generic], suffix: str) -> bytes:
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.ndim == 3 else ...
    return bytes(cv2.imencode(suffix, pixels[..., order] if pixels.ndim == 3 else pixels)[1].tobytes())


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(SampleError) as caught:
        read_image(data, name="page", **options)
    assert caught.value.thing == "page"
    return caught.value.found


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_rgb_comes_back(form: str) -> None:
    image_HWC = read_image(saved(RGB, form))
    np.testing.assert_array_equal(image_HWC, RGB)
    assert image_HWC.flags.c_contiguous
    assert image_HWC.dtype == np.uint8


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}])
def test_jpeg_is_near(options: dict[str, object]) -> None:
    assert np.abs(read_image(saved(SMOOTH, "JPEG", **options)).astype(int) - SMOOTH).max() <= 6


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "JPEG"])
def test_grey_becomes_three_equal_channels(form: str) -> None:
    grey = SMOOTH[..., 0]
    image_HWC = read_image(saved(grey, form, **({"subsampling": -1} if form == "JPEG" else {})))
    assert np.ptp(image_HWC, axis=2).max() == 0
    assert np.abs(image_HWC[..., 0].astype(int) - grey).max() <= (3 if form == "JPEG" else 0)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["1", "P"])
def test_bitmaps_and_palettes(form: str, mode: str) -> None:
    page = Image.fromarray(RGB).convert(mode)
    np.testing.assert_array_equal(read_image(saved(page, form)), np.asarray(page.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_by_257(suffix: str, channels: int) -> None:
    levels = RNG.integers(0, 65536, (9, 14, 3), dtype=np.uint16)
    levels[0, :3] = [[0, 65535, 128], [129, 127, 257], [65406, 65407, 65279]]
    stored = levels if channels == 3 else levels[..., 0]
    image_HWC = read_image(by_opencv(stored, suffix))
    expected = np.round(levels / 257).astype(np.uint8)
    np.testing.assert_array_equal(
        image_HWC, expected if channels == 3 else np.repeat(expected[..., :1], 3, axis=2)
    )


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_alpha_is_laid_over_white(form: str) -> None:
    alpha = RNG.integers(0, 256, (9, 14, 1), dtype=np.uint8)
    alpha[0, :2, 0] = (0, 255)
    expected = np.round(RGB * (alpha / 255) + 255 * (1 - alpha / 255)).astype(int)
    image_HWC = read_image(saved(np.concatenate([RGB, alpha], axis=2), form)).astype(int)
    assert np.abs(image_HWC - expected).max() <= 1
    np.testing.assert_array_equal(image_HWC[0, 0], 255)
    np.testing.assert_array_equal(image_HWC[0, 1], RGB[0, 1])


def test_other_ways_to_be_transparent() -> None:
    levels = np.concatenate([RGB.astype(np.uint16) * 257, np.full((9, 14, 1), 0, np.uint16)], axis=2)
    assert read_image(by_opencv(levels, ".png")).min() == 255
    palette = Image.fromarray(RGB).convert("P")
    index = palette.getpixel((0, 0))
    image_HWC = read_image(saved(palette, "PNG", transparency=index))
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[np.asarray(palette) == index] = 255
    np.testing.assert_array_equal(image_HWC, expected)


@pytest.mark.parametrize("transform", [0, 2], ids=["CMYK", "YCCK"])
def test_inks_of_a_jpeg(transform: int) -> None:
    data = bytearray(saved(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG"))
    data[data.find(b"Adobe") + 11] = transform
    with Image.open(io.BytesIO(bytes(data))) as page:
        expected = np.asarray(page.convert("RGB")).astype(int)
    assert np.abs(read_image(bytes(data)).astype(int) - expected).max() <= 1
    if transform == 0:
        assert np.abs(expected - SMOOTH).max() <= 8


def test_inks_of_a_tiff() -> None:
    page = Image.fromarray(SMOOTH).convert("CMYK")
    assert np.abs(read_image(saved(page, "TIFF")).astype(int) - SMOOTH).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_applied_or_ignored(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(SMOOTH, form, exif=exif)
    with Image.open(io.BytesIO(data)) as page:
        upright = np.asarray(ImageOps.exif_transpose(page))
    image_HWC = read_image(data, exif="apply")
    assert np.abs(image_HWC.astype(int) - upright).max() <= 2
    assert image_HWC.flags.c_contiguous
    assert image_size(data, exif="apply") == image_HWC.shape[:2]
    stored = read_image(data, exif="ignore")
    assert np.abs(stored.astype(int) - SMOOTH).max() <= (6 if form == "JPEG" else 0)
    assert image_size(data, exif="ignore") == (40, 60)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_no_file_that_is_cut_short_is_decoded(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = saved(RGB, form)
    for length in {0, 5, 20, len(data) // 2, len(data) - 20, len(data) - 2}:
        refusal(data[:length])


def test_a_png_whose_bytes_changed_is_refused() -> None:
    data = bytearray(saved(RGB, "PNG"))
    data[len(data) // 2] ^= 4
    assert "checksum of b'IDAT'" in refusal(bytes(data))


def test_a_header_larger_than_allowed_is_refused_before_decoding() -> None:
    data = saved(RGB, "PNG")
    huge = bytearray(data)
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    assert "60000 x 60000" in refusal(bytes(huge))
    assert "14 x 9" in refusal(data, max_pixels=125)
    assert read_image(data, max_pixels=126).shape == RGB.shape


def test_variants_without_a_rule_are_refused_by_name() -> None:
    assert "transparent level" in refusal(saved(Image.fromarray(RGB).convert("L"), "PNG", transparency=3))
    assert "TIFF with 4 samples" in refusal(saved(Image.fromarray(RGB).convert("RGBA"), "TIFF"))
    assert "TIFF with 3 samples of 32 bits" in refusal(by_opencv(RGB.astype(np.float32), ".tiff"))
    assert "begins with 47 49 46" in refusal(b"GIF89a" + bytes(30))


@given(st.sampled_from(["JPEG", "PNG", "BMP", "TIFF", "WEBP"]), st.data())
@settings(max_examples=300, deadline=None)
def test_damage_gives_pixels_or_a_sample_error(form: str, data: st.DataObject) -> None:
    page = bytearray(saved(RGB, form))
    for _ in range(data.draw(st.integers(1, 5))):
        page[data.draw(st.integers(0, len(page) - 1))] = data.draw(st.integers(0, 255))
    try:
        image_HWC = read_image(bytes(page), max_pixels=10_000)
    except SampleError:
        return
    assert image_HWC.dtype == np.uint8
    assert image_HWC.size <= 30_000


def test_the_page_with_a_bad_huffman_code_is_refused(shared_data: Path) -> None:
    data = (shared_data / "edge_cases/X51006913019.jpg").read_bytes()
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    assert "Corrupt JPEG data" in refusal(data)


def test_grey_scans(shared_data: Path) -> None:
    for name in ("train/images/X51007231336", "train/images/X51007231338", "train/images/X51007231344"):
        data = (shared_data / f"sroie/{name}.jpg").read_bytes()
        image_HWC = read_image(data)
        assert image_HWC.shape == (*image_size(data), 3)
        assert max(image_HWC.shape) > 7000
        assert np.ptp(image_HWC[::50, ::50], axis=2).max() == 0


def test_all_other_real_pages_are_read(shared_data: Path) -> None:
    pages = [page for page in sorted(shared_data.rglob("*.jpg")) if page.parent.name != "edge_cases"]
    assert len(pages) == 128
    for page in pages:
        data = page.read_bytes()
        assert read_image(data, name=page.name).shape == (*image_size(data), 3)


@pytest.mark.parametrize("form", ["TIFF", "PNG", "WEBP"])
def test_of_several_pages_or_frames_the_first_is_read(form: str) -> None:
    others = [Image.fromarray(255 - RGB), Image.fromarray(np.zeros_like(RGB))]
    data = saved(RGB, form, save_all=True, append_images=others)
    with Image.open(io.BytesIO(data)) as page:
        assert page.n_frames == 3
    np.testing.assert_array_equal(read_image(data), RGB)


def test_bytes_after_the_end_of_a_jpeg_are_no_damage() -> None:
    data = saved(SMOOTH, "JPEG")
    np.testing.assert_array_equal(read_image(data + b"camera's own"), read_image(data))


def test_alpha_in_a_bmp_is_ignored() -> None:
    alpha = np.zeros((9, 14, 1), np.uint8)
    data = saved(np.concatenate([RGB, alpha], axis=2), "BMP")
    assert int.from_bytes(data[28:30], "little") == 32
    np.testing.assert_array_equal(read_image(data), RGB)


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("size", [(160, 96), (161, 97), (167, 103), (33, 40)])
def test_a_reduced_pixel_is_the_mean_of_those_it_stands_for(reduction: int, size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramp = np.stack([rows, columns, rows // 2 + columns // 2], axis=2).astype(np.uint8)
    data = saved(ramp, "JPEG", quality=100)
    found = read_image(data, reduction=reduction)
    whole = [side // reduction for side in size]
    assert found.shape == (-(-size[0] // reduction), -(-size[1] // reduction), 3)
    blocks = ramp[: whole[0] * reduction, : whole[1] * reduction].reshape(
        whole[0], reduction, whole[1], reduction, 3
    )
    difference = found[: whole[0], : whole[1]] - blocks.mean(axis=(1, 3))
    # A shift by half a decoded pixel would be reduction / 2 levels everywhere.
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.15 + reduction / 16
    assert np.abs(difference).max() <= 2.5


@pytest.mark.parametrize(
    ("spare", "expected"), [(1.0, 1), (1.99, 1), (2.0, 2), (3.9, 2), (4.0, 4), (7.9, 4), (8.0, 8), (99.0, 8)]
)
def test_the_largest_reduction_within_what_is_spare(spare: float, expected: int) -> None:
    assert reduction_within(saved(np.zeros((64, 64, 3), np.uint8), "JPEG"), spare) == expected


def test_what_is_decoded_whole() -> None:
    page = Image.new("RGB", (64, 48))
    assert reduction_within(saved(page, "PNG"), 8) == 1
    assert reduction_within(saved(page.convert("CMYK"), "JPEG"), 8) == 1
    assert reduction_within(saved(page.convert("L"), "JPEG"), 8) == 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_brings_no_part_pixel_to_the_front(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    straight = orientation in (1, 5)
    odd = saved(Image.new("RGB", (68, 50)), "JPEG", exif=exif)
    assert reduction_within(odd, 8) == (8 if straight else 2)
    assert reduction_within(odd, 8, exif="ignore") == 8
    assert reduction_within(saved(Image.new("RGB", (64, 48)), "JPEG", exif=exif), 8) == 8


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_jpeg_cut_short_is_refused_at_every_scale(kept: float) -> None:
    data = saved(RNG.integers(0, 256, (80, 64, 3), dtype=np.uint8), "JPEG")
    for reduction in (1, 2, 4, 8):
        assert "damaged JPEG" in refusal(data[: int(kept * len(data))], reduction=reduction)
