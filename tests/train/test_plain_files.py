from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from formats.errors import UsageError
from formats.image_header import IMAGE_SUFFIXES
from train.boxes import Detections
from train.plain_files import detection_lines, read_detections, read_truths, result_names, write_detections

SQUARE = "0,0,10,0,10,10,0,10"


def write(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_quads_with_transcriptions(tmp_path: Path) -> None:
    text = f"\ufeff{SQUARE},a, b\r\n\r\n{SQUARE},###\r\n{SQUARE},12\r\n{SQUARE}\r\n"
    truths = read_truths(write(tmp_path, gt_img_1=text), quads=True)
    truth = truths["img_1"]
    assert truth.texts == ("a, b", "###", "12", None)
    assert truth.ignored_G.tolist() == [False, True, False, False]
    np.testing.assert_array_equal(truth.polygons[0], [[0, 0], [10, 0], [10, 10], [0, 10]])


def test_polygons_with_transcriptions(tmp_path: Path) -> None:
    lines = ["0,0,10,0,10,10,5,12,0,10,word", "0,0,10,0,10,10,12", "0,0,10,0,10,10,a,b", f"{SQUARE},*"]
    truth = read_truths(write(tmp_path, a="\n".join(lines)), quads=False)["a"]
    assert [len(polygon_V2) for polygon_V2 in truth.polygons] == [5, 3, 3, 4]
    assert truth.texts == ("word", "12", "a,b", "*")
    assert truth.ignored_G.tolist() == [False, False, False, True]


def test_detections_with_and_without_scores(tmp_path: Path) -> None:
    folder = write(tmp_path, res_img_2=f"{SQUARE},0.75\n{SQUARE}\n", res_img_3="")
    pages = read_detections(folder, quads=True)
    assert pages["img_2"].scores.tolist() == [0.75, 0.0]
    assert len(pages["img_3"]) == 0
    curved = read_detections(
        write(tmp_path / "c", a="0,0,10,0,10,10,5,12,0,10,0.5\n0,0,9,0,9,9"), quads=False
    )
    assert [len(polygon_V2) for polygon_V2 in curved["a"].polygons] == [5, 3]
    assert curved["a"].scores.tolist() == [0.5, 0.0]


def test_a_zip_is_as_good_as_a_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "plain", res_a=SQUARE, res_b="")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"inner/{path.name}")
        archive.writestr("__MACOSX/._res_a.txt", b"\x00\x05")
    zipped = read_detections(tmp_path / "all.zip", quads=True)
    assert zipped.keys() == read_detections(folder, quads=True).keys() == {"a", "b"}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    polygons = (
        np.array([[0.4, 0.6], [10.0, 0.0], [10.0, 10.0]]),
        np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]]),
    )
    found = Detections(polygons, np.array([0.9, 0.5]))
    assert detection_lines(found) == "0,1,10,0,10,10\n1,2,3,4,5,6,7,8\n"
    write_detections(tmp_path / "new", {"page": found})
    back = read_detections(tmp_path / "new", quads=False)["page"]
    np.testing.assert_array_equal(back.polygons[1], polygons[1])


@pytest.mark.parametrize(
    "line", ["1,2,3", "a,b,c,d,e,f,g,h", "0,0,10,0,10,10,0,nan", "0,0,1e999,0,10,10,0,10"]
)
def test_lines_that_make_no_sense_name_file_and_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"gt_a\.txt, line 2"):
        read_truths(write(tmp_path, gt_a=f"{SQUARE},x\n{line}"), quads=True)


def test_absent_files_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_bytes(b"no zip")
    for path in (tmp_path / "empty", tmp_path / "absent", tmp_path / "no.zip"):
        with pytest.raises(UsageError):
            read_truths(path, quads=True)


def test_latin_1_transcriptions_are_read(tmp_path: Path) -> None:
    truth = read_truths(write(tmp_path, gt_a=f"{SQUARE},caf".encode() + b"\xe9"), quads=True)["a"]
    assert truth.texts == ("café",)


