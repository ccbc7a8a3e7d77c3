from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from train.model import Detector, DetectorSettings, build_detector

SMALL = DetectorSettings(backbone="resnet18", width=8, inner=16)


def small_detector(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return build_detector(SMALL)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet34", "resnet50"])
def test_both_heads_answer_for_every_pixel_of_the_image(backbone: str) -> None:
    detector = build_detector(DetectorSettings(backbone=backbone, width=8, inner=16))  # type: ignore[arg-type]
    logits = detector(torch.randn(2, 3, 64, 96))
    assert logits.prob_NHW.shape == logits.thresh_NHW.shape == (2, 64, 96)


def test_an_untrained_detector_expects_little_text() -> None:
    with torch.no_grad():
        logits = small_detector()(torch.randn(2, 3, 128, 128))
    probability = torch.sigmoid(logits.prob_NHW)
    assert 0.01 < float(probability.mean()) < 0.1
    assert float(probability.std()) > 0.0
    assert float(torch.sigmoid(logits.thresh_NHW).mean()) == pytest.approx(0.5, abs=0.1)


def test_inference_gives_the_probability_without_the_threshold_head() -> None:
    detector = small_detector().eval()
    images_NCHW = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected_NHW = torch.sigmoid(detector(images_NCHW).prob_NHW)
        detector.thresh_head = nn.Identity()  # type: ignore[assignment]
        probability_NHW = detector.probability(images_NCHW)
    torch.testing.assert_close(probability_NHW, expected_NHW)
    assert probability_NHW.dtype == torch.float32


def test_inference_in_bfloat16_answers_in_float32() -> None:
    detector = small_detector().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert detector.probability(torch.randn(1, 3, 32, 32)).dtype == torch.float32


def test_sides_that_do_not_fit_the_pyramid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32, not 64 x 65"):
        small_detector()(torch.randn(1, 3, 64, 65))


def test_the_same_seed_draws_the_same_detector() -> None:
    first, second, other = (small_detector(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["backbone.conv1.weight"], other["backbone.conv1.weight"])


def test_every_parameter_learns() -> None:
    detector = small_detector()
    logits = detector(torch.randn(2, 3, 64, 64))
    (logits.prob_NHW.square().mean() + logits.thresh_NHW.square().mean()).backward()
    silent = [
        name for name, value in detector.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert silent == []


def test_weights_are_channels_last_and_so_are_the_feature_maps() -> None:
    detector = small_detector()
    features = detector.backbone(torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last))
    assert detector.backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in features)


def test_a_traced_detector_gives_the_same_named_logits() -> None:
    detector = small_detector().eval()
    images_NCHW = torch.randn(1, 3, 64, 64)
    compiled = torch.compile(detector, backend="eager", fullgraph=True)
    with torch.no_grad():
        logits, expected = compiled(images_NCHW), detector(images_NCHW)
    torch.testing.assert_close(logits.prob_NHW, expected.prob_NHW)
    torch.testing.assert_close(logits.thresh_NHW, expected.thresh_NHW)


def test_the_pyramid_can_be_split_in_four() -> None:
    with pytest.raises(ValidationError):
        DetectorSettings(inner=62)
