"""Whatever an annotation holds: records, rejected samples, or one clear error; never a traceback."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import SourceError
from pipeline.polygons import clean_polygon
from pipeline.sources import Annotations, SourceSettings, read_annotations

POINTS = [[0, 0], [9, 0], [9, 9], [0, 9]]
FLAT = [0, 0, 9, 0, 9, 9, 0, 9]
VALID: dict[str, Any] = {
    "ufo": {"images": {"a.jpg": {"words": {"1": {"points": POINTS, "illegibility": False}}, "img_h": 9}}},
    "labelme": {"imagePath": "a.jpg", "shapes": [{"label": "a", "points": POINTS, "shape_type": "polygon"}]},
    "coco": {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 9, "width": 9}],
        "annotations": [{"image_id": 1, "iscrowd": 0, "segmentation": [FLAT], "bbox": [0, 0, 9, 9]}],
    },
    "mmocr0": {"file_name": "a.jpg", "annotations": [{"iscrowd": 0, "segmentation": [FLAT]}]},
    "cocotext": {
        "imgs": {"1": {"file_name": "a.jpg", "set": "train"}},
        "anns": {"2": {"image_id": 1, "mask": FLAT, "legibility": "legible"}},
    },
    "mmocr1": {"data_list": [{"img_path": "a.jpg", "instances": [{"polygon": FLAT, "ignore": False}]}]},
    "paddle": [{"transcription": "a", "points": POINTS}],
}
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400)
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def replaced(data: st.DataObject, value: Any) -> Any:
    """The value with one place in it, drawn at random, replaced by junk."""
    if isinstance(value, (dict, list)) and value and data.draw(st.integers(0, 5)):
        copy = value.copy()
        place = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        copy[place] = replaced(data, value[place])
        return copy
    return data.draw(JUNK)


def read(format: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jpg").touch()
        (Path(folder) / "file.json").write_bytes(content)
        settings = SourceSettings(format=format, root=folder, splits={"train": "file.json"})
        with suppress(SourceError):
            check(read_annotations(settings))


def check(found: Annotations) -> None:
    keys = [sample.key for sample in (*found.records, *found.rejected)]
    assert len(set(keys)) == len(keys)
    for sample in found.rejected:
        f"{sample.key}{sample.reason}{sample.where}".encode()
    for record in found.records:
        for text in record.texts:
            assert np.abs(text.polygon_V2).max(initial=0) <= 1e6
            (text.text or "").encode()
            clean_polygon(text.polygon_V2)


@pytest.mark.parametrize("format", VALID)
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_json_with_junk_in_one_place(format: str, data: st.DataObject) -> None:
    text = json.dumps(replaced(data, VALID[format]))
    read(format, (f"a.jpg\t{text}" if format == "paddle" else text).encode())


@pytest.mark.parametrize("format", [*VALID, "icdar", "polygons"])
@given(st.binary(max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_bytes(format: str, content: bytes) -> None:
    read(format, content)


@pytest.mark.parametrize("format", ["icdar", "polygons"])
@given(st.lists(st.text('0123456789,.-+eEnaif \t"x', max_size=40), max_size=4))
@settings(max_examples=80, deadline=None)
def test_any_line(format: str, lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jpg").touch()
        (Path(folder) / "a.txt").write_text("\n".join(lines))
        (Path(folder) / "list.txt").write_text("a.jpg\ta.txt")
        found = read_annotations(SourceSettings(format=format, root=folder, splits={"train": "list.txt"}))
    assert [sample.key for sample in (*found.records, *found.rejected)] == ["a.jpg"]
