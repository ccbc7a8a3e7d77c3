from __future__ import annotations

from typing import Any

import pytest

from formats.errors import SourceError

COCO = {"format": "coco", "splits": {"train": "coco.json"}}
FLAT = [0, 0, 9, 0, 9, 9, 0, 9]


def coco(*annotations: Any, images: Any = None) -> dict[str, Any]:
    if images is None:
        images = [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 20}]
    return {"images": images, "annotations": list(annotations), "categories": []}


def mark(segmentation: Any = (FLAT,), **values: Any) -> dict[str, Any]:
    segmentation = list(segmentation) if isinstance(segmentation, tuple) else segmentation
    return {"id": 5, "image_id": 1, "iscrowd": 0, "segmentation": segmentation, **values}


def test_a_page(read_source: Any) -> None:
    marks = (
        mark(iscrowd=1),
        mark(utf8_string="###"),
        mark((FLAT, FLAT[:6]), text="two parts"),
        mark([], bbox=[1, 2, 3, 4]),
        mark(ignore=True),
    )
    (record,) = read_source({"coco.json": coco(*marks)}, **COCO).records
    assert [text.dont_care for text in record.texts] == [True, True, False, False, False, True]
    assert [text.text for text in record.texts] == [None, "###", "two parts", "two parts", None, None]
    assert [len(text.polygon_V2) for text in record.texts] == [4, 4, 4, 3, 4, 4]
    assert record.texts[4].polygon_V2.tolist() == [[1, 2], [4, 2], [4, 6], [1, 6]]
    assert record.stated_size == (30, 20)


def test_an_image_without_annotations_is_a_page_without_texts(read_source: Any) -> None:
    assert read_source({"coco.json": coco()}, **COCO).records[0].texts == ()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            mark({"counts": "x", "size": [9, 9]}),
            "annotation 5.segmentation: expected polygons, found a run-length",
        ),
        (mark([FLAT[:5]]), "expected x, y pairs, found 5 numbers"),
        (mark(FLAT), "annotation 5.segmentation: expected a list, found 0"),
        (mark([["1", "2"]]), "expected a number, found '1'"),
        (mark(None), "expected a segmentation or a bbox"),
        (mark([], bbox=[1, 2, 3, float("nan")]), "annotation 5.bbox: expected a coordinate"),
        (mark(iscrowd="x"), "annotation 5.iscrowd"),
        (mark(text=5), "annotation 5: the transcription"),
    ],
)
def test_a_bad_annotation_rejects_its_page(read_source: Any, bad: Any, reason: str) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    found = read_source({"b.jpg": b"", "coco.json": coco(mark(), bad, images=images)}, **COCO)
    assert [record.key for record in found.records] == ["b.jpg"]
    assert [sample.key for sample in found.rejected] == ["a.jpg"]
    assert reason in found.rejected[0].reason


def test_images_without_a_name_and_annotations_without_an_image(read_source: Any) -> None:
    content = coco(mark(image_id=9), mark(image_id=9), mark(image_id=[1]), images=[{"id": 1}])
    found = read_source({"coco.json": content}, **COCO)
    reasons = {sample.key: sample.reason for sample in found.rejected}
    assert list(reasons) == [
        f"coco.json: {e}" for e in ("image_id 'a list of 1'", "image_id 9", "images[0], id 1")
    ]
    assert reasons["coco.json: images[0], id 1"] == "file_name: expected a string, found None"
    assert reasons["coco.json: image_id 9"].startswith("2 annotations of an image id")


def test_one_image_under_two_ids(read_source: Any) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "./a.jpg"}]
    found = read_source({"coco.json": coco(mark(), images=images)}, **COCO)
    assert [sample.key for sample in found.rejected] == ["a.jpg"]
    assert "found 2 that differ" in found.rejected[0].reason


@pytest.mark.parametrize(
    "whole", [[], {}, {"images": [], "annotations": {}}, {"images": [1], "annotations": []}]
)
def test_other_json_is_an_error(read_source: Any, whole: Any) -> None:
    with pytest.raises(SourceError, match="COCO JSON"):
        read_source({"coco.json": whole}, **COCO)


def test_an_id_of_several_images_gives_none_of_them_its_texts(read_source: Any) -> None:
    images = [{"id": id_, "file_name": f"{name}.jpg"} for id_, name in ((1, "x"), (1, "y"), (2, "a"))]
    found = read_source({"coco.json": coco(mark(), mark(image_id=2), images=images)}, **COCO)
    assert [(row.key, len(row.texts)) for row in found.records] == [("a.jpg", 1)]
    told = "expected an id of its own, found 1, that of 'x.jpg' and 'y.jpg'"
    assert [(row.key, told in row.reason) for row in found.rejected] == [("x.jpg", True), ("y.jpg", True)]


def test_an_image_that_stands_there_twice_is_one_page(read_source: Any) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "a.jpg"}]
    found = read_source({"coco.json": coco(mark(), images=images)}, **COCO)
    assert [(row.key, len(row.texts)) for row in found.records] == [("a.jpg", 1)]
    assert found.rejected == ()


def categories(*names: str) -> dict[str, Any]:
    """Return a file with one annotation of each category."""
    marks = [mark(category_id=number) for number in range(len(names))]
    return coco(*marks) | {"categories": [{"id": number, "name": name} for number, name in enumerate(names)]}


def test_of_several_categories_the_settings_say_which_are_texts(read_source: Any) -> None:
    with pytest.raises(SourceError) as caught:
        read_source({"coco.json": categories("text", "table")}, **COCO)
    assert "text' (1), 'table' (1)" in caught.value.found
    assert 'source.categories=["text"]' in caught.value.next_step
    for wanted, count in ((["text"], 1), (["text", "table"], 2), (["text", "figure"], 1)):
        (record,) = read_source({"coco.json": categories("text", "table")}, **COCO, categories=wanted).records
        assert len(record.texts) == count
    with pytest.raises(SourceError, match=r"a category that source\.categories names: figure"):
        read_source({"coco.json": categories("text", "table")}, **COCO, categories=["figure"])


def test_a_category_without_a_name_is_called_by_its_number(read_source: Any) -> None:
    made = coco(mark(category_id=1), mark(category_id=7))
    (record,) = read_source({"coco.json": made}, **COCO, categories=["7"]).records
    assert len(record.texts) == 1


def test_a_known_category_that_nothing_is_of_leaves_pages_without_texts(read_source: Any) -> None:
    made = categories("text") | {"annotations": []}
    (record,) = read_source({"coco.json": made}, **COCO, categories=["text"]).records
    assert record.texts == ()
