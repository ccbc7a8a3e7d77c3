from __future__ import annotations

import json
from typing import Any

import pytest

from formats.errors import SourceError

LINES = {"format": "mmocr0", "splits": {"train": "lines.txt"}}
MARK = {"iscrowd": 1, "bbox": [0, 0, 9, 9], "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]]}


def line(name: Any = "a.jpg", annotations: Any = (MARK,)) -> str:
    return json.dumps({"file_name": name, "height": 30, "width": 20, "annotations": annotations})


def test_lines(read_source: Any) -> None:
    found = read_source({"b.jpg": b"", "lines.txt": f"{line()}\n\n{line('b.jpg', [])}\n"}, **LINES)
    assert [(record.key, record.annotation) for record in found.records] == [
        ("a.jpg", "lines.txt:1"),
        ("b.jpg", "lines.txt:3"),
    ]
    (text,) = found.records[0].texts
    assert text.dont_care
    assert found.records[0].stated_size == (30, 20)


@pytest.mark.parametrize(
    ("content", "key", "reason"),
    [
        (line(annotations=None), "a.jpg", "annotations: expected a list"),
        (line(annotations=[1]), "a.jpg", "annotations[0]: expected an object"),
        (line(name=None), "lines.txt:2: image, id None", "file_name: expected a string"),
    ],
)
def test_a_bad_line_rejects_its_page(read_source: Any, content: str, key: str, reason: str) -> None:
    (rejected,) = read_source({"lines.txt": f"\n{content}\n"}, **LINES).rejected
    assert (rejected.key, rejected.where) == (key, "lines.txt:2")
    assert reason in rejected.reason


@pytest.mark.parametrize("content", ["{", "[]", "a.jpg"])
def test_a_line_that_is_no_object_is_an_error_of_the_file(read_source: Any, content: str) -> None:
    with pytest.raises(SourceError, match=r"lines\.txt:2"):
        read_source({"lines.txt": f"{line()}\n{content}\n"}, **LINES)
