from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.boxes import BoxSettings
from train.detect import TextFinder, fit
from train.model import Detector, DetectorSettings, build_detector
from train.pixels import DEVIATION, MEAN, normalised
from train.precision import Precision

SIDES = st.integers(1, 64).map(lambda count: 32 * count)


@given(SIDES, SIDES, st.none() | st.integers(32, 2048))
def test_what_the_network_sees_is_the_canvas_and_little_more(
    height: int, width: int, size: int | None
) -> None:
    fitted = fit((height, width), size)
    assert all(side % 32 == 0 for side in fitted.padded)
    assert all(0 <= p - r < 32 for p, r in zip(fitted.padded, fitted.resized, strict=True))
    if size is None:
        assert fitted.resized == (height, width)
        np.testing.assert_allclose(fitted.to_canvas_23, [[1, 0, 0], [0, 1, 0]])
    else:
        assert max(fitted.resized) == size
    # The outer borders of both, half a pixel outside the first and last centres, are the same.
    h, w = fitted.resized
    corner = fitted.to_canvas_23 @ [w - 0.5, h - 0.5, 1.0]
    np.testing.assert_allclose(corner, [width - 0.5, height - 0.5])
    np.testing.assert_allclose(fitted.to_canvas_23 @ [-0.5, -0.5, 1.0], [-0.5, -0.5], atol=1e-9)


@pytest.mark.parametrize("size", [None, 96, 144, 200])
def test_a_mark_is_found_where_it_was(size: int | None) -> None:
    canvas_HWC = np.zeros((192, 160, 3), np.uint8)
    canvas_HWC[96:128, 40:72] = 255
    fitted = fit((192, 160), size)
    seen_HWC = fitted.apply(canvas_HWC)
    assert seen_HWC.shape == (*fitted.padded, 3)
    h, w = fitted.resized
    assert not seen_HWC[h:].any()
    assert not seen_HWC[:, w:].any()
    moments = cv2.moments(seen_HWC[..., 0].astype(np.float32))
    center = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    np.testing.assert_allclose(fitted.to_canvas_23 @ [*center, 1.0], [55.5, 111.5], atol=0.05)


class Bright(Detector):
    """Takes what is bright for text."""

    def probability(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        return (images_NCHW.mean(1) > 0).float()


@pytest.mark.parametrize("size", [None, 128])
def test_boxes_are_in_canvas_coordinates(size: int | None) -> None:
    canvas_HWC = np.zeros((256, 192, 3), np.uint8)
    canvas_HWC[100:140, 30:150] = 255
    boxes = BoxSettings(unclip=1e-6, min_size=0)
    detector = Bright(DetectorSettings(width=8, inner=16))
    finder = TextFinder(detector, Precision("32-true", torch.device("cpu")), (256, 192), size, boxes, 0.4)
    (found,) = finder.find([finder.fit.apply(canvas_HWC)])
    (polygon_V2,) = found.polygons
    np.testing.assert_allclose(polygon_V2.mean(axis=0), [89.5, 119.5], atol=0.1)
    np.testing.assert_allclose(np.ptp(polygon_V2, axis=0), [120, 40], atol=2.1)


@pytest.mark.parametrize("size", [None, 128, 512])
@pytest.mark.parametrize(("least", "count"), [(36.0, 1), (44.0, 0)])
def test_the_least_size_is_of_the_canvas_whatever_the_network_sees(
    size: int | None, least: float, count: int
) -> None:
    canvas_HWC = np.zeros((256, 192, 3), np.uint8)
    canvas_HWC[100:140, 30:150] = 255
    boxes = BoxSettings(unclip=1e-6, min_size=least)
    detector = Bright(DetectorSettings(width=8, inner=16))
    finder = TextFinder(detector, Precision("32-true", torch.device("cpu")), (256, 192), size, boxes, 0.4)
    assert len(finder.find([finder.fit.apply(canvas_HWC)])[0]) == count


def test_the_padding_holds_no_text() -> None:
    detector = Bright(DetectorSettings(width=8, inner=16))
    finder = TextFinder(
        detector, Precision("32-true", torch.device("cpu")), (96, 64), 72, BoxSettings(min_size=0), 0.4
    )
    seen_HWC = finder.fit.apply(np.zeros((96, 64, 3), np.uint8))
    seen_HWC[72:] = 255
    assert len(finder.find([seen_HWC])[0]) == 0


def test_pixels_are_normalised_as_published_backbones_expect() -> None:
    images_NHWC = torch.randint(0, 256, (2, 8, 6, 3), dtype=torch.uint8)
    out_NCHW = normalised(images_NHWC)
    wanted = (images_NHWC.numpy() / 255.0 - MEAN) / DEVIATION
    np.testing.assert_allclose(out_NCHW.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-5)
    assert out_NCHW.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["bf16-mixed", "16-mixed"])
def test_half_precision_finds_in_float32(name: str) -> None:
    torch.manual_seed(0)
    detector = build_detector(DetectorSettings(width=8, inner=16)).eval()
    finder = TextFinder(detector, Precision(name, torch.device("cpu")), (64, 64), None, BoxSettings(), 0.4)  # type: ignore[arg-type]
    assert len(finder.find([np.zeros((64, 64, 3), np.uint8)])) == 1
