"""An evaluation to look at: one HTML file, the worst pages first, and precision against recall."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from formats.sample import Bytes
from formats.shards import ShardSet
from train.evaluation import EvaluationReport
from train.figures.curves import plot_precision_recall
from train.figures.pictures import page_picture, plain_picture
from train.figures.report import ReportRow, Value, write_report
from train.score_points import above, score_points
from train.scoring import Page

__all__ = ["above", "score_points", "write_pages"]

MOST_PAGES = 60
"""Pictures in one report; the pages that scored better are left out."""


def write_pages(
    report: EvaluationReport, shard_set: ShardSet | None, path: Path, images: Path | None = None
) -> None:
    """Write the HTML file.

    Args:
        report: of an evaluation of `shard_set`, its pages in the set's order from the first; or of files.
        shard_set: where the pages' pictures are; None for plain files.
        path: of the file; its folder is made where missing.
        images: of plain files: a folder of pictures; pages without one are drawn on white.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    evaluation = report.evaluation
    protocol = next(iter(evaluation.scores))
    order = sorted(enumerate(evaluation.pages), key=lambda item: item[1].scores[protocol].hmean)
    rows = []
    for number, page in order[:MOST_PAGES]:
        if shard_set is None:
            rows.append(_row(page, protocol, plain_picture(page, protocol, images)))
        else:
            rows.append(_row(page, protocol, page_picture(page, number, protocol, shard_set)))
    shown: dict[str, Value] = {name: round(value, 4) for name, value in evaluation.metrics.items()}
    what, points = report.what, score_points(evaluation, protocol)
    source = f"{what['checkpoint']} at step {what['step']}" if "checkpoint" in what else what["detections"]
    with TemporaryDirectory() as folder:
        plots = {}
        if points:
            curve = Path(folder) / "precision_recall.png"
            plot_precision_recall(points, curve)
            plots[f"precision and recall over the box score ({protocol})"] = curve
        write_report(
            path,
            f"{what.get('split', 'Detections')}: {len(evaluation.pages)} pages",
            shown,
            rows,
            intro=f"{source}, judged by {protocol}.",
            plots=plots,
        )


def _row(page: Page, protocol: str, picture_HWC: Bytes) -> ReportRow:
    score = page.scores[protocol]
    values: dict[str, Value] = {
        "precision": score.precision,
        "recall": score.recall,
        "texts": int((~page.truth.ignored_G).sum()),
        "found": len(page.found),
    }
    return ReportRow(page.key, score.hmean, values, picture_HWC)
