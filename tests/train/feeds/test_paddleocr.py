"""PaddleOCR's names, order and types; its channel order under its figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train.feeds.paddleocr import KEYS, paddle_batch
from train.maps import Targets


def made() -> tuple[torch.Tensor, Targets]:
    images = torch.randint(0, 256, (2, 4, 6, 3), dtype=torch.uint8)
    return images, Targets(*(torch.rand(2, 4, 6) for _ in range(4)))


def test_order_and_types() -> None:
    images, targets = made()
    batch = dict(zip(KEYS, paddle_batch(images, targets), strict=True))
    assert batch["image"].shape == (2, 3, 4, 6)
    assert {array.dtype for array in batch.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(batch["shrink_map"], targets.prob_NHW)
    np.testing.assert_array_equal(batch["shrink_mask"], targets.prob_mask_NHW)
    np.testing.assert_array_equal(batch["threshold_map"], targets.thresh_NHW)
    np.testing.assert_array_equal(batch["threshold_mask"], targets.thresh_mask_NHW)


@pytest.mark.parametrize("channels", ["BGR", "RGB"])
def test_pages_are_normalised_as_their_configurations_say(channels: str) -> None:
    images, targets = made()
    page = paddle_batch(images, targets, channels=channels)[0]
    ordered = images.numpy()[..., ::-1] if channels == "BGR" else images.numpy()
    expected = (ordered / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(page, expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_the_batch_is_its_own() -> None:
    images, targets = made()
    before = paddle_batch(images, targets)[3].copy()
    batch = paddle_batch(images, targets)
    targets.prob_NHW.zero_()  # as the stream does, when it fills its memory again
    np.testing.assert_array_equal(batch[3], before)


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="not BGR or RGB"):
        paddle_batch(*made(), channels="GBR")
