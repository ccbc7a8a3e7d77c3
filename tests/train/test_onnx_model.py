from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from formats.errors import TextshardsError, UsageError
from formats.sample import Bytes
from formats.shards import ShardSet
from train import onnx_model
from train.boxes import boxes_from_probability
from train.onnx_model import Exported, export_onnx
from train.pixels import DEVIATION, MEAN, normalised
from train.probability_map import Tools
from train.trained import Trained, load_trained

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

Maps = NDArray[np.float32]
FIXED = (96, 128)


@pytest.fixture(scope="module")
def trained(small_run: Path) -> Trained:
    return load_trained(small_run, ["trainer.device=cpu"])


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """Exports of the small run by their options; each is made once."""
    folder, made = tmp_path_factory.mktemp("onnx"), {}

    def export(tools: Tools = "any", size: tuple[int, int] | None = None) -> Exported:
        name = f"{tools}-{size}.onnx"
        if name not in made:
            made[name] = export_onnx(trained, folder / name, size=size, tools=tools)
        return made[name]

    return export


@pytest.fixture(scope="module")
def page_HWC(small_set: Path) -> Bytes:
    """A page of 128 x 96, its lower half blue, so that channels are told apart."""
    image_HWC = ShardSet(small_set, ["test"]).image(0).copy()
    image_HWC[64:, :, :2] //= 2
    return image_HWC


def network_input(*pages: Bytes) -> Maps:
    return normalised(torch.from_numpy(np.stack(pages))).contiguous().numpy()


def torch_maps(trained: Trained, input_NCHW: Maps) -> Maps:
    with torch.inference_mode():
        return trained.detector.probability(torch.from_numpy(input_NCHW))[:, None].numpy()


def onnx_maps(path: Path, input_NCHW: Maps) -> Maps:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (maps,) = session.run(["prob"], {"x": input_NCHW})
    return maps


@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 128, 96), (3, 128, 96), (2, 32, 32), (1, 320, 256), (1, 64, 448)]
)
def test_maps_are_those_of_pytorch_whatever_the_size(
    exported: Callable[..., Exported],
    trained: Trained,
    page_HWC: Bytes,
    count: int,
    height: int,
    width: int,
) -> None:
    page = np.asarray(cv2.resize(page_HWC, (width, height)), np.uint8)
    input_NCHW = network_input(*[np.roll(page, 7 * number, axis=1) for number in range(count)])
    expected, found = torch_maps(trained, input_NCHW), onnx_maps(exported().path, input_NCHW)
    assert (found.shape, found.dtype) == ((count, 1, height, width), np.float32)
    assert np.ptp(expected) > 0.3, "a flat map would prove nothing"
    assert np.abs(found - expected).max() < 1e-4


def test_real_pages(exported: Callable[..., Exported], trained: Trained, shared_data: Path) -> None:
    paths = sorted((shared_data / "sroie/test").rglob("*.jpg"))[:2]
    for path, size in zip(paths, ((640, 480), (960, 448)), strict=True):
        page = cv2.resize(cv2.imread(str(path)), size[::-1], interpolation=cv2.INTER_AREA)
        input_NCHW = network_input(np.asarray(page[..., ::-1], np.uint8))
        expected = torch_maps(trained, input_NCHW)
        assert np.abs(onnx_maps(exported().path, input_NCHW) - expected).max() < 1e-4


def test_a_fixed_size_leaves_the_batch_free_and_takes_no_other(
    exported: Callable[..., Exported], trained: Trained, page_HWC: Bytes
) -> None:
    fixed = exported("paddle", FIXED)
    assert fixed.about["input"]["shape"] == ["batch", 3, *FIXED]
    assert fixed.about["output"]["shape"] == ["batch", 1, *FIXED]
    assert onnx_maps(fixed.path, np.zeros((2, 3, *FIXED), np.float32)).shape == (2, 1, *FIXED)
    with pytest.raises(Exception, match=r"[Ii]nvalid dimensions"):
        onnx_maps(fixed.path, np.zeros((1, 3, 64, 64), np.float32))


def test_paddle_tools_leave_blue_first_under_the_figures_of_red(
    exported: Callable[..., Exported], trained: Trained, page_HWC: Bytes
) -> None:
    page_HWC = np.asarray(cv2.resize(page_HWC, FIXED[::-1]), np.uint8)
    about = exported("paddle", FIXED).about
    assert about["input"]["channels"] == "BGR"
    mean, std = (np.array(about["normalisation"][name], np.float32) for name in ("mean", "std"))
    assert (mean == np.float32(MEAN)).all() and (std == np.float32(DEVIATION)).all()
    bgr_HWC = (page_HWC[..., ::-1].astype(np.float32) / 255 - mean) / std
    found = onnx_maps(exported("paddle", FIXED).path, bgr_HWC.transpose(2, 0, 1)[None])
    expected = torch_maps(trained, network_input(page_HWC))
    assert np.abs(found - expected).max() < 1e-4
    swapped = torch_maps(trained, network_input(np.ascontiguousarray(page_HWC[..., ::-1])))
    assert np.abs(swapped - expected).max() > 1e-3, "this page does not tell channels apart"


