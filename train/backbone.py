"""ResNet-18, -34 and -50 as feature pyramids' trunks (He et al., CVPR 2016), named as torchvision names them.

A published torchvision state dict fits after dropping its `fc.*` keys: the stem is `conv1`, `bn1`, the stages
`layer1` to `layer4`, their blocks `conv1`, `bn1`, ..., `downsample.0`, `downsample.1`. The 3x3 convolution of
a bottleneck carries the stride, as there.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

BackboneName = Literal["resnet18", "resnet34", "resnet50"]


class Features(NamedTuple):
    """Feature maps at 1/4, 1/8, 1/16 and 1/32 of the image, each (N, C, H, W)."""

    c2: Tensor
    c3: Tensor
    c4: Tensor
    c5: Tensor


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a bias-free convolution, padded so that stride 1 keeps the size of the map."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


class _Block(nn.Module):
    """What both kinds of residual block share: the shortcut."""

    expansion: int

    def _add_shortcut(self, inputs: int, outputs: int, stride: int) -> None:
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def _shortcut(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW if self.downsample is None else self.downsample(x_NCHW)


class BasicBlock(_Block):
    """Two 3x3 convolutions (ResNet-18 and -34)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self._add_shortcut(inputs, width, stride)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return relu(residual + shortcut)."""
        y_NCHW = self.relu(self.bn1(self.conv1(x_NCHW)))
        y_NCHW = self.bn2(self.conv2(y_NCHW))
        return self.relu(y_NCHW + self._shortcut(x_NCHW))  # type: ignore[no-any-return]


class Bottleneck(_Block):
    """1x1, 3x3, 1x1 convolutions (ResNet-50)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self._add_shortcut(inputs, outputs, stride)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return relu(residual + shortcut)."""
        y_NCHW = self.relu(self.bn1(self.conv1(x_NCHW)))
        y_NCHW = self.relu(self.bn2(self.conv2(y_NCHW)))
        y_NCHW = self.bn3(self.conv3(y_NCHW))
        return self.relu(y_NCHW + self._shortcut(x_NCHW))  # type: ignore[no-any-return]


_PLANS: dict[BackboneName, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """A ResNet without its classification head.

    Args:
        name: which depth.
        width: channels of the stem and the first stage; 64 is the published network, 32 suits a CPU.

    Attributes:
        channels: channels of the four feature maps, finest first.
    """

    def __init__(self, name: BackboneName, width: int) -> None:
        super().__init__()
        block, depths = _PLANS[name]
        self.conv1 = convolution(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = [width << stage for stage in range(4)]
        self.channels = tuple(stage_width * block.expansion for stage_width in widths)
        inputs = (width, *self.channels[:-1])
        self.layer1 = _stage(block, inputs[0], widths[0], depths[0], stride=1)
        self.layer2 = _stage(block, inputs[1], widths[1], depths[1], stride=2)
        self.layer3 = _stage(block, inputs[2], widths[2], depths[2], stride=2)
        self.layer4 = _stage(block, inputs[3], widths[3], depths[3], stride=2)

    def forward(self, images_NCHW: Tensor) -> Features:
        """Return the outputs of the four stages."""
        stem_NCHW = self.maxpool(self.relu(self.bn1(self.conv1(images_NCHW))))
        c2 = self.layer1(stem_NCHW)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return Features(c2, c3, c4, self.layer4(c4))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, depth: int, stride: int
) -> nn.Sequential:
    blocks = [block(inputs, width, stride)]
    blocks += [block(width * block.expansion, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)
