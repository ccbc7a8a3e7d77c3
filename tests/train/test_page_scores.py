from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from formats.runs.page_results import PAGES, read_page_results
from formats.runs.record import read_run
from formats.shards import ShardSet
from train.boxes import Detections
from train.metrics import PageTruth
from train.page_scores import keep_pages
from train.scoring import PROTOCOLS, Evaluation, evaluation_of, score_page

SQUARE = np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 20.0], [0.0, 20.0]])
TRUTH = PageTruth((SQUARE, SQUARE + 100, SQUARE + 200), np.array([False, False, True]), ("a", None, None))


def evaluation(*boxes: np.ndarray) -> Evaluation:
    found = Detections(tuple(boxes), np.linspace(0.9, 0.5, len(boxes)))
    return evaluation_of(
        [score_page("a.jpg", TRUTH, found, {"icdar2015": PROTOCOLS["icdar2015"]})], ["icdar2015"]
    )


def test_found_missed_and_uncounted_are_told_apart(tmp_path: Path) -> None:
    keep_pages(tmp_path, evaluation(SQUARE, SQUARE + 200, SQUARE + 300), 7, "hmean")
    results = read_page_results(tmp_path / PAGES)
    assert results is not None and (results.step, results.protocol) == (7, "icdar2015")
    page = results.pages["a.jpg"]
    assert (page.matched, page.ignored, page.missed, len(page.found)) == ((0,), (1,), (1,), 3)
    assert page.hmean == results.value == 0.5


def test_the_best_stands_and_of_equals_the_later(tmp_path: Path) -> None:
    def kept_after(found: Evaluation, step: int) -> int:
        keep_pages(tmp_path, found, step, "hmean")
        results = read_page_results(tmp_path / PAGES)
        assert results is not None
        return results.step

    good, poor = evaluation(SQUARE, SQUARE + 100), evaluation(SQUARE)
    assert [kept_after(poor, 1), kept_after(good, 2), kept_after(poor, 3), kept_after(good, 4)] == [
        1,
        2,
        2,
        4,
    ]
    # A run taken up again at step 3: what was written at step 4 is of a future that is gone.
    assert kept_after(poor, 3) == 3


def test_a_better_one_that_does_not_compare_gives_way(tmp_path: Path) -> None:
    keep_pages(tmp_path, evaluation(SQUARE, SQUARE + 100), 1, "hmean")
    keep_pages(tmp_path, evaluation(SQUARE), 2, "hmean", scores_from=2)
    results = read_page_results(tmp_path / PAGES)
    assert results is not None and results.step == 2
    keep_pages(tmp_path, evaluation(), 3, "hmean", scores_from=2)
    results = read_page_results(tmp_path / PAGES)
    assert results is not None and results.step == 2


def test_the_best_by_another_metric_gives_way(tmp_path: Path) -> None:
    keep_pages(tmp_path, evaluation(SQUARE, SQUARE + 100), 1, "hmean")
    keep_pages(tmp_path, evaluation(SQUARE), 2, "icdar2015/hmean")
    results = read_page_results(tmp_path / PAGES)
    assert results is not None and (results.step, results.monitor) == (2, "icdar2015/hmean")


def test_a_real_run_keeps_the_pages_of_its_best_validation(small_run: Path, small_set: Path) -> None:
    run, results = read_run(small_run), read_page_results(small_run / PAGES)
    assert run.best is not None and results is not None
    assert (results.step, results.value) == (run.best.step, run.best.metrics["hmean"])
    opened = ShardSet(small_set, ["test"])
    assert [*results.pages] == [opened.key(number) for number in range(len(opened))]
    for number in range(len(opened)):
        page = results.pages[opened.key(number)]
        assert len(page.matched) + len(page.missed) <= len(opened.meta(number).texts)
        assert replace(page, found=()).scores == tuple(sorted(page.scores, reverse=True))
