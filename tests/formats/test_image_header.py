from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from formats.errors import SampleError
from formats.image_header import IMAGE_SUFFIXES, OTHER_SUFFIXES, read_header, without_image_suffix

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
PAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (7, 12, 3), dtype=np.uint8))


def saved(form: str, page: Image.Image = PAGE, **options: object) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, form, **options)
    return buffer.getvalue()


def with_orientation(form: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(form, exif=exif)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_kind_and_size(form: str, mode: str) -> None:
    header = read_header(saved(form, PAGE.convert(mode)))
    assert (header.kind, header.height, header.width, header.orientation) == (form.lower(), 7, 12, 1)


def test_both_kinds_of_webp_and_bmp_from_the_bottom() -> None:
    assert read_header(saved("WEBP", lossless=True)).turned_size == (7, 12)
    data = bytearray(saved("BMP"))
    data[22:26] = struct.pack("<i", -7)
    assert read_header(bytes(data)).turned_size == (7, 12)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_turns_the_size(form: str, orientation: int) -> None:
    header = read_header(with_orientation(form, orientation))
    assert header.orientation == orientation
    assert header.turned_size == ((7, 12) if orientation < 5 else (12, 7))


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_either_byte_order(order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(order + "IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)
    jpeg = saved("JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    assert read_header(jpeg[:2] + segment + jpeg[2:]).orientation == 6


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert read_header(with_orientation("JPEG", orientation)).orientation == 1


def test_damaged_exif_is_none() -> None:
    for exif in (b"", b"II*\0", b"XXXX" * 8, b"II*\0\xff\xff\xff\xff"):
        jpeg = saved("JPEG")
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
        assert read_header(jpeg[:2] + segment + jpeg[2:]).orientation == 1


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(40), b"%PDF-1.7", b"RIFF\x10\0\0\0WAVEfmt ", b"\xff\xd8"]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(SampleError, match="JPEG, PNG, BMP, TIFF or WebP") as caught:
        read_header(data, "a.gif")
    assert caught.value.thing == "a.gif"


def test_a_size_of_nothing_is_refused() -> None:
    data = bytearray(saved("PNG"))
    data[16:20] = bytes(4)
    with pytest.raises(SampleError, match="0 x 7"):
        read_header(bytes(data))


def test_variants_that_have_no_rule() -> None:
    grey = PAGE.convert("L")
    assert (
        read_header(saved("PNG", grey, transparency=3)).unsupported == "a grey PNG with one transparent level"
    )
    for mode in ("RGBA", "LA"):
        assert "samples" in (read_header(saved("TIFF", PAGE.convert(mode))).unsupported or "")
    for mode in ("RGB", "L", "P", "1", "CMYK"):
        assert read_header(saved("TIFF", PAGE.convert(mode))).unsupported is None


@given(st.sampled_from(FORMATS), st.data())
@settings(max_examples=400, deadline=None)
def test_any_damage_gives_a_header_or_a_sample_error(form: str, data: st.DataObject) -> None:
    page = bytearray(with_orientation(form, 6) if form != "BMP" else saved(form))
    for _ in range(data.draw(st.integers(0, 6))):
        page[data.draw(st.integers(0, min(len(page), 90) - 1))] = data.draw(st.integers(0, 255))
    page = page[: data.draw(st.integers(0, len(page)))]
    try:
        header = read_header(bytes(page))
    except SampleError:
        return
    assert header.height > 0
    assert header.width > 0
    assert 1 <= header.orientation <= 8


def test_sizes_of_all_real_pages(shared_data: Path) -> None:
    pages = sorted(shared_data.rglob("*.jpg"))
    assert len(pages) == 129
    for page in pages:
        with Image.open(page) as image:
            assert read_header(page.read_bytes(), page.name).turned_size == (image.height, image.width)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a.jpg", "a"),
        ("a.b.TIFF", "a.b"),
        ("a.gif", "a.gif"),
        (".png", ".png"),
        ("a", "a"),
        ("a.jpg.png", "a.jpg"),
    ],
)
def test_the_suffix_of_an_image_is_taken_off_a_name(name: str, short: str) -> None:
    assert without_image_suffix(name) == short


def test_no_suffix_is_both_read_and_told_of_as_unread() -> None:
    assert not set(IMAGE_SUFFIXES) & set(OTHER_SUFFIXES)
