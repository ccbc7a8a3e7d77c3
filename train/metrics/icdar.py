"""The ICDAR 2015 IoU protocol (Karatzas et al., ICDAR 2015, "Incidental scene text", localisation).

It is also what is customary for polygons (CTW1500, and most figures reported on Total-Text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from formats.sample import Points
from train.metrics.overlap import areas_of, intersection_over_union, intersections, own_share, regions_of
from train.metrics.score import PageScore, PageTruth, harmonic_mean, share


@dataclass(frozen=True)
class IcdarIou:
    """One-to-one matching by intersection over union.

    A detection is don't-care if more than `ignore_share` of *its own* area lies on one don't-care text. Then
    texts and detections are gone through in order, and a pair that is still free and overlaps by strictly
    more than `iou` is matched. A page without care texts has recall 1, and precision 1 if nothing else was
    detected.

    Attributes:
        iou: threshold of the match.
        ignore_share: threshold of don't-care.
    """

    iou: float = 0.5
    ignore_share: float = 0.5

    def match(self, truth: PageTruth, found: Sequence[Points]) -> PageScore:
        """Score a page."""
        own_G, own_D = areas_of(truth.polygons), areas_of(found)
        shared_GD = intersections(regions_of(truth.polygons), regions_of(found))
        ignored_D = (own_share(shared_GD[truth.ignored_G], own_D) > self.ignore_share).any(axis=0)
        care_G, care_D = np.flatnonzero(~truth.ignored_G), np.flatnonzero(~ignored_D)
        iou_GD = intersection_over_union(shared_GD[np.ix_(care_G, care_D)], own_G[care_G], own_D[care_D])
        pairs = []
        free_D = np.ones(len(care_D), bool)
        for at_G, iou_D in enumerate(iou_GD):
            candidates = np.flatnonzero(free_D & (iou_D > self.iou))
            if len(candidates):
                free_D[candidates[0]] = False
                pairs.append((int(care_G[at_G]), int(care_D[candidates[0]])))
        return _scored(pairs, len(care_G), len(care_D), tuple(np.flatnonzero(ignored_D).tolist()))


def _scored(pairs: list[tuple[int, int]], texts: int, found: int, ignored: tuple[int, ...]) -> PageScore:
    recall = share(len(pairs), texts) if texts else 1.0
    precision = share(len(pairs), found) if texts or found else 1.0
    return PageScore(
        precision=precision,
        recall=recall,
        hmean=harmonic_mean(precision, recall),
        precision_gain=len(pairs),
        precision_total=found,
        recall_gain=len(pairs),
        recall_total=texts,
        pairs=tuple(pairs),
        ignored=ignored,
    )
