from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from formats.errors import UsageError
from formats.shards import ShardSet
from train.boxes import Detections
from train.evaluate import main
from train.evaluation import (
    NO_DETECTIONS,
    EvaluationReport,
    evaluate_checkpoint,
    evaluate_files,
    save_evaluation,
    table,
)
from train.metrics import PageTruth, truth_of
from train.plain_files import read_detections
from train.scoring import PROTOCOLS, evaluation_of, score_page
from train.storage_settings import StorageSettings
from train.trained import load_trained
from train.validation import Validation

SQUARE = "0,0,10,0,10,10,0,10"


def test_a_checkpoint_scores_as_in_training(small_run: Path, small_set: Path) -> None:
    report = evaluate_checkpoint(small_run, small_set, None)
    best = json.loads((small_run / "best.json").read_text())
    assert report.evaluation.metrics == pytest.approx(best["metrics"])
    assert report.what["pages"] == 8
    assert report.evaluation.metrics["hmean"] > 0.7


def test_boxes_are_in_source_coordinates(small_run: Path, small_set: Path) -> None:
    report = evaluate_checkpoint(small_run, small_set, "test")
    shard_set = ShardSet(small_set, ["test"])
    for number, page in enumerate(report.evaluation.pages):
        assert page.key == shard_set.key(number)
        assert len(page.truth.polygons) == len(truth_of(shard_set.meta(number)).polygons)
        # Sources are twice the canvas: boxes on the canvas would all lie in its upper left quarter.
        reach = np.concatenate(page.found.polygons).max(axis=0)
        assert (reach > 96).all()


def test_another_size_gives_boxes_in_the_same_coordinates(small_run: Path, small_set: Path) -> None:
    other = evaluate_checkpoint(small_run, small_set, "test", overrides=["data.eval_size=160"])
    assert other.what["eval_size"] == 160
    # In canvas or network coordinates hardly a box would lie on a text.
    assert other.evaluation.metrics["hmean"] > 0.3


