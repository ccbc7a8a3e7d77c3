"""A trained detector as ONNX: one input, the page; one output, the probability map.

The interface is the one that PaddleOCR's exported detectors have: `x`, float32 (N, 3, H, W), normalised by
ImageNet's mean and deviation, sides multiples of 32, in; probabilities, float32 (N, 1, H, W), sigmoid
applied, out. The threshold head is left out: nothing needs it after training. Two families of tools want it
a little otherwise (`train.probability_map.Tools`).
"""

from __future__ import annotations

import importlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from formats.errors import TextshardsError, UsageError
from formats.storage import write_whole
from train.model import STRIDE
from train.pixels import DEVIATION, MEAN
from train.probability_map import ProbabilityMap, Tools
from train.trained import Trained

INPUT, OUTPUT = "x", "prob"
OPSET = 18
"""The one that torch's exporter is written for; onnxruntime, TensorRT 10 and OpenCV 5 read it."""
TOLERANCE = 1e-4
"""By how much a probability may differ from PyTorch's: the order of sums, no more."""
EXAMPLE = (4 * STRIDE, 3 * STRIDE)
_CHECKED = (2 * STRIDE, 5 * STRIDE)


@dataclass(frozen=True)
class Exported:
    """An ONNX file that was written.

    Attributes:
        path: the file.
        about_path: what is known of it, as JSON: its metadata in readable form.
        about: the same.
        size: bytes of the file.
        difference: greatest difference of a probability from PyTorch's, on a random page.
    """

    path: Path
    about_path: Path
    about: dict[str, Any]
    size: int
    difference: float

    def text(self) -> str:
        """Return it as a person reads it."""
        shapes = [f"{end['name']} ({', '.join(map(str, end['shape']))})" for end in _ends(self.about)]
        return "\n".join(
            [
                f"{self.path}  {self.size / 1e6:.2f} MB, opset {OPSET}: {' -> '.join(shapes)}",
                f"  agrees with PyTorch to {self.difference:.1e} under onnxruntime",
                f"  {self.about_path}: normalisation, box settings, where it comes from",
            ]
        )


def _ends(about: dict[str, Any]) -> list[dict[str, Any]]:
    return [about["input"], about["output"]]


def export_onnx(
    trained: Trained, path: Path, *, size: tuple[int, int] | None = None, tools: Tools = "any"
) -> Exported:
    """Write ``path`` and ``path`` + ".json"; the map is compared with PyTorch's before anything is written.

    Args:
        trained: what to export; its weights are copied, on the CPU, in float32.
        path: of the ONNX file.
        size: height, width of the pages it will take; None for any multiples of 32.
        tools: who will run it.

    Raises:
        UsageError: a size that is no multiple of 32, or a package is missing.
        TextshardsError: the exported map differs from PyTorch's.
    """
    if size is not None and (size[0] % STRIDE or size[1] % STRIDE or min(size) < STRIDE):
        raise UsageError(f"size {size[0]} {size[1]}", expected=f"multiples of {STRIDE}, height before width")
    package("onnx"), package("onnxscript"), package("onnxruntime")
    network = ProbabilityMap(trained.detector, tools).eval()
    model = _traced(network, size)
    about = _about(trained, model, tools)
    for name, value in about.items():
        model.metadata_props.add(key=name, value=value if isinstance(value, str) else json.dumps(value))
    data: bytes = model.SerializeToString()
    difference = _difference(network, data, size)
    about_path = path.with_name(f"{path.name}.json")  # NAME.json may be a checkpoint's
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    write_whole(about_path, json.dumps(about, indent=2).encode() + b"\n")
    return Exported(path, about_path, about, len(data), difference)


def package(name: str) -> Any:
    """Import a package that only the export needs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(
            "the export",
            expected=f"the package {name}",
            found="not installed",
            next_step="pip install 'textshards[export]'",
        ) from None


def _traced(network: ProbabilityMap, size: tuple[int, int] | None) -> Any:
    """Return the model as an onnx ModelProto without the notes of the exporter, which name source files."""
    dimension = torch.export.Dim
    single = network.tools == "opencv"
    free: dict[int, Any] = {} if single else {0: dimension("batch", min=1)}
    if size is None:
        free |= {2: STRIDE * dimension("h", min=1), 3: STRIDE * dimension("w", min=1)}
    example = torch.zeros(1 if single else 2, 3, *(size or EXAMPLE))
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(free,),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
    graph.ClearField("value_info")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on itself (its own deprecated calls, packages it could use) to itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _difference(network: nn.Module, data: bytes, size: tuple[int, int] | None) -> float:
    session = package("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    page = torch.randn(1, 3, *(size or _CHECKED), generator=random)
    with torch.inference_mode():
        expected = network(page)
    (found,) = session.run([OUTPUT], {INPUT: page.numpy()})
    difference = float((torch.from_numpy(found) - expected).abs().max())
    if not difference <= TOLERANCE:
        raise TextshardsError(
            "the exported map",
            expected=f"PyTorch's, within {TOLERANCE:g}",
            found=f"a difference of {difference:g}; nothing was written",
            next_step="report it, with the versions of torch, onnxscript and onnxruntime",
        )
    return difference


def _about(trained: Trained, model: Any, tools: Tools) -> dict[str, Any]:
    config, about = trained.config, trained.about
    return {
        "format": "textshards-onnx-1",
        "input": {
            "name": INPUT,
            "shape": _shape(model.graph.input),
            "dtype": "float32",
            "channels": "BGR" if tools == "paddle" else "RGB",
        },
        "normalisation": {
            "formula": "(pixel / 255 - mean) / std, channel by channel, in the order of the input",
            "mean": list(MEAN),
            "std": list(DEVIATION),
        },
        "output": {
            "name": OUTPUT,
            "shape": _shape(model.graph.output),
            "dtype": "float32",
            "meaning": "probability that a pixel is shrunk text; the sigmoid is applied",
        },
        # As they hold of the map: sizes in its pixels.
        "boxes": {**trained.finder().boxes.model_dump(mode="json"), "shrink_ratio": trained.shrink_ratio},
        "pages": {
            "canvas": list(trained.set_settings.geometry.canvas),
            "resize": trained.set_settings.geometry.resize,
            "long_side": config.data.eval_size,
        },
        "checkpoint": {
            "exp_name": config.exp_name,
            "step": about["step"],
            "metrics": about["metrics"],
            "sha256": about["files"]["weights"]["sha256"],
            "set": about["set"]["fingerprint"],
            "backbone": config.model.model_dump(mode="json"),
        },
    }


def _shape(ends: Any) -> list[int | str]:
    (end,) = ends
    return [side.dim_param or int(side.dim_value) for side in end.type.tensor_type.shape.dim]
