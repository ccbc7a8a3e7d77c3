"""The pages of a run's best validation, kept in its folder (formats/runs/page_results.py)."""

from __future__ import annotations

from pathlib import Path

from formats.runs.page_results import (
    PAGES,
    PageResult,
    PageResults,
    read_heading,
    write_page_results,
)
from train.scoring import Evaluation, Page


def keep_pages(folder: Path, evaluation: Evaluation, step: int, monitor: str, scores_from: int = 0) -> None:
    """Write a validation's pages into a run's folder, unless one that lies there was better.

    Of equals the later stands, as with checkpoints. What lies there from a step still to come was written
    before a run was taken up again from an earlier one: it gives way. So does the best by another metric, and
    one of a step before `scores_from`.

    Args:
        folder: the run's.
        evaluation: of its detector as it stands.
        step: optimizer steps so far.
        monitor: name of the metric to go by.
        scores_from: the first step whose scores compare with this one.
    """
    value, kept = evaluation.metrics.get(monitor), read_heading(folder / PAGES)
    if kept is not None and kept[0] >= scores_from and _stands(kept, step, monitor, value):
        return
    protocol = next(iter(evaluation.scores))
    pages = {page.key: _result(page, protocol) for page in evaluation.pages}
    write_page_results(folder / PAGES, PageResults(step, protocol, monitor, value, pages))


def _stands(kept: tuple[int, str, float | None], step: int, monitor: str, value: float | None) -> bool:
    kept_step, kept_monitor, kept_value = kept
    return kept_step <= step and kept_monitor == monitor and (kept_value or 0.0) > (value or 0.0)


def _result(page: Page, protocol: str) -> PageResult:
    score = page.scores[protocol]
    texts, matched = {text for text, _ in score.pairs}, {found for _, found in score.pairs}
    missed = [i for i, ignored in enumerate(page.truth.ignored_G) if not ignored and i not in texts]
    return PageResult(
        key=page.key,
        hmean=score.hmean,
        precision=score.precision,
        recall=score.recall,
        found=tuple(
            tuple((round(x, 1), round(y, 1)) for x, y in box.tolist()) for box in page.found.polygons
        ),
        scores=tuple(round(float(value), 4) for value in page.found.scores),
        matched=tuple(sorted(matched)),
        ignored=tuple(sorted(score.ignored)),
        missed=tuple(missed),
    )