def test_a_set_is_read_as_the_run_and_the_words_say(
    small_run: Path, small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[StorageSettings] = []

    def opened(shards: Path, splits: list[str], settings: StorageSettings) -> tuple[ShardSet, None]:
        asked.append(settings)
        return ShardSet(shards, splits), None

    monkeypatch.setattr("train.evaluation.open_set", opened)
    evaluate_checkpoint(small_run, small_set, "test", limit=1, overrides=["data.storage.cache_mb=0"])
    assert asked == [StorageSettings(cache_mb=0)]


def test_a_split_can_be_cut_short_or_stopped(small_run: Path, small_set: Path) -> None:
    report = evaluate_checkpoint(small_run, small_set, "train", limit=2)
    assert report.what["pages"] == 8
    validation = Validation(ShardSet(small_set, ["test"]), batch_size=4, threads=1)
    assert validation.run(load_trained(small_run).finder(), stop=lambda: True) is None


def test_what_is_no_quadrilateral_is_scored_under_another_name(small_run: Path, small_set: Path) -> None:
    words = ["boxes.shape=polygon"]
    report = evaluate_checkpoint(small_run, small_set, "test", overrides=words)
    assert list(report.evaluation.scores) == ["polygon", "cleval"]
    with pytest.raises(UsageError, match="protocol icdar2015") as caught:
        evaluate_checkpoint(small_run, small_set, "test", ["cleval", "icdar2015"], overrides=words)
    assert "boxes.shape=polygon" in caught.value.found and "polygon" in caught.value.next_step


@pytest.mark.parametrize(
    "word",
    [
        "optim.lr=0.5",
        "targets.shrink_ratio=0.5",
        "trainer.ema_decay=0.9",
        "data.augment={flip: 0.0}",
        "seed=1",
        "model.width=16",
        "data={eval_size: 96}",
    ],
)
def test_settings_of_training_alone_are_refused_by_name(small_run: Path, small_set: Path, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        evaluate_checkpoint(small_run, small_set, "test", overrides=[word])
    assert word.partition("=")[0] in caught.value.thing
    assert "data.eval_size, boxes," in caught.value.next_step


def test_settings_that_an_evaluation_uses_are_used(
    small_run: Path, small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    words = ["trainer.limit_val_batches=2", "data.eval_batch_size=3", "data.val=train", "trainer.threads=3"]
    report = evaluate_checkpoint(small_run, small_set, None, overrides=words)
    assert (report.what["split"], report.what["pages"], threads) == ("train", 6, [3])
    for given in ({"split": "test"}, {"split": None, "limit": 1}):
        with pytest.raises(UsageError, match="one of it and the setting"):
            evaluate_checkpoint(small_run, small_set, overrides=words, **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"data\.val"):
        load_trained(small_run, ["data.val=train"])


def test_json_and_files(small_run: Path, small_set: Path, tmp_path: Path) -> None:
    words = ["--checkpoint", str(small_run), "--shards", str(small_set), "--out", str(tmp_path), "--json"]
    words += ["--report", str(tmp_path / "new/pages.html")]
    result = CliRunner().invoke(main, [*words, "boxes.box_score=0.5"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["metrics"].keys() == {"icdar2015", "cleval"}
    assert report["what"]["boxes"]["box_score"] == 0.5
    hmeans = [page["icdar2015"]["hmean"] for page in report["pages"]]
    assert hmeans == sorted(hmeans)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == report
    assert len(read_detections(tmp_path, quads=True)) == 8
    page = (tmp_path / "new/pages.html").read_text()
    assert page.count("<img") == 8 + 1
    assert all(record["key"] in page for record in report["pages"])


def test_a_table_for_people(small_run: Path, small_set: Path) -> None:
    result = CliRunner().invoke(main, ["--checkpoint", str(small_run), "--shards", str(small_set)])
    assert "H-mean" in result.stdout
    assert "worst pages" in result.stdout


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_plain_files_by_icdar(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "gt",
        gt_img_1=f"{SQUARE},word\n20,0,30,0,30,10,20,10,word\n40,0,60,0,60,10,40,10,###\n",
        gt_img_2=f"{SQUARE},word\n",
    )
    # Found; don't-care (most of it lies on ###); false; and nothing at all for the second page.
    found = write(tmp_path / "res", res_img_1=f"{SQUARE}\n45,0,65,0,65,10,45,10\n20,20,30,20,30,30,20,30\n")
    report = evaluate_files(found, truth, ["icdar2015", "cleval"])
    score = report.evaluation.scores["icdar2015"]
    assert (score.precision, score.recall) == (pytest.approx(1 / 2), pytest.approx(1 / 3))
    assert "icdar2015" in table(report)
    words = ["--detections", str(found), "--ground-truth", str(truth), "--protocol", "icdar2015", "--json"]
    result = CliRunner().invoke(main, words)
    assert json.loads(result.stdout)["metrics"]["icdar2015"]["hmean"] == pytest.approx(0.4)
    save_evaluation(report, tmp_path / "out")


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["scan/page0", "img.v2", "a/b.JPG", ".jpg"], ["scan_page0", "img.v2", "a_b", ".jpg"]),
        (["x.jpg", "x.png"], ["x.jpg", "x.png"]),
        (["a/b.jpg", "a_b.jpg"], ["a%2Fb", "a_b"]),
        (["a/b.jpg", "a_b.jpg", "a%2Fb.jpg"], ["a%2Fb", "a_b", "a%252Fb"]),
    ],
)
def test_detections_are_written_by_key(tmp_path: Path, keys: list[str], names: list[str]) -> None:
    truth = PageTruth((np.array([[0.0, 0], [9, 0], [9, 9]]),), np.array([False]), None)
    pages = [score_page(key, truth, NO_DETECTIONS, {"icdar2015": PROTOCOLS["icdar2015"]}) for key in keys]
    save_evaluation(EvaluationReport({}, evaluation_of(pages, ["icdar2015"])), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.txt")} == {f"res_{name}.txt" for name in names}


def test_plain_files_by_polygon(tmp_path: Path) -> None:
    outline = "0,0,5,2,10,0,10,10,5,12,0,10"
    truth, found = write(tmp_path / "gt", a=f"{outline},word"), write(tmp_path / "res", a=outline)
    for protocol in ("polygon", "total_text"):
        assert evaluate_files(found, truth, [protocol]).evaluation.metrics["hmean"] == 1.0


def test_plain_files_of_polygons_are_not_scored_by_a_protocol_for_quadrilaterals(tmp_path: Path) -> None:
    outline = "0,0,5,2,10,0,10,10,5,12,0,10"
    truth, found = write(tmp_path / "gt", a=f"{outline},word"), write(tmp_path / "res", a=outline)
    assert list(evaluate_files(found, truth, outline="polygon").evaluation.scores) == ["polygon"]
    for protocols in (["icdar2015"], ["icdar2015", "total_text"]):
        with pytest.raises(UsageError, match="protocol icdar2015"):
            evaluate_files(found, truth, protocols, "polygon")


def test_detections_without_a_page_are_refused(tmp_path: Path) -> None:
    truth, found = write(tmp_path / "gt", gt_a=f"{SQUARE},x"), write(tmp_path / "res", res_b=SQUARE)
    with pytest.raises(UsageError, match="'b'"):
        evaluate_files(found, truth)


@pytest.mark.parametrize("words", [[], ["--checkpoint", "x"], ["--detections", "a", "--shards", "b"]])
def test_half_a_question_is_a_usage_error(words: list[str]) -> None:
    assert CliRunner().invoke(main, words).exit_code == 2


def test_plain_files_as_a_page_and_over_the_score(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "gt", gt_good=f"{SQUARE},word\n", gt_bad=f"{SQUARE},word\n80,0,90,0,90,9,80,9,x\n"
    )
    far = "20,20,30,20,30,30,20,30"
    found = write(tmp_path / "res", res_good=f"{SQUARE},0.9\n", res_bad=f"{SQUARE},0.7\n{far},0.3\n")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/good.png"), np.full((40, 50, 3), 90, np.uint8))
    words = ["--detections", str(found), "--ground-truth", str(truth), "--json"]
    words += ["--report", str(tmp_path / "pages.html"), "--images", str(tmp_path / "images")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [page["key"] for page in report["pages"]] == ["bad", "good"]
    points = {point["threshold"]: (point["precision"], point["recall"]) for point in report["by_score"]}
    assert points[0.0] == pytest.approx((2 / 3, 2 / 3))
    assert points[0.5] == pytest.approx((1.0, 2 / 3))
    assert points[0.9] == pytest.approx((1.0, 1 / 3))
    assert 0.95 not in points
    page = (tmp_path / "pages.html").read_text()
    assert page.count("<img") == 2 + 1
    assert page.index("<b>bad</b>") < page.index("<b>good</b>")
    assert 'width="50" height="40"' in page


def test_plain_files_by_cleval_alone_are_quads(tmp_path: Path) -> None:
    truth = write(tmp_path / "gt", gt_a=f"{SQUARE},1,2,3\n")
    found = write(tmp_path / "res", res_a=SQUARE)
    report = evaluate_files(found, truth, ["cleval"])
    assert report.evaluation.scores["cleval"].per_page[0].recall_total == 5
    curved = evaluate_files(found, truth, ["cleval"], outline="polygon")
    assert len(curved.evaluation.pages[0].truth.polygons[0]) == 5


def test_the_boxes_that_were_scored_are_written_beside_whole_pixels(tmp_path: Path) -> None:
    truth = PageTruth((np.array([[0.0, 0], [9, 0], [9, 9], [0, 9]]),), np.array([False]), None)
    found = Detections((np.array([[0.25, 0.4], [9.6, 0], [9, 9.125], [0, 9]]),), np.array([0.5]))
    page = score_page("a/b.jpg", truth, found, {"icdar2015": PROTOCOLS["icdar2015"]})
    save_evaluation(EvaluationReport({}, evaluation_of([page], ["icdar2015"])), tmp_path)
    assert (tmp_path / "res_a_b.txt").read_text() == "0,0,10,0,9,9,0,9\n"
    polygon = [[0.25, 0.4], [9.6, 0.0], [9.0, 9.12], [0.0, 9.0]]
    assert json.loads((tmp_path / "boxes.json").read_text()) == {
        "pages": [{"key": "a/b.jpg", "texts": [{"polygon": polygon, "score": 0.5}]}]
    }
