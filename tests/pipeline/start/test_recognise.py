"""Folders of labelled pages are recognised, whatever the format of their labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath

import pytest
from made_pages import made_pages

from formats.errors import UsageError
from pipeline.sources import FolderPair
from pipeline.start.candidates import split_name
from pipeline.start.folder import look_through
from pipeline.start.recognise import Recognised, recognise
from pipeline.start.survey import survey
from pipeline.start.write import configuration


def best(root: Path) -> Recognised:
    return recognise(look_through(root))[0]


def test_lists_of_pages_and_labels(tmp_path: Path) -> None:
    made_pages(tmp_path, 3, "train")
    made_pages(tmp_path, 2, "test")
    found = best(tmp_path)
    assert found.settings.format == "icdar"
    assert found.settings.splits == {"train": "train_list.txt", "test": "test_list.txt"}
    assert len(found.annotations.records) == 5


def test_folders_paired_by_name(tmp_path: Path) -> None:
    made_pages(tmp_path, 3, "train")
    (tmp_path / "train_list.txt").unlink()
    assert best(tmp_path).settings.splits == {"train": FolderPair(images="train", gt="train")}


def days(root: Path, images: str = "images/{}", labels: str = "gt/{}") -> Path:
    """Lay six pages out over two folders."""
    pages = made_pages(root / "made", 6, "all")
    for number in range(6):
        for place, suffix in ((images, ".jpg"), (labels, ".txt")):
            folder = root / "days" / place.format(f"day {number % 2 + 1}")
            folder.mkdir(parents=True, exist_ok=True)
            (pages / "all" / f"page_{number}{suffix}").rename(folder / f"page_{number}{suffix}")
    return root / "days"


@pytest.mark.parametrize(
    ("images", "labels", "split"),
    [
        ("images/{}", "gt/{}", FolderPair(images="images", gt="gt")),
        ("{}", "{}", FolderPair(images="", gt=".")),
        (
            "{}/images",
            "{}/gt",
            (
                FolderPair(images="day 1/images", gt="day 1/gt"),
                FolderPair(images="day 2/images", gt="day 2/gt"),
            ),
        ),
    ],
)
def test_pages_in_several_folders_are_one_split(
    tmp_path: Path, images: str, labels: str, split: object
) -> None:
    folder = look_through(days(tmp_path, images, labels))
    chosen, *others = recognise(folder)
    assert chosen.settings.splits == {"train": split}
    assert len(chosen.annotations.records) == 6
    assert chosen.left_out(folder) == []
    assert len(others[-1].left_out(folder)) == 3


@pytest.mark.parametrize("before", ["", "day {}/"])
def test_label_files_in_several_folders_are_one_split(tmp_path: Path, before: str) -> None:
    root = days(tmp_path, "{}")
    for day in (1, 2):
        names = sorted(image.name for image in (root / f"day {day}").iterdir())
        rows = [f"{before.format(day)}{name}\t[]\n" for name in names]
        (root / f"day {day}" / "Label.txt").write_text("".join(rows))
    shutil.rmtree(root / "gt")
    found = best(root)
    assert found.settings.splits == {"train": ("day 1/Label.txt", "day 2/Label.txt")}
    assert found.settings.images == ("" if before else "{folder}")
    assert len(found.annotations.records) == 6


@pytest.mark.parametrize("line", ["1,2,3,4,5,6,7,abc", "1,2,3,4,5,6,abc", "nonsense"])
def test_a_damaged_line_changes_no_format(tmp_path: Path, line: str) -> None:
    pages = made_pages(tmp_path, 3, "train")
    (pages / "train_list.txt").unlink()
    with (pages / "train" / "page_1.txt").open("a") as labels:
        labels.write(f"{line}\n")
    found = best(pages)
    assert found.settings.format == "icdar"
    assert [row.key for row in found.annotations.rejected] == ["train/page_1.jpg"]


def test_the_chosen_source_is_not_told_again(tmp_path: Path) -> None:
    chosen, *others = recognise(look_through(days(tmp_path)))
    measured = survey(chosen.annotations.records)
    assert "Also readable" not in configuration(chosen, others, measured, [])


def test_polygons_of_more_than_four_vertices_are_no_quadrilaterals(tmp_path: Path) -> None:
    made_pages(tmp_path, 3, "train")
    for labels in (tmp_path / "train").glob("*.txt"):
        labels.write_text("10,8,50,6,90,8,90,28,50,30,10,28,word\n" * 3)
    found = best(tmp_path)
    assert found.settings.format == "polygons"
    assert {len(text.polygon_V2) for record in found.annotations.records for text in record.texts} == {6}


def test_images_are_found_where_labels_do_not_say(tmp_path: Path) -> None:
    made_pages(tmp_path / "deep" / "pages", 3)
    box = [[10, 8], [90, 8], [90, 28], [10, 28]]
    rows = [
        f"elsewhere/page_{number}.jpg\t{json.dumps([{'transcription': 'a', 'points': box}])}\n"
        for number in range(3)
    ]
    for file in (tmp_path / "deep").rglob("*.txt"):
        file.unlink()
    (tmp_path / "Label.txt").write_text("".join(rows))
    found = best(tmp_path)
    assert (found.settings.format, found.settings.image_path) == ("paddle", "name")
    assert found.settings.images == "deep/pages/{split}"
    assert len(found.annotations.records) == 3


def site(root: Path, name: str, label_format: str, count: int = 3) -> None:
    """Lay out pages called alike at every site, in folder `name`, each with a text at a place of its own."""
    made = made_pages(root / "made" / name, count, "x") / "x"
    (root / name / "imgs").mkdir(parents=True)
    rows = []
    for image in sorted(made.glob("*.jpg")):
        image.rename(root / name / "imgs" / image.name)
        points = [[1, 2], [40, 2], [40, 20], [1, 20 + len(name)]]
        rows.append((f"imgs/{image.name}", points))
    if label_format == "paddle":
        text = "".join(
            f"{image}\t{json.dumps([{'transcription': name, 'points': p}])}\n" for image, p in rows
        )
        (root / name / "Label.txt").write_text(text)
    elif label_format == "coco":
        images = [{"id": number, "file_name": image} for number, (image, _) in enumerate(rows)]
        marks = [
            {"id": n, "image_id": n, "text": name, "segmentation": [[x for xy in p for x in xy]]}
            for n, (_, p) in enumerate(rows)
        ]
        (root / name / "labels.json").write_text(json.dumps({"images": images, "annotations": marks}))
    else:
        (root / name / "gt").mkdir()
        for image, p in rows:
            line = ",".join(str(x) for xy in p for x in xy)
            (root / name / "gt" / f"{PurePosixPath(image).stem}.txt").write_text(f"{line},{name}\n")


def texts(found: Recognised) -> set[tuple[str, str, str | None]]:
    return {
        (record.split, record.key.rpartition("/imgs/")[0], text.text)
        for record in found.annotations.records
        for text in record.texts
    }


@pytest.mark.parametrize("label_format", ["paddle", "coco", "icdar"])
def test_pages_called_alike_at_two_sites_keep_their_own_labels(tmp_path: Path, label_format: str) -> None:
    for name in ("siteA", "siteB2"):
        site(tmp_path, name, label_format)
    shutil.rmtree(tmp_path / "made")
    found = best(tmp_path)
    assert len(found.annotations.records) == 6
    assert texts(found) == {("train", name, name) for name in ("siteA", "siteB2")}


@pytest.mark.parametrize("label_format", ["paddle", "coco", "icdar"])
def test_pages_called_alike_in_two_splits_keep_their_own_labels(tmp_path: Path, label_format: str) -> None:
    for name, count in (("train", 4), ("val", 3)):
        site(tmp_path, name, label_format, count)
    shutil.rmtree(tmp_path / "made")
    found = best(tmp_path)
    assert found.pages == {"train": 4, "val": 3}
    assert texts(found) == {("train", "train", "train"), ("val", "val", "val")}


def test_labels_that_fit_two_folders_as_well_are_not_guessed_at(tmp_path: Path) -> None:
    site(tmp_path, "batch1", "icdar")
    shutil.copytree(tmp_path / "batch1" / "imgs", tmp_path / "scans_new")
    (tmp_path / "batch1" / "imgs").rename(tmp_path / "scans_old")
    shutil.rmtree(tmp_path / "made")
    with pytest.raises(UsageError) as caught:
        best(tmp_path)
    assert "batch1/gt fits the images in scans_new and in scans_old equally well" in caught.value.found


def test_labels_that_are_not_read_are_named(tmp_path: Path) -> None:
    site(tmp_path, "siteA", "paddle")
    site(tmp_path, "siteB", "coco", count=2)
    shutil.rmtree(tmp_path / "made")
    folder = look_through(tmp_path)
    found = recognise(folder)[0]
    assert found.unread(folder) == [PurePosixPath("siteB/labels.json")]


def test_all_categories_are_taken_and_told(tmp_path: Path) -> None:
    site(tmp_path, "siteA", "coco")
    shutil.rmtree(tmp_path / "made")
    labels = tmp_path / "siteA" / "labels.json"
    whole = json.loads(labels.read_text())
    for number, row in enumerate(whole["annotations"]):
        row["category_id"] = number % 2
    labels.write_text(
        json.dumps(whole | {"categories": [{"id": 0, "name": "text"}, {"id": 1, "name": "table"}]})
    )
    chosen, *others = recognise(look_through(tmp_path))
    assert chosen.settings.categories == ("text", "table")
    written = configuration(chosen, others, survey(chosen.annotations.records), [])
    assert "categories: [text, table]" in written


@pytest.mark.parametrize(
    ("place", "split"),
    [
        ("train_list.txt", "train"),
        ("instances_test2017.json", "test"),
        ("validation/labels", "val"),
        ("test/train_labels", "train"),
        ("Label.txt", "train"),
        ("contest/Label.txt", "train"),
    ],
)
def test_split_by_the_words_of_a_path(place: str, split: str) -> None:
    assert split_name(PurePosixPath(place)) == split


@pytest.mark.parametrize("files", [{}, {"notes.txt": "remember the milk\n"}, {"a.json": "[1, 2]"}])
def test_a_folder_without_labels_is_told_what_is_known(tmp_path: Path, files: dict[str, str]) -> None:
    made_pages(tmp_path, 2)
    for file in tmp_path.rglob("*.txt"):
        file.unlink()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match="labels of its 2 pages in one of the formats ufo, icdar"):
        best(tmp_path)


def test_no_folder_and_no_images_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing there"):
        look_through(tmp_path / "absent")
    with pytest.raises(UsageError, match="none among 0 label files"):
        look_through(tmp_path)


@pytest.mark.parametrize(
    ("folder", "label_format", "pages"), [("sroie", "icdar", 86), ("totaltext", "polygons", 2)]
)
def test_real_folders(shared_data: Path, folder: str, label_format: str, pages: int) -> None:
    found = best(shared_data / folder)
    assert (found.settings.format, len(found.annotations.records)) == (label_format, pages)


@pytest.mark.parametrize(
    ("label_format", "file", "pages"),
    [
        ("coco", "mmocr0/instances_test.json", 10),
        ("mmocr0", "mmocr0/instances_test.txt", 10),
        ("mmocr1", "mmocr1/textdet_test.json", 10),
        ("labelme", "labelme", 10),
    ],
)
def test_real_labels_of_each_format(
    shared_data: Path, tmp_path: Path, label_format: str, file: str, pages: int
) -> None:
    pages_there = tmp_path / "pages"
    shutil.copytree(shared_data / "icdar2015" / "train" / "images", pages_there)
    source = shared_data / "formats" / file
    if source.is_dir():
        shutil.copytree(source, tmp_path / "labels")
    else:
        shutil.copy(source, tmp_path)
    found = best(tmp_path)
    assert found.settings.format == label_format
    assert len(found.annotations.records) == pages
