"""What a protocol is given and what it gives back, and the sum over pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from formats.sample import Meta, Points

COUNTED = frozenset({"care", "too_small", "empty_shrink", "self_crossing"})
"""Statuses of texts a metric counts. A text that training leaves out for its size is still a text to find."""


@dataclass(frozen=True)
class PageTruth:
    """The annotated texts of a page.

    Attributes:
        polygons: G arrays (V, 2) float64.
        ignored_G: bool, True for don't-care texts.
        texts: G transcriptions, None where unknown.
    """

    polygons: tuple[Points, ...]
    ignored_G: NDArray[np.bool_]
    texts: tuple[str | None, ...]


def truth_of(meta: Meta, counted: frozenset[str] = COUNTED) -> PageTruth:
    """Return a stored page's texts in source coordinates; texts of a status not `counted` are don't-care.

    An empty transcription is an unknown one: annotation formats without transcriptions write it so.
    """
    return PageTruth(
        polygons=tuple(text.source_V2 for text in meta.texts),
        ignored_G=np.array([text.status not in counted for text in meta.texts], bool),
        texts=tuple(text.text or None for text in meta.texts),
    )


@dataclass(frozen=True)
class PageScore:
    """A page's score, and its share in the score of a data set.

    Attributes:
        precision: 0..1, by the protocol's rule for one page.
        recall: 0..1.
        hmean: 0..1, harmonic mean of the two.
        precision_gain, precision_total: what the page adds to precision's numerator and denominator: matched
            and counted detections, or characters less penalties.
        recall_gain, recall_total: the same for recall.
        pairs: (text, detection) indices that were matched, for pictures.
        ignored: indices of detections that count neither way, since they lie on don't-care texts.
    """

    precision: float
    recall: float
    hmean: float
    precision_gain: float
    precision_total: float
    recall_gain: float
    recall_total: float
    pairs: tuple[tuple[int, int], ...]
    ignored: tuple[int, ...]


@dataclass(frozen=True)
class DetectionScore:
    """The score of a set of pages.

    Attributes:
        precision, recall, hmean: over the set (micro): gains over totals, as the official scripts rank.
        macro_precision, macro_recall, macro_hmean: means of the pages' own scores. `macro_hmean` is a mean of
            harmonic means, so it is not the harmonic mean of the other two. Pages where nothing was to be
            found and nothing was found are left out.
        per_page: the pages' scores, in the order given.
    """

    precision: float
    recall: float
    hmean: float
    macro_precision: float
    macro_recall: float
    macro_hmean: float
    per_page: tuple[PageScore, ...]


class MatchProtocol(Protocol):
    """A way of comparing a page's detections with its texts."""

    def match(self, truth: PageTruth, found: Sequence[Points]) -> PageScore:
        """Score a page: `found` are the detections' polygons (V, 2), best first, in the truth's frame."""
        ...


def harmonic_mean(precision: float, recall: float) -> float:
    """Return 2 P R / (P + R), 0 where both are 0."""
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0


def share(gain: float, total: float) -> float:
    """Return gain / total, not below 0; 0 where the total is 0."""
    return max(gain, 0.0) / total if total > 0.0 else 0.0


def summarise(pages: Sequence[PageScore]) -> DetectionScore:
    """Return the score of a set of pages scored by one protocol; all zero for no pages."""
    precision = share(sum(page.precision_gain for page in pages), sum(page.precision_total for page in pages))
    recall = share(sum(page.recall_gain for page in pages), sum(page.recall_total for page in pages))
    telling = [page for page in pages if page.recall_total or page.precision_total]
    rows = [(page.precision, page.recall, page.hmean) for page in telling]
    means = [float(value) for value in np.mean(rows or [(0.0, 0.0, 0.0)], axis=0)]
    hmean = harmonic_mean(precision, recall)
    return DetectionScore(precision, recall, hmean, means[0], means[1], means[2], tuple(pages))
