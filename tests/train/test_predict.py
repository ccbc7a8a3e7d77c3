from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from formats.errors import UsageError
from formats.shards import ShardSet
from formats.spec import GeometrySpec
from train.metrics import IcdarIou, truth_of
from train.plain_files import read_detections
from train.predict import main
from train.prediction import Predictor, image_files, predict_files, skipped_images, skipped_text


@pytest.fixture(scope="module")
def pages(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the small set's test split as image files, twice as large: their source coordinates."""
    folder = tmp_path_factory.mktemp("pages")
    shard_set = ShardSet(small_set, ["test"])
    for number in range(len(shard_set)):
        large_HWC = cv2.resize(shard_set.image(number), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        Image.fromarray(np.asarray(large_HWC)).save(folder / f"page{number}.png")
    return folder


def predict(run: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(
        main, ["--checkpoint", str(run), "--out", str(out), *words], standalone_mode=False
    )


def test_boxes_lie_on_the_texts_of_the_source(
    small_run: Path, small_set: Path, pages: Path, tmp_path: Path
) -> None:
    result = predict(small_run, tmp_path, str(pages))
    assert result.return_value == 0, result.output
    records = json.loads((tmp_path / "boxes.json").read_text())["images"]
    shard_set = ShardSet(small_set, ["test"])
    matched = texts = 0
    for number, record in enumerate(records):
        assert (record["width"], record["height"]) == (192, 256)
        polygons = [np.array(text["polygon"]) for text in record["texts"]]
        scores = [text["score"] for text in record["texts"]]
        assert scores == sorted(scores, reverse=True)
        score = IcdarIou().match(truth_of(shard_set.meta(number)), polygons)
        matched, texts = matched + len(score.pairs), texts + int(score.recall_total)
    assert matched > 0.7 * texts


def test_three_forms_of_one_result(small_run: Path, pages: Path, tmp_path: Path) -> None:
    result = predict(small_run, tmp_path, "--json", str(pages / "page3.png"))
    (record,) = json.loads(result.stdout)["images"]
    lines = read_detections(tmp_path, quads=True)["page3"]
    assert len(lines) == len(record["texts"]) > 0
    for polygon_V2, text in zip(lines.polygons, record["texts"], strict=True):
        np.testing.assert_allclose(polygon_V2, text["polygon"], atol=0.51)
    with Image.open(tmp_path / "page3.png") as overlay, Image.open(pages / "page3.png") as page:
        assert overlay.size == page.size
        assert np.any(np.asarray(overlay) != np.asarray(page.convert("RGB")))


def test_a_turned_photograph_gives_the_same_boxes(small_run: Path, pages: Path, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[274] = 6
    with Image.open(pages / "page1.png") as page:
        page.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=tags)
    predict(small_run, tmp_path / "a", "--no-overlays", str(tmp_path / "turned.png"))
    predict(small_run, tmp_path / "b", "--no-overlays", str(pages / "page1.png"))
    assert (tmp_path / "a/res_turned.txt").read_text() == (tmp_path / "b/res_page1.txt").read_text()
    assert not list((tmp_path / "a").glob("*.png"))


def test_what_cannot_be_read_is_told_and_the_rest_done(small_run: Path, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    result = predict(small_run, tmp_path / "out", str(tmp_path / "bad.jpg"), str(pages / "page0.png"))
    assert result.return_value == 1
    assert "bad.jpg" in result.stderr
    assert len(json.loads((tmp_path / "out/boxes.json").read_text())["images"]) == 1


def test_settings_can_be_changed(small_run: Path, pages: Path, tmp_path: Path) -> None:
    result = predict(small_run, tmp_path, "--set", "boxes.max_boxes=1", "--json", str(pages))
    assert {len(image["texts"]) for image in json.loads(result.stdout)["images"]} == {1}
    result = predict(small_run, tmp_path, "--set", "boxes.max_boxs=1", str(pages))
    assert isinstance(result.exception, UsageError)


def test_pages_of_one_name_are_refused_before_any_is_found(pages: Path, tmp_path: Path) -> None:
    files = [pages / "page0.png", tmp_path / "page0.png"]
    with pytest.raises(UsageError, match=re.escape(str(files[1]))):
        predict_files(None, files, tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_page_too_narrow_for_the_canvas_is_told_and_the_rest_done(pages: Path, tmp_path: Path) -> None:
    # Of 1 x 15000 pixels: to cover the canvas it would be enlarged to 23 gigabytes.
    Image.new("L", (15_000, 1)).save(tmp_path / "line.png")
    geometry = GeometrySpec(canvas=(736, 736), resize="shortest")
    trained = SimpleNamespace(
        finder=lambda: None, set_settings=SimpleNamespace(geometry=geometry), path=tmp_path
    )
    predictor = Predictor(trained)  # type: ignore[arg-type]
    written = predict_files(predictor, [tmp_path / "line.png"], tmp_path / "out")
    (error,) = written.failed
    assert "line.png: a page too narrow for its canvas" in str(error)
    assert "1 x 15000 (height x width), enlarged to 736 x 11040000" in error.found


def test_folders_give_their_images(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files([tmp_path, tmp_path / "notes.txt"])] == [
        "a.jpg",
        "b.PNG",
        "notes.txt",
    ]
    (tmp_path / "none").mkdir()
    for path in (tmp_path / "none", tmp_path / "absent.png"):
        with pytest.raises(UsageError):
            image_files([path])


def test_images_of_kinds_that_are_not_read_are_told_of(small_run: Path, pages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.gif", "b.GIF", "c.heic", "notes.txt"):
        (folder / name).touch()
    assert [path.name for path in skipped_images([folder, pages / "page0.png"])] == [
        "a.gif",
        "b.GIF",
        "c.heic",
    ]
    assert "skipped 2 .gif, 1 .heic (the first: " in skipped_text(skipped_images([folder]))
    with pytest.raises(UsageError) as caught:
        image_files([folder])
    assert (caught.value.found, caught.value.next_step) == ("none, but .gif, .heic", "convert them to PNG")
    shutil.copy(pages / "page0.png", folder)
    result = predict(small_run, tmp_path / "out", "--no-overlays", str(folder))
    assert result.return_value == 0
    assert "a.gif" in result.stderr and ".webp" in result.stderr
