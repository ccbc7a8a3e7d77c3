from __future__ import annotations

from typing import Any

import pytest

from formats.errors import SourceError

UFO = {"format": "ufo", "splits": {"train": "ufo.json"}}
POINTS = [[0, 0], [9, 0], [9, 9], [0, 9]]


def word(**values: Any) -> dict[str, Any]:
    return {
        "points": POINTS,
        "transcription": "a",
        "illegibility": False,
        "orientation": "Horizontal",
        **values,
    }


def page(*words: Any, **values: Any) -> dict[str, Any]:
    return {"words": {f"{number:04}": word for number, word in enumerate(words, 1)}, **values}


def one(read_source: Any, content: Any) -> Any:
    found = read_source({"ufo.json": {"images": {"a.jpg": content}}}, **UFO)
    return (found.records + found.rejected)[0]


def test_a_page(read_source: Any) -> None:
    words = (
        word(),
        word(illegibility=True),
        word(transcription="###"),
        word(points=None, transcription=None),
        word(points=[[1.5, -2], [3, 4], [5, 0], [6, 6], [0, 1]], orientation="Irregular"),
        {"points": POINTS},
    )
    record = one(read_source, page(*words, img_h=30, img_w=20))
    assert [text.dont_care for text in record.texts] == [False, True, True, False, False, False]
    assert [len(text.polygon_V2) for text in record.texts] == [4, 4, 4, 0, 5, 4]
    assert [text.text for text in record.texts] == ["a", "a", "###", None, "a", None]
    assert (record.key, record.split, record.annotation, record.stated_size) == (
        "a.jpg",
        "train",
        "ufo.json",
        (30, 20),
    )


def test_a_page_without_words_has_no_texts(read_source: Any) -> None:
    assert one(read_source, page()).texts == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "the image's entry: expected an object, found None"),
        ({}, "words: expected an object, found None"),
        ({"words": []}, "words: expected an object, found a list of 0"),
        (page(None), "words.0001: expected an object"),
        (page(word(), word(points="x")), "words.0002.points: expected a list"),
        (page(word(points=[[1, 2], [3, float("nan")]])), "words.0001.points: expected a coordinate"),
        (page(word(points=[[1, 2], [3, float("inf")]])), "words.0001.points: expected a coordinate"),
        (page(word(points=[[1, 2], [3, 1e300]])), "within +-1000000 pixels, found 1e+300"),
        (page(word(points=[[0, 0]] * 100_000)), "at most 1000 vertices, found 100000"),
        (page(word(transcription=5)), "words.0001.transcription: expected a string"),
        (page(word(illegibility="no")), "words.0001.illegibility: expected true or false"),
    ],
)
def test_what_is_wrong_with_a_page_rejects_it(read_source: Any, content: Any, reason: str) -> None:
    rejected = one(read_source, content)
    assert (rejected.key, rejected.where) == ("a.jpg", "ufo.json")
    assert reason in rejected.reason


@pytest.mark.parametrize(
    "whole", ["[]", '{"images": []}', "{}", "null", "", '{"images": {"a.jpg": 1, "a.jpg": 2}}']
)
def test_what_is_wrong_with_the_file_is_an_error(read_source: Any, whole: str) -> None:
    with pytest.raises(SourceError, match=r"annotations ufo\.json"):
        read_source({"ufo.json": whole}, **UFO)


def test_strings_that_no_encoding_can_store(read_source: Any) -> None:
    content = r'{"images": {"a.jpg": {"words": {"\ud800": {"points": 1}}}, "\ud800.jpg": {"words": {}}}}'
    found = read_source({"ufo.json": content}, **UFO)
    assert len(found.rejected) == 2
    for sample in found.rejected:
        (sample.key + sample.reason).encode()
