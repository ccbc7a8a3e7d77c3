from __future__ import annotations

from typing import Any

import pytest

from formats.errors import SourceError

MMOCR = {"format": "mmocr1", "splits": {"train": "det.json"}}
MARK = {"polygon": [0, 0, 9, 0, 9, 9, 0, 9], "bbox": [0, 0, 9, 9], "bbox_label": 0, "ignore": False}


def page(*instances: Any, **values: Any) -> dict[str, Any]:
    return {"img_path": "a.jpg", "height": 30, "width": 20, "instances": list(instances), **values}


def test_a_page(read_source: Any) -> None:
    content = {"metainfo": {}, "data_list": [page(MARK, MARK | {"ignore": True, "text": "a"})]}
    (record,) = read_source({"det.json": content}, **MMOCR).records
    assert [(text.text, text.dont_care) for text in record.texts] == [(None, False), ("a", True)]
    assert record.stated_size == (30, 20)


@pytest.mark.parametrize(
    ("content", "key", "reason"),
    [
        (page(img_path=None), "det.json: data_list[0]", "img_path: expected a string"),
        (page(instances=None), "a.jpg", "instances: expected a list"),
        (page(7), "a.jpg", "instances[0]: expected an object"),
        (page(MARK | {"polygon": None}), "a.jpg", "instances[0].polygon: expected a list"),
        (page(MARK | {"polygon": [1, 2, 3]}), "a.jpg", "found 3 numbers"),
        (page(MARK | {"ignore": "x"}), "a.jpg", "instances[0].ignore"),
    ],
)
def test_a_bad_page_is_rejected(read_source: Any, content: Any, key: str, reason: str) -> None:
    (rejected,) = read_source({"det.json": {"data_list": [content]}}, **MMOCR).rejected
    assert rejected.key == key
    assert reason in rejected.reason


@pytest.mark.parametrize("whole", [[], {}, {"data_list": {}}, {"data_list": [1]}])
def test_other_json_is_an_error(read_source: Any, whole: Any) -> None:
    with pytest.raises(SourceError, match=r"MMOCR 1\.x JSON"):
        read_source({"det.json": whole}, **MMOCR)
