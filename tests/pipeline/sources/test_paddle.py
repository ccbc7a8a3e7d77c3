from __future__ import annotations

from typing import Any

import pytest

from formats.errors import SourceError

PADDLE = {"format": "paddle", "splits": {"train": "Label.txt"}}
ITEM = '{"transcription": "a", "points": [[0, 0], [9, 0], [9, 9], [0, 9]], "difficult": false}'


def test_a_label_file(read_source: Any) -> None:
    star = ITEM.replace('"a"', '"*"')
    found = read_source(
        {"x/b.jpg": b"", "Label.txt": f"\ufeffa.jpg\t[{ITEM}, {star}]\r\n\r\nx/b.jpg\t[]"}, **PADDLE
    )
    assert [(record.key, record.annotation) for record in found.records] == [
        ("a.jpg", "Label.txt:1"),
        ("x/b.jpg", "Label.txt:3"),
    ]
    assert [(text.text, text.dont_care) for text in found.records[0].texts] == [("a", False), ("*", True)]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("[{]", "expected JSON"),
        ("", "expected JSON"),
        ("{}", "the label: expected a list"),
        ("[1]", "item 0: expected an object"),
        (f'[{ITEM}, {{"transcription": 1}}]', "item 1.transcription: expected a string"),
        ('[{"transcription": "a", "points": [[0, 0, 0]]}]', "item 0.points: expected [x, y] pairs"),
    ],
)
def test_a_broken_label_rejects_its_image_alone(read_source: Any, label: str, reason: str) -> None:
    found = read_source({"b.jpg": b"", "Label.txt": f"b.jpg\t[]\na.jpg\t{label}\n"}, **PADDLE)
    assert [record.key for record in found.records] == ["b.jpg"]
    (rejected,) = found.rejected
    assert (rejected.key, rejected.where) == ("a.jpg", "Label.txt:2")
    assert reason in rejected.reason


def test_a_list_of_several_images_names_no_image(read_source: Any) -> None:
    (rejected,) = read_source({"Label.txt": f'["a.jpg", "b.jpg"]\t[{ITEM}]\n'}, **PADDLE).rejected
    assert "does not exist" in rejected.reason


@pytest.mark.parametrize("line", ["a.jpg []", "\t[]", "[]"])
def test_a_line_without_a_path_and_a_tab_is_an_error_of_the_file(read_source: Any, line: str) -> None:
    with pytest.raises(SourceError, match=r"Label\.txt:2"):
        read_source({"Label.txt": f"a.jpg\t[]\n{line}\n"}, **PADDLE)
