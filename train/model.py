"""DBNet: a ResNet, a feature pyramid and two heads (Liao et al., AAAI 2020, section "Methodology", figure 3).

The heads return logits, so that the losses can be computed in float32 whatever the precision of the network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from formats.spec import Section
from train.backbone import BackboneName, Features, ResNet, convolution

STRIDE = 32
"""Height and width of the images are multiples of this."""
PRIOR = 0.05
"""Probability the untrained probability head gives: about the share of shrunk text on a page."""


class DetectorSettings(Section):
    """The detector's size."""

    backbone: BackboneName = Field("resnet18", description="depth of the trunk")
    width: int = Field(64, ge=8, le=128, multiple_of=8, description="of the trunk; 64 published, 32 for CPUs")
    inner: int = Field(256, ge=16, le=512, multiple_of=4, description="channels of the pyramid; 64 for CPUs")
    freeze_batch_norm: bool = Field(
        False,
        description="norms use the statistics they came with, of published weights or of a run gone on with, "
        "instead of the batch's; scale and shift still learn",
    )


class Logits(NamedTuple):
    """What the two heads say, before the sigmoid, each (N, H, W) at the size of the images."""

    prob_NHW: Tensor
    thresh_NHW: Tensor


class FeaturePyramid(nn.Module):
    """Top-down pyramid whose levels are concatenated at 1/4 of the image (DBNet's variant of FPN).

    Lateral 1x1 convolutions `in2` to `in5`, upsample and add, then 3x3 convolutions `out2` to `out5` to a
    quarter of the channels each.
    """

    def __init__(self, channels: tuple[int, ...], inner: int) -> None:
        super().__init__()
        self.in2, self.in3, self.in4, self.in5 = (convolution(count, inner, 1) for count in channels)
        self.out2, self.out3, self.out4, self.out5 = (convolution(inner, inner // 4, 3) for _ in channels)

    def forward(self, features: Features) -> Tensor:
        """Return (N, inner, H/4, W/4)."""
        top = self.in5(features.c5)
        level4 = self.in4(features.c4) + _upsample(top, 2)
        level3 = self.in3(features.c3) + _upsample(level4, 2)
        level2 = self.in2(features.c2) + _upsample(level3, 2)
        levels = (
            _upsample(self.out5(top), 8),
            _upsample(self.out4(level4), 4),
            _upsample(self.out3(level3), 2),
            self.out2(level2),
        )
        return torch.cat(levels, dim=1)


class Head(nn.Module):
    """A 3x3 convolution and two 2x transposed convolutions: one logit a pixel of the image."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        quarter = inner // 4
        self.conv = convolution(inner, quarter, 3)
        self.bn1 = nn.BatchNorm2d(quarter)
        self.up1 = nn.ConvTranspose2d(quarter, quarter, 2, stride=2, bias=False)
        self.bn2 = nn.BatchNorm2d(quarter)
        self.up2 = nn.ConvTranspose2d(quarter, 1, 2, stride=2)
        self.relu = nn.ReLU(inplace=True)

    def initialise_output(self, prior: float) -> None:
        """Make the untrained head say `prior` everywhere, but for a little noise to break the symmetry."""
        nn.init.normal_(self.up2.weight, std=0.02)
        assert self.up2.bias is not None
        nn.init.constant_(self.up2.bias, math.log(prior / (1.0 - prior)))

    def forward(self, pyramid_NCHW: Tensor) -> Tensor:
        """Return logits (N, H, W) at four times the pyramid's size."""
        y_NCHW = self.relu(self.bn1(self.conv(pyramid_NCHW)))
        y_NCHW = self.relu(self.bn2(self.up1(y_NCHW)))
        return self.up2(y_NCHW)[:, 0]  # type: ignore[no-any-return]


class Detector(nn.Module):
    """DBNet. Images are (N, 3, H, W) float, normalised, H and W multiples of 32."""

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = ResNet(settings.backbone, settings.width)
        self.neck = FeaturePyramid(self.backbone.channels, settings.inner)
        self.prob_head = Head(settings.inner)
        self.thresh_head = Head(settings.inner)

    def train(self, mode: bool = True) -> Detector:
        """Set training or evaluation mode; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        if self.settings.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images_NCHW: Tensor) -> Logits:
        """Return both heads' logits: what training needs."""
        pyramid_NCHW = self._pyramid(images_NCHW)
        return Logits(self.prob_head(pyramid_NCHW), self.thresh_head(pyramid_NCHW))

    def probability(self, images_NCHW: Tensor) -> Tensor:
        """Return the probability map (N, H, W), float32, without computing the threshold head."""
        logits_NHW: Tensor = self.prob_head(self._pyramid(images_NCHW))
        return torch.sigmoid(logits_NHW.float())

    def _pyramid(self, images_NCHW: Tensor) -> Tensor:
        height, width = images_NCHW.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"image sides must be multiples of {STRIDE}, not {height} x {width}")
        return self.neck(self.backbone(images_NCHW))  # type: ignore[no-any-return]


def build_detector(settings: DetectorSettings, *, channels_last: bool = True) -> Detector:
    """Return a new detector, drawn from torch's global random state, in one memory layout or the other."""
    detector = Detector(settings)
    for module in detector.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.ConvTranspose2d):
            # Stride 2 and size 2: each output pixel sees one input pixel, so fan-in is the input channels.
            nn.init.normal_(module.weight, std=math.sqrt(2.0 / module.in_channels))
    detector.prob_head.initialise_output(PRIOR)
    detector.thresh_head.initialise_output(0.5)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return detector.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _upsample(x_NCHW: Tensor, times: int) -> Tensor:
    return functional.interpolate(x_NCHW, scale_factor=float(times), mode="nearest")
