from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from formats.errors import SourceError

QUAD = "0,0,9,0,9,9,0,9,a\n"
LIST = {"format": "icdar", "splits": {"train": "list.txt"}}
FOLDERS = {"format": "icdar", "splits": {"train": {"images": "img", "gt": "gt"}}}


def test_a_list_of_images_and_annotations(read_source: Any) -> None:
    found = read_source(
        {"x/b.png": b"", "gt/a.txt": QUAD, "list.txt": "\ufeffx/b.png\tgt/a.txt\r\n\r\na.jpg\tgt/a.txt"},
        **LIST,
    )
    assert [record.key for record in found.records] == ["a.jpg", "x/b.png"]
    assert [record.annotation for record in found.records] == ["gt/a.txt", "gt/a.txt"]
    assert found.records[0].image.name == "a.jpg"
    assert not found.rejected


@pytest.mark.parametrize("line", ["a.jpg gt/a.txt", "a.jpg\t", "\tgt/a.txt", "{}"])
def test_a_line_that_is_no_pair_is_an_error_of_the_list(read_source: Any, line: str) -> None:
    with pytest.raises(SourceError, match=r"list.txt:2") as caught:
        read_source({"gt/a.txt": QUAD, "list.txt": f"a.jpg\tgt/a.txt\n{line}\n"}, **LIST)
    assert "image<TAB>annotation" in caught.value.expected


@pytest.mark.parametrize("gt", ["gt/none.txt", "../a.txt", "/etc/hostname", "gt", "a\x01.txt"])
def test_an_annotation_that_cannot_be_read_rejects_its_image(read_source: Any, gt: str) -> None:
    found = read_source(
        {"gt/a.txt": QUAD, "b.jpg": b"", "list.txt": f"a.jpg\t{gt}\nb.jpg\tgt/a.txt\n"}, **LIST
    )
    assert [record.key for record in found.records] == ["b.jpg"]
    assert [(sample.key, sample.where) for sample in found.rejected] == [("a.jpg", "list.txt:1")]
    assert found.rejected[0].reason.startswith("its annotation: ")


def test_no_list(read_source: Any) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_source({}, **LIST)


def test_folders_are_paired_by_name(read_source: Any) -> None:
    images = ["s/1.jpg", "2.PNG", "3.tif", "4.jpeg", "5.jpg", "notes.md"]
    gts = ["s/1.txt", "gt_2.txt", "3.tif.txt", "gt_4.jpeg.txt", "poly_gt_5.txt", "list.csv"]
    found = read_source(
        {f"img/{name}": b"" for name in images} | {f"gt/{name}": QUAD for name in gts}, **FOLDERS
    )
    assert not found.rejected
    assert {record.key: record.annotation for record in found.records} == {
        f"img/{image}": f"gt/{gt}" for image, gt in zip(images[:5], gts[:5], strict=True)
    }


@pytest.mark.parametrize(("image", "gt"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_that_two_systems_spell_differently_are_a_pair(read_source: Any, image: str, gt: str) -> None:
    names = [unicodedata.normalize(form, "Rechnung \xfc") for form in (image, gt)]
    found = read_source({f"img/{names[0]}.jpg": b"", f"gt/{names[1]}.txt": QUAD}, **FOLDERS)
    assert [record.key for record in found.records] == ["img/Rechnung \xfc.jpg"]
    assert found.rejected == ()


def test_whatever_has_no_clear_partner_is_rejected(read_source: Any) -> None:
    files = {f"img/{name}": b"" for name in ("lone.jpg", "both.jpg", "twin.jpg", "twin.png", "fine.jpg")}
    gts = {f"gt/{name}": QUAD for name in ("both.txt", "gt_both.txt", "twin.txt", "fine.txt", "orphan.txt")}
    found = read_source(files | gts, **FOLDERS)
    assert [record.key for record in found.records] == ["img/fine.jpg"]
    reasons = {sample.key: sample.reason for sample in found.rejected}
    assert list(reasons) == ["gt/orphan.txt", "img/both.jpg", "img/lone.jpg", "img/twin.jpg", "img/twin.png"]
    assert reasons["gt/orphan.txt"] == "no image of this annotation in 'img'"
    assert reasons["img/both.jpg"].endswith("found both.txt and gt_both.txt")
    assert reasons["img/lone.jpg"].endswith("found none")
    assert reasons["img/twin.jpg"].endswith("twin.txt belonging to several images")


def test_folders_below_the_images_folder_and_gt_anywhere(read_source: Any, tmp_path: Any) -> None:
    (tmp_path / "gts").mkdir()
    (tmp_path / "gts/1.txt").write_text(QUAD)
    splits = {"train": {"images": ".", "gt": "../gts"}}
    found = read_source({"x/train/1.jpg": b""}, format="icdar", images="x/{split}", splits=splits)
    assert [(record.key, record.annotation) for record in found.records] == [
        ("x/train/1.jpg", "../gts/1.txt")
    ]


def test_a_missing_folder_is_an_error(read_source: Any) -> None:
    for files in ({"img/a.jpg": b""}, {"gt/a.txt": QUAD}):
        with pytest.raises(SourceError, match="a readable folder"):
            read_source(
                files,
                format="icdar",
                splits={"train": {"images": "img2" if "gt" in str(files) else "img", "gt": "gt2"}},
            )


def test_file_names_that_are_no_text(read_source: Any, tmp_path: Any) -> None:
    (tmp_path / "root/img").mkdir(parents=True)
    (tmp_path / "root/gt").mkdir()
    with (
        open(bytes(tmp_path / "root/img") + b"/\xff.jpg", "wb"),
        open(bytes(tmp_path / "root/gt") + b"/\xff.txt", "wb"),
    ):
        pass
    found = read_source({}, **FOLDERS)
    assert [sample.key for sample in found.rejected] == ["\\udcff.jpg"]
    found.rejected[0].reason.encode()
