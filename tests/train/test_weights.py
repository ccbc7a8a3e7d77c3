from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from formats.errors import TextshardsError, UsageError
from train.backbone import ResNet
from train.model import DetectorSettings, build_detector
from train.weights import load_backbone

SMALL = DetectorSettings(backbone="resnet18", width=8, inner=16)


def published(width: int = 8) -> dict[str, Tensor]:
    torch.manual_seed(7)
    head = {"fc.weight": torch.zeros(1000, width * 8), "fc.bias": torch.zeros(1000)}
    return {**ResNet("resnet18", width).state_dict(), **head}


def saved(path: Path, weights: object) -> Path:
    torch.save(weights, path)
    return path


def test_a_torchvision_file_fits_without_its_head(tmp_path: Path) -> None:
    detector, weights = build_detector(SMALL), published()
    load_backbone(detector, saved(tmp_path / "w.pth", weights))
    loaded = detector.backbone.state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in loaded)


def test_the_oldest_files_lack_the_batch_counters(tmp_path: Path) -> None:
    weights = {name: value for name, value in published().items() if "num_batches" not in name}
    detector = build_detector(SMALL)
    load_backbone(detector, saved(tmp_path / "w.pth", weights))
    assert torch.equal(detector.backbone.conv1.weight, weights["conv1.weight"])


def test_a_missing_and_an_unexpected_key_are_named(tmp_path: Path) -> None:
    weights = published()
    del weights["layer3.1.conv2.weight"]
    with pytest.raises(TextshardsError, match=r"1 missing: layer3\.1\.conv2\.weight"):
        load_backbone(build_detector(SMALL), saved(tmp_path / "w.pth", weights))
    extra = {**published(), "layer1.5.conv1.weight": torch.zeros(1)}
    with pytest.raises(TextshardsError, match=r"1 unexpected: layer1\.5\.conv1\.weight"):
        load_backbone(build_detector(SMALL), saved(tmp_path / "e.pth", extra))


def test_another_width_is_told_by_shapes_and_changes_nothing(tmp_path: Path) -> None:
    detector = build_detector(SMALL)
    before = detector.backbone.conv1.weight.clone()
    with pytest.raises(TextshardsError, match=r"of another shape: conv1\.weight \[16, 3, 7, 7\]") as caught:
        load_backbone(detector, saved(tmp_path / "w.pth", published(width=16)))
    assert "conv1.weight [8, 3, 7, 7]" in str(caught.value)
    assert torch.equal(detector.backbone.conv1.weight, before)


class Payload:
    """An object whose unpickling must not happen."""


@pytest.mark.parametrize("weights", [Payload(), [1, 2], {"state_dict": published()}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, weights: object) -> None:
    with pytest.raises(TextshardsError, match="state dict"):
        load_backbone(build_detector(SMALL), saved(tmp_path / "w.pth", weights))


def test_absent_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextshardsError, match="No such file"):
        load_backbone(build_detector(SMALL), tmp_path / "none.pth")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(TextshardsError, match="state dict"):
        load_backbone(build_detector(SMALL), broken)


@pytest.mark.parametrize("text", [b"hello text file\n", b'{"a": 1}\n', b"\x80\x02", b"R"])
def test_a_file_that_torch_did_not_write_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "w.txt").write_bytes(text)
    with pytest.raises(UsageError, match=r"what torch\.load"):
        load_backbone(build_detector(SMALL), tmp_path / "w.txt")
