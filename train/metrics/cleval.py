"""CLEval, detection (Baek et al., CVPR Workshops 2020, "Character-level evaluation for text detection").

Texts are compared by the pseudo-characters that detections hold, so that a text found in two pieces, or two
texts found as one, count for nearly all their characters, less a penalty for the granularity.

The official score is over the data set (`hmean` of `summarise`); means of the pages' scores, which some
report, are `macro_hmean`. Numbers equal those of the official package on quadrilaterals of whole pixels, all
it takes (docs/metrics.md); coordinates between pixels are not truncated, and texts of more than four vertices
have a true aspect ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from formats.sample import Points
from train.metrics.characters import character_centers, estimated_length, false_length
from train.metrics.overlap import RegionArray, areas_of, held_by, intersections, own_share, regions_of
from train.metrics.score import PageScore, PageTruth, harmonic_mean, share

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cleval:
    """CLEval for detection.

    Attributes:
        area_precision: least share of a detection's own area on a text, for the two to be compared.
        granularity_penalty: characters lost for each further piece a text is found in, and for each further
            text a detection holds.
        characters: what a text's length is taken from: its transcription where it has one, as the official
            script does (an empty one: no characters), or always the aspect ratio of its outline.
    """

    area_precision: float = 0.3
    granularity_penalty: float = 1.0
    characters: Literal["aspect", "text"] = "text"

    def match(self, truth: PageTruth, found: Sequence[Points]) -> PageScore:
        """Score a page; precision and recall are 0 where their totals are."""
        texts_G, found_D = regions_of(truth.polygons), regions_of(found)
        owner_M, holds_MD = self._held(truth, found)
        held_GD = np.zeros((len(texts_G), len(found_D)), np.int64)
        np.add.at(held_GD, owner_M, holds_MD)
        shared_GD = intersections(_without_care(texts_G, truth.ignored_G), found_D)
        precision_GD = own_share(shared_GD, areas_of(found))
        ignored_D = self._ignored(precision_GD[truth.ignored_G], held_GD[truth.ignored_G])
        matched_GD = self._matched(precision_GD, held_GD, ~truth.ignored_G, ~ignored_D)
        correct_M = (holds_MD & matched_GD[owner_M]).any(axis=1)
        spurious_D = ~ignored_D & ~matched_GD.any(axis=0)
        false = sum(false_length(found[index]) for index in np.flatnonzero(spurious_D).tolist())
        return _scored(
            gained=int(correct_M.sum()),
            split=self.granularity_penalty * _further(matched_GD.sum(axis=1)),
            merged=self.granularity_penalty * _further(matched_GD.sum(axis=0)),
            held=int(held_GD[matched_GD].sum()) + false,
            characters=int((~truth.ignored_G[owner_M]).sum()),
            matched_GD=matched_GD,
            ignored_D=ignored_D,
        )

    def _held(self, truth: PageTruth, found: Sequence[Points]) -> tuple[NDArray[np.int64], Flags]:
        """Return each pseudo-character's text, (M,), and which detections hold it, (M, D)."""
        centers = [
            character_centers(polygon_V2, self._length(truth, index))
            for index, polygon_V2 in enumerate(truth.polygons)
        ]
        owner_M = np.repeat(np.arange(len(centers)), [len(center_C2) for center_C2 in centers])
        holds_MD = np.zeros((len(owner_M), len(found)), bool)
        if holds_MD.size:
            points_M2 = np.concatenate(centers)
            for index, polygon_V2 in enumerate(found):
                holds_MD[:, index] = held_by(points_M2, polygon_V2)
        return owner_M, holds_MD

    def _length(self, truth: PageTruth, index: int) -> int:
        text = truth.texts[index]
        if self.characters == "aspect" or text is None or truth.ignored_G[index]:
            return estimated_length(truth.polygons[index])
        return len(text)

    def _ignored(self, precision_ID: NDArray[np.float64], held_ID: NDArray[np.int64]) -> Flags:
        """Return which detections lie on don't-care texts: one, or several whose characters they hold."""
        together_D = (precision_ID * (held_ID > 0)).sum(axis=0)
        on_one_D = (precision_ID >= self.area_precision).any(axis=0)
        return np.asarray(on_one_D | (together_D >= self.area_precision))

    def _matched(
        self, precision_GD: NDArray[np.float64], held_GD: NDArray[np.int64], care_G: Flags, care_D: Flags
    ) -> Flags:
        """Return the (G, D) pairs that match one to one, one to many or many to one."""
        some_GD = held_GD > 0
        enough_GD = some_GD & (precision_GD >= self.area_precision)
        care_GD = care_G[:, None] & care_D[None]
        alone_GD = (enough_GD.sum(axis=1, keepdims=True) == 1) & (enough_GD.sum(axis=0, keepdims=True) == 1)
        one_to_one_GD = care_GD & enough_GD & alone_GD
        pieces_GD = care_GD & enough_GD
        one_to_many_GD = pieces_GD & (pieces_GD.sum(axis=1, keepdims=True) >= 2)
        parts_GD = care_GD & some_GD
        together_D = (precision_GD * parts_GD).sum(axis=0)
        many_D = (parts_GD.sum(axis=0) >= 2) & (together_D >= self.area_precision)
        return np.asarray(one_to_one_GD | one_to_many_GD | (parts_GD & many_D[None]))


def _without_care(texts_G: RegionArray, ignored_G: Flags) -> RegionArray:
    """Return the texts with care texts cut out of don't-care ones."""
    cut_G = texts_G.copy()
    if ignored_G.any() and not ignored_G.all():
        cut_G[ignored_G] = shapely.difference(texts_G[ignored_G], shapely.union_all(texts_G[~ignored_G]))
    return cut_G


def _further(counts: NDArray[np.int64]) -> int:
    return int(np.maximum(counts - 1, 0).sum())


def _scored(
    *,
    gained: int,
    split: float,
    merged: float,
    held: int,
    characters: int,
    matched_GD: Flags,
    ignored_D: Flags,
) -> PageScore:
    precision, recall = share(gained - merged, held), share(gained - split, characters)
    return PageScore(
        precision=precision,
        recall=recall,
        hmean=harmonic_mean(precision, recall),
        precision_gain=gained - merged,
        precision_total=held,
        recall_gain=gained - split,
        recall_total=characters,
        pairs=tuple((int(text), int(detection)) for text, detection in np.argwhere(matched_GD)),
        ignored=tuple(np.flatnonzero(ignored_D).tolist()),
    )
