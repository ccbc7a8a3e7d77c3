from __future__ import annotations

from pathlib import Path

import numpy as np

from train.boxes import Detections
from train.evaluation import evaluate_checkpoint
from train.figures.evaluation_pages import above, score_points, write_pages


def test_fewer_detections_at_a_higher_score(small_run: Path, small_set: Path, tmp_path: Path) -> None:
    report = evaluate_checkpoint(
        small_run, small_set, "test", ["icdar2015"], overrides=["boxes.box_score=0.1"]
    )
    points = score_points(report.evaluation, "icdar2015")
    whole = report.evaluation.scores["icdar2015"]
    assert (points[0].precision, points[0].recall) == (whole.precision, whole.recall)
    recalls = [point.recall for point in points]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[-1] < recalls[0]
    assert report.shard_set is not None
    path = tmp_path / "new/pages.html"
    write_pages(report, report.shard_set, path)
    assert path.read_text().count("<img") == 9
    assert [found.name for found in path.parent.iterdir()] == ["pages.html"]


def test_above_keeps_order_and_pairs() -> None:
    polygons = tuple(np.full((4, 2), float(index)) for index in range(3))
    kept = above(Detections(polygons, np.array([0.9, 0.3, 0.5])), 0.5)
    assert [polygon_V2[0, 0] for polygon_V2 in kept.polygons] == [0.0, 2.0]
    assert kept.scores.tolist() == [0.9, 0.5]
