from __future__ import annotations

import pytest
import torch

from train.backbone import BackboneName, ResNet

# Parameters of the published networks less their classification heads (torchvision's documentation).
PUBLISHED: dict[BackboneName, tuple[int, int]] = {
    "resnet18": (120, 11_689_512 - 513_000),
    "resnet34": (216, 21_797_672 - 513_000),
    "resnet50": (318, 25_557_032 - 2_049_000),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_and_names_are_torchvisions(name: BackboneName) -> None:
    network = ResNet(name, width=64)
    tensors, parameters = PUBLISHED[name]
    assert len(network.state_dict()) == tensors
    assert sum(value.numel() for value in network.parameters()) == parameters
    names = set(network.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
    } <= names
    assert {"layer4.1.bn2.bias", "layer2.0.downsample.1.num_batches_tracked"} <= names
    assert ("layer1.0.downsample.0.weight" in names) == (name == "resnet50")


def test_a_bottleneck_strides_in_its_3x3_convolution_as_torchvisions_does() -> None:
    block = ResNet("resnet50", width=8).layer2[0]
    assert block.conv1.stride == (1, 1)
    assert block.conv2.stride == (2, 2)


@pytest.mark.parametrize(("name", "expansion"), [("resnet18", 1), ("resnet34", 1), ("resnet50", 4)])
def test_feature_maps_halve_and_widen(name: BackboneName, expansion: int) -> None:
    network = ResNet(name, width=8)
    features = network(torch.randn(1, 3, 64, 96))
    shapes = [(8 * expansion << stage, 16 >> stage, 24 >> stage) for stage in range(4)]
    assert [tuple(level.shape[1:]) for level in features] == shapes
    assert network.channels == tuple(channels for channels, _, _ in shapes)


def test_a_basic_block_is_residual() -> None:
    block = ResNet("resnet18", width=8).layer1[0].eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x_NCHW = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(block(x_NCHW), x_NCHW.relu())