def test_opencv_reads_it(exported: Callable[..., Exported], trained: Trained, page_HWC: Bytes) -> None:
    network = cv2.dnn.readNetFromONNX(str(exported().path))
    for height, width in ((128, 96), (96, 160)):
        input_NCHW = network_input(np.asarray(cv2.resize(page_HWC, (width, height)), np.uint8))
        network.setInput(input_NCHW)
        assert np.abs(network.forward() - torch_maps(trained, input_NCHW)).max() < 1e-4


def test_opencvs_own_text_detector_finds_the_texts(
    exported: Callable[..., Exported], trained: Trained, page_HWC: Bytes
) -> None:
    made = exported("opencv")
    assert made.about["output"]["shape"] == ["32*h", "32*w"]
    model = cv2.dnn.TextDetectionModel_DB(str(made.path))
    model.setBinaryThreshold(0.3).setPolygonThreshold(0.4).setMaxCandidates(300).setUnclipRatio(2.0)
    model.setInputParams(1.0, page_HWC.shape[1::-1], tuple(255 * value for value in MEAN), True)
    model.setInputScale(tuple(1 / (255 * value) for value in DEVIATION))
    boxes, _ = model.detect(np.ascontiguousarray(page_HWC[..., ::-1]))
    map_HW = torch_maps(trained, network_input(page_HWC))[0, 0]
    expected = boxes_from_probability(map_HW, trained.config.boxes, trained.shrink_ratio)
    # It drops thin regions, of which a network of 40 steps has some, more on one processor than on another;
    # and it grows all by one ratio, but about the same middle.
    assert 0.5 * len(expected) <= len(boxes) <= len(expected)
    middles = np.array([polygon_V2.mean(axis=0) for polygon_V2 in expected.polygons])
    for box in boxes:
        assert np.abs(middles - np.mean(box, axis=0)).max(axis=1).min() < 2.0


def test_what_a_server_must_know_stands_in_the_file_and_beside_it(
    exported: Callable[..., Exported], trained: Trained, small_run: Path
) -> None:
    made = exported()
    model = onnx.load(made.path)
    onnx.checker.check_model(model, full_check=True)
    inside = {entry.key: entry.value for entry in model.metadata_props}
    beside = json.loads(made.about_path.read_text())
    assert made.about_path.name == f"{made.path.name}.json"
    assert beside == made.about
    assert {
        name: value if name == "format" else json.loads(value) for name, value in inside.items()
    } == beside
    assert beside["input"] == {
        "name": "x",
        "shape": ["batch", 3, "32*h", "32*w"],
        "dtype": "float32",
        "channels": "RGB",
    }
    assert beside["boxes"]["threshold"] == trained.config.boxes.threshold
    best = json.loads((small_run / "best.json").read_text())
    assert beside["checkpoint"]["sha256"] == best["files"]["weights"]["sha256"]
    assert beside["checkpoint"]["set"] == best["set"]["fingerprint"]
    assert str(Path(onnx_model.__file__).parent).encode() not in made.path.read_bytes(), (
        "a path of this machine"
    )


def test_the_trained_detector_is_left_as_it_was(
    exported: Callable[..., Exported], trained: Trained, small_run: Path
) -> None:
    exported("paddle", FIXED)
    again = load_trained(small_run, ["trainer.device=cpu"])
    for name, value in again.detector.state_dict().items():
        assert torch.equal(value, trained.detector.state_dict()[name]), name


@pytest.mark.parametrize("size", [(100, 96), (96, 100), (16, 32)])
def test_a_size_must_be_of_whole_strides(trained: Trained, tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="multiples of 32"):
        export_onnx(trained, tmp_path / "x.onnx", size=size)


def test_a_missing_package_is_named(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r"onnxscript(.|\n)*textshards\[export\]"):
        export_onnx(trained, tmp_path / "x.onnx")


def test_a_map_that_differs_is_not_written(
    exported: Callable[..., Exported], trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = exported("opencv").path  # before the patch, which the first export of a process would run into

    def another(network: Any, size: Any) -> Any:
        model = onnx.load(written)
        del model.metadata_props[:]
        (bias,) = (each for each in model.graph.initializer if each.name.endswith("prob_head.up2.bias"))
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.01, bias.name))
        return model

    monkeypatch.setattr(onnx_model, "_traced", another)
    with pytest.raises(TextshardsError, match="nothing was written"):
        export_onnx(trained, tmp_path / "x.onnx", tools="opencv")
    assert not list(tmp_path.iterdir())
