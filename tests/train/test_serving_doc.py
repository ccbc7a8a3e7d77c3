"""The examples of docs/serving.md find the texts of a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from formats.shards import ShardSet
from train.onnx_model import export_onnx
from train.prediction import Predictor
from train.trained import load_trained

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("eval_size", [None, 192])
def test_both_examples(
    small_set: Path, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eval_size: int | None
) -> None:
    monkeypatch.chdir(tmp_path)
    size = "null" if eval_size is None else str(eval_size)
    trained = load_trained(small_run, ["trainer.device=cpu", f"data.eval_size={size}", "boxes.min_size=5"])
    export_onnx(trained, Path("sroie.onnx"))
    export_onnx(trained, Path("sroie_cv.onnx"), tools="opencv")
    about = json.loads(Path("sroie.onnx.json").read_text())
    canvas = max(about["pages"]["canvas"])
    assert about["boxes"]["min_size"] == 5 * (eval_size or canvas) / canvas
    image_HWC = ShardSet(small_set, ["test"]).image(0)
    cv2.imwrite("page.png", np.ascontiguousarray(image_HWC[..., ::-1]))
    expected = Predictor(trained).predict(Path("page.png")).found.polygons
    assert expected
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        names: dict[str, Any] = {}
        exec(compile(example.replace("page.jpg", "page.png"), "serving.md", "exec"), names)
        found = [np.mean(box, axis=0) for box in names["boxes"]]
        assert 0.5 * len(expected) <= len(found) <= 1.5 * len(expected)
        near = [
            min(np.abs(middle - polygon_V2.mean(axis=0)).max() for middle in found) for polygon_V2 in expected
        ]
        assert np.mean(np.array(near) < 2.0) >= 0.5
