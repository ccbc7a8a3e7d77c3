from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from formats.errors import UsageError
from train.boxes import Detections
from train.plain_files import detection_lines, read_detections, read_truths, write_detections

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
    assert truth.texts == ("a, b", "###", "12", "")
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
