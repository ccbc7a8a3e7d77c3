from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from formats.errors import UsageError
from formats.placement import place
from formats.spec import GeometrySpec
from pipeline.geometry import draw_page
from pipeline.images import read_image
from train.page import place_page, read_page

SIDES = st.integers(1, 400)


@pytest.mark.parametrize("resize", ["longest", "shortest", "exact"])
@pytest.mark.parametrize("position", ["top_left", "center"])
@pytest.mark.parametrize("interpolation", ["area", "cubic"])
@given(height=SIDES, width=SIDES)
def test_pages_lie_as_the_builder_laid_them(
    height: int, width: int, resize: str, position: str, interpolation: str
) -> None:
    geometry = GeometrySpec.model_validate(
        {
            "canvas": (128, 96),
            "resize": resize,
            "position": position,
            "interpolation": interpolation,
            "pad_color": (1, 2, 3),
        }
    )
    image_HWC = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    placement = place((height, width), geometry)
    placed = place_page(image_HWC, geometry)
    np.testing.assert_array_equal(placed.canvas_HWC, draw_page(image_HWC, placement, geometry))
    both = np.vstack([placement.to_canvas_23, [0, 0, 1]])
    back = np.vstack([placed.to_source_23, [0, 0, 1]])
    np.testing.assert_allclose(back @ both, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(("exif", "shape"), [("apply", (30, 40)), ("ignore", (40, 30))])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_orientation(tmp_path: Path, exif: str, shape: tuple[int, int], suffix: str) -> None:
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[:10] = 200
    tags = Image.Exif()
    tags[274] = 6
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(pixels).save(path, exif=tags)
    page = read_page(path, exif)
    assert page.shape[:2] == shape
    bright = page[..., 0] > 100
    assert bright[:, -5:].all() == (exif == "apply")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", ["apply", "ignore"])
@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", "png"), ("RGBA", "webp"), ("I;16", "png"), ("I;16", "tiff"), ("RGB", "tiff"), ("P", "png")],
)
def test_pages_are_turned_as_the_builder_turns_them(
    tmp_path: Path, mode: str, suffix: str, exif: Literal["apply", "ignore"], orientation: int
) -> None:
    path = tmp_path / f"page.{suffix}"
    tags = Image.Exif()
    tags[274] = orientation
    noise(mode).save(path, exif=tags, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_page(path, exif), read_image(path.read_bytes(), exif=exif))


def test_a_variant_that_no_set_is_built_of_is_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "x.png", transparency=3)
    with pytest.raises(UsageError, match="transparent level"):
        read_page(tmp_path / "x.png")


def noise(mode: str) -> Image.Image:
    rng = np.random.default_rng(1)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 1 << 16, (20, 16), np.uint16))
    return Image.fromarray(rng.integers(0, 256, (20, 16, 4), np.uint8), "RGBA").convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "1"])
def test_modes_are_read_as_the_builder_reads_them(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "page.png"
    noise(mode).save(path)
    np.testing.assert_array_equal(read_page(path), read_image(path.read_bytes()))


def test_colours_are_rgb_and_pages_real(shared_data: Path) -> None:
    path = sorted((shared_data / "sroie/test").rglob("*.jpg"))[0]
    page, wanted = read_page(path), read_image(path.read_bytes())
    assert np.abs(page.astype(int) - wanted).max() <= 2


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.jpg"):
        read_page(tmp_path / "x.jpg")
    with pytest.raises(UsageError, match="absent"):
        read_page(tmp_path / "absent.jpg")


def test_red_is_red(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 2] = 255
    cv2.imwrite(str(tmp_path / "red.png"), pixels)
    assert read_page(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]