def test_transcriptions_are_read_as_the_official_scripts_read_them(tmp_path: Path) -> None:
    quoted = 'x"' + chr(92) + '"y"'
    lines = [f"{SQUARE},{word}" for word in ("", " ###", '"###"', "*", "a\u2028b\x85c", quoted, "1,234,5,6")]
    truth = read_truths(write(tmp_path, gt_a="\n".join(lines)), quads=True)["a"]
    assert truth.texts == ("", " ###", "###", "*", "a\u2028b\x85c", quoted, "1,234,5,6")
    assert np.flatnonzero(truth.ignored_G).tolist() == [2]
    escaped = read_truths(write(tmp_path / "b", a=f'{SQUARE}, "say ' + chr(92) + '"hi"'), quads=True)["a"]
    assert escaped.texts == ('say "hi',)


def test_scored_detections_come_best_first_where_all_have_a_score(tmp_path: Path) -> None:
    lines = [f"{10 * n},0,9,0,9,9,0,9,{score}" for n, score in enumerate(("0.5", "0.9", "0.5", "1"))]
    found = read_detections(write(tmp_path, res_a="\n".join(lines)), quads=True)["a"]
    assert found.scores.tolist() == [1.0, 0.9, 0.5, 0.5]
    assert [int(polygon_V2[0, 0]) for polygon_V2 in found.polygons] == [30, 10, 0, 20]
    lines[1] = "10,0,9,0,9,9,0,9"
    mixed = read_detections(write(tmp_path / "mixed", res_a="\n".join(lines)), quads=True)["a"]
    assert [int(polygon_V2[0, 0]) for polygon_V2 in mixed.polygons] == [0, 10, 20, 30]
    worded = read_detections(write(tmp_path / "w", res_a=f"{SQUARE},0.75,word"), quads=True)["a"]
    assert worded.scores.tolist() == [0.75]


TOTAL_TEXT = """x: [[153 161 179
 195]], y: [[347 323 305 315]], ornt: [u'c'], transcriptions: [u'the, x:']
x: [[1 5 9]], y: [[2 6 2]], ornt: [u'#'], transcriptions: [u'#']
"""


def test_ground_truth_as_total_text_publishes_it(tmp_path: Path) -> None:
    truth = read_truths(write(tmp_path, poly_gt_img1=TOTAL_TEXT), quads=False)["img1"]
    np.testing.assert_array_equal(truth.polygons[0], [[153, 347], [161, 323], [179, 305], [195, 315]])
    assert truth.texts == ("the, x:", "#")
    assert truth.ignored_G.tolist() == [False, True]
    broken = TOTAL_TEXT.replace("[[1 5 9]]", "[[1 5]]")
    with pytest.raises(UsageError, match="after text 1"):
        read_truths(write(tmp_path / "b", poly_gt_img1=broken), quads=False)


def test_names_of_one_page_meet_and_never_twice(tmp_path: Path) -> None:
    names = ("poly_gt_img3", "gt_img4.jpg", "img5.jpg")
    folder = write(tmp_path, **dict.fromkeys(names, f"{SQUARE},x"))
    assert read_truths(folder, quads=False).keys() == {"img3", "img4", "img5"}
    with pytest.raises(UsageError, match="one file a page"):
        read_truths(write(tmp_path, img_3=SQUARE, gt_img_3=SQUARE), quads=True)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a/1.txt", SQUARE)
        archive.writestr("b/1.txt", SQUARE)
    with pytest.raises(UsageError, match="one file a page"):
        read_detections(tmp_path / "two.zip", quads=True)


def test_curved_detections_are_not_read_as_quads(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="8 numbers"):
        read_detections(write(tmp_path, a="0,0,5,2,10,0,10,10,5,12,0,10"), quads=True)


def test_results_are_named_without_the_suffix_unless_two_would_be_one() -> None:
    assert result_names(["x.jpg", "x.png", "y.TIF", "notes.txt"]) == ["x.jpg", "x.png", "y", "notes.txt"]
    # Whole names where a short one would be another's whole one.
    names = ["a.jpg.png", "a.jpg", "a.png"]
    assert result_names(names) == names
    with pytest.raises(UsageError, match=r"'x\.jpg'") as caught:
        result_names(["x.jpg", "y.jpg", "x.jpg"], ["a/x.jpg", "a/y.jpg", "b/x.jpg"])
    assert caught.value.found == "a/x.jpg, b/x.jpg"


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".JPG", ".jpg.png"])
def test_a_picture_of_any_kind_that_is_read_may_stand_in_a_name(tmp_path: Path, suffix: str) -> None:
    folder = write(tmp_path, **{f"gt_x{suffix}": f"{SQUARE},word"})
    assert read_truths(folder, quads=True).keys() == {"x"}
