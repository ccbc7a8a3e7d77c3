"""Precision and recall of an evaluation over the least score that a detection must have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.boxes import Detections
from train.scoring import PROTOCOLS, Evaluation, evaluation_of, score_page

THRESHOLDS = np.round(np.arange(0.0, 1.0, 0.05), 2)


@dataclass(frozen=True)
class ScorePoint:
    """Precision and recall, 0..1, of the detections above one score threshold."""

    threshold: float
    precision: float
    recall: float


def score_points(evaluation: Evaluation, protocol: str) -> list[ScorePoint]:
    """Return precision and recall of the detections at or above each of some scores.

    Scores that no detection reaches are left out: there is no precision of nothing. None at all where no
    detection has a score.
    """
    highest = max((page.found.scores.max(initial=0.0) for page in evaluation.pages), default=0.0)
    if not highest:
        return []
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
