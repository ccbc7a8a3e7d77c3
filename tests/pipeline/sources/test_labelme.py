from __future__ import annotations

from typing import Any

import pytest

from formats.errors import SourceError

LABELME = {"format": "labelme", "splits": {"train": "ann/*.json"}}
POINTS = [[0, 0], [9, 0], [9, 9], [0, 9]]


def shape(kind: str = "polygon", points: Any = POINTS, label: Any = "a") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


def page(*shapes: Any, image: Any = "../a.jpg", **values: Any) -> dict[str, Any]:
    return {
        "version": "5.0.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image,
        "imageData": None,
        **values,
    }


def one(read_source: Any, content: Any) -> Any:
    found = read_source({"ann/a.json": content}, **LABELME)
    return (found.records + found.rejected)[0]


def test_a_page_with_every_kind_of_shape_that_is_a_text(read_source: Any) -> None:
    no_kind = {"label": "b", "points": POINTS[:3]}
    shapes = (
        shape(label="###"),
        shape("rectangle", [[9, 8], [1, 2]]),
        shape("rectangle"),
        shape("rotation"),
        no_kind,
    )
    record = one(read_source, page(*shapes, imageHeight=30, imageWidth=20))
    assert (record.key, record.annotation, record.stated_size) == ("a.jpg", "ann/a.json", (30, 20))
    assert [len(text.polygon_V2) for text in record.texts] == [4, 4, 4, 4, 3]
    assert record.texts[1].polygon_V2.tolist() == [[1, 2], [9, 2], [9, 8], [1, 8]]
    assert [text.dont_care for text in record.texts] == [True, False, False, False, False]


@pytest.mark.parametrize("kind", ["circle", "line", "linestrip", "point", "points", "mask", 7, None])
def test_other_shapes_reject_the_page_by_name(read_source: Any, kind: Any) -> None:
    rejected = one(read_source, page(shape(), shape(kind)))
    assert rejected.reason == f"shapes[1].shape_type: expected polygon, rectangle or rotation, found {kind!a}"


@pytest.mark.parametrize(
    ("content", "key", "reason"),
    [
        ("{", "ann/a.json", "expected JSON"),
        ([], "ann/a.json", "the file: expected an object"),
        (page(image=None), "ann/a.json", "imagePath: expected"),
        (page(image=7), "ann/a.json", "imagePath: expected a string"),
        (page(image="../../a.jpg"), "../../a.jpg", "leaves it"),
        (page(image="/a.jpg"), "/a.jpg", "absolute"),
        (page(image="a.jpg"), "ann/a.jpg", "does not exist"),
        (page() | {"shapes": None}, "a.jpg", "shapes: expected a list"),
        (page(None), "a.jpg", "shapes[0]: expected an object"),
        (page(shape(label=1)), "a.jpg", "shapes[0].label: expected a string"),
        (page(shape(points=[[1]])), "a.jpg", "shapes[0].points: expected"),
    ],
)
def test_what_is_wrong_with_a_file_rejects_its_page(
    read_source: Any, content: Any, key: str, reason: str
) -> None:
    rejected = one(read_source, content)
    assert (rejected.key, rejected.where) == (key, "ann/a.json")
    assert reason in rejected.reason


def test_images_of_another_folder(read_source: Any) -> None:
    files = {"ann/a.json": page(image="C:\\photos\\b.jpg"), "img/b.jpg": b""}
    found = read_source(files, **LABELME, images="img", image_path="name")
    assert [record.key for record in found.records] == ["img/b.jpg"]


@pytest.mark.parametrize("pattern", ["ann", "ann/", "**/*.json", "ann/a.json"])
def test_a_folder_or_a_pattern(read_source: Any, pattern: str) -> None:
    files = {"ann/a.json": page(), "ann/notes.txt": ""}
    assert len(read_source(files, format="labelme", splits={"train": pattern}).records) == 1


def test_a_pattern_that_matches_nothing_is_an_error(read_source: Any) -> None:
    with pytest.raises(SourceError, match="none"):
        read_source({}, **LABELME)
