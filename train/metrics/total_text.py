"""The Pascal VOC protocol of Total-Text (Ch'ng and Chan, ICDAR 2017), as its evaluation scripts run it.

It differs from ICDAR's in three ways: IoU of exactly the threshold is enough; a text that two detections
overlap that much is not found at all; and a detection may stand for two texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from formats.sample import Points
from train.metrics.overlap import intersection_over_union, intersections, own_share, regions_of
from train.metrics.score import PageScore, PageTruth, harmonic_mean, share


@dataclass(frozen=True)
class TotalText:
    """A text is found if exactly one detection overlaps it enough.

    Detections that lie on a don't-care text by more than `ignore_share` of their own area are dropped first.

    Attributes:
        iou: least intersection over union.
        ignore_share: threshold of don't-care.
    """

    iou: float = 0.5
    ignore_share: float = 0.5

    def match(self, truth: PageTruth, found: Sequence[Points]) -> PageScore:
        """Score a page; precision is 0 where nothing was detected."""
        texts_G, found_D = regions_of(truth.polygons), regions_of(found)
        own_G, own_D = shapely.area(texts_G), shapely.area(found_D)
        shared_GD = intersections(texts_G, found_D)
        ignored_D = (own_share(shared_GD[truth.ignored_G], own_D) > self.ignore_share).any(axis=0)
        care_G, care_D = np.flatnonzero(~truth.ignored_G), np.flatnonzero(~ignored_D)
        iou_GD = intersection_over_union(shared_GD[np.ix_(care_G, care_D)], own_G[care_G], own_D[care_D])
        enough_GD = iou_GD >= self.iou
        enough_GD &= enough_GD.sum(axis=1, keepdims=True) == 1
        at_G, at_D = np.nonzero(enough_GD)
        false = int((~enough_GD.any(axis=0)).sum())
        precision, recall = share(len(at_G), len(at_G) + false), share(len(at_G), len(care_G))
        return PageScore(
            precision=precision,
            recall=recall,
            hmean=harmonic_mean(precision, recall),
            precision_gain=len(at_G),
            precision_total=len(at_G) + false,
            recall_gain=len(at_G),
            recall_total=len(care_G),
            pairs=tuple(zip(care_G[at_G].tolist(), care_D[at_D].tolist(), strict=True)),
            ignored=tuple(np.flatnonzero(ignored_D).tolist()),
        )
