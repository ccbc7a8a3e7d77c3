"""An evaluation to look at: one HTML file, the worst pages first, and precision against recall."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from formats.shards import ShardSet
from train.boxes import Detections
from train.curves import ScorePoint, plot_precision_recall
from train.evaluation import EvaluationReport
from train.pictures import page_picture
from train.report import ReportRow, Value, write_report
from train.scoring import PROTOCOLS, Evaluation, Page, evaluation_of, score_page

MOST_PAGES = 60
"""Pictures in one report; the pages that scored better are left out."""
THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.05), 2)


def write_pages(report: EvaluationReport, shard_set: ShardSet, path: Path) -> None:
    """Write the HTML file.

    Args:
        report: of an evaluation of `shard_set`, its pages in the set's order from the first.
        shard_set: where the pages' pictures are.
        path: of the file; its folder is made where missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    evaluation = report.evaluation
    protocol = next(iter(evaluation.scores))
    order = sorted(enumerate(evaluation.pages), key=lambda item: item[1].scores[protocol].hmean)
    rows = [_row(page, number, protocol, shard_set) for number, page in order[:MOST_PAGES]]
    shown: dict[str, Value] = {name: round(value, 4) for name, value in evaluation.metrics.items()}
    with TemporaryDirectory() as folder:
        curve = Path(folder) / "precision_recall.png"
        plot_precision_recall(score_points(evaluation, protocol), curve)
        write_report(
            path,
            f"{report.what['split']}: {len(evaluation.pages)} pages",
            shown,
            rows,
            intro=f"{report.what['checkpoint']} at step {report.what['step']}, judged by {protocol}.",
            plots={f"precision and recall over the box score ({protocol})": curve},
        )


def score_points(evaluation: Evaluation, protocol: str) -> list[ScorePoint]:
    """Return precision and recall of the detections at or above each of some scores.

    Scores that no detection reaches are left out: there is no precision of nothing.
    """
    highest = max((page.found.scores.max(initial=0.0) for page in evaluation.pages), default=0.0)
    points = []
    for threshold in THRESHOLDS[highest >= THRESHOLDS].tolist():
        pages = [
            score_page(page.key, page.truth, above(page.found, threshold), {protocol: PROTOCOLS[protocol]})
            for page in evaluation.pages
        ]
        score = evaluation_of(pages, [protocol]).scores[protocol]
        points.append(ScorePoint(threshold, score.precision, score.recall))
    return points


def above(found: Detections, threshold: float) -> Detections:
    """Return the detections whose score is at least `threshold`."""
    kept = np.flatnonzero(found.scores >= threshold)
    return Detections(tuple(found.polygons[index] for index in kept), found.scores[kept])


def _row(page: Page, number: int, protocol: str, shard_set: ShardSet) -> ReportRow:
    score = page.scores[protocol]
    values: dict[str, Value] = {
        "precision": score.precision,
        "recall": score.recall,
        "texts": int((~page.truth.ignored_G).sum()),
        "found": len(page.found),
    }
    return ReportRow(page.key, score.hmean, values, page_picture(page, number, protocol, shard_set))
