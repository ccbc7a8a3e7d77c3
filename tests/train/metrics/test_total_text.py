from __future__ import annotations

import math

import numpy as np
import pytest

from train.metrics import IcdarIou, PageTruth, TotalText


def arc(radius: float, thickness: float = 10.0, shift: float = 0.0) -> np.ndarray:
    """A half ring of 20 vertices: the top from left to right, the bottom back."""
    angle = np.linspace(math.pi, 2 * math.pi, 10)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ring = np.concatenate([circle * radius, circle[::-1] * (radius - thickness)])
    return ring + np.array([100.0 + shift, 100.0])


def truth(*polygons: np.ndarray, ignored: tuple[int, ...] = ()) -> PageTruth:
    flags = np.array([index in ignored for index in range(len(polygons))], bool)
    return PageTruth(polygons, flags, (None,) * len(polygons))


def box(width: float, height: float = 10.0) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


@pytest.mark.parametrize("protocol", [TotalText(), IcdarIou()])
def test_curved_texts_are_compared_by_their_outlines(protocol: TotalText | IcdarIou) -> None:
    inner, outer = arc(40.0), arc(60.0)
    score = protocol.match(truth(inner, outer), [outer, arc(41.0)])
    assert set(score.pairs) == {(0, 1), (1, 0)}
    hull = np.array([[40, 40], [160, 40], [160, 100], [40, 100]], float)
    assert protocol.match(truth(outer), [hull]).recall == 0.0


def test_an_overlap_of_exactly_one_half_is_enough() -> None:
    assert TotalText().match(truth(box(10)), [box(20)]).recall == 1.0
    assert TotalText().match(truth(box(10)), [box(20.1)]).recall == 0.0


def test_a_text_found_twice_is_not_found() -> None:
    score = TotalText().match(truth(box(10)), [box(10), box(11)])
    assert (score.recall, score.precision, score.precision_total) == (0.0, 0.0, 2)
    assert IcdarIou().match(truth(box(10)), [box(10), box(11)]).recall == 1.0


def test_one_detection_may_stand_for_two_texts() -> None:
    score = TotalText().match(truth(box(10), box(12)), [box(11)])
    assert (score.recall, score.precision, score.pairs) == (1.0, 1.0, ((0, 0), (1, 0)))


def test_detections_on_dont_care_texts_are_dropped_before_matching() -> None:
    score = TotalText().match(truth(arc(60.0), box(10), ignored=(1,)), [arc(60.0), box(9), box(10, 40.0)])
    assert score.ignored == (1,)
    assert (score.precision, score.recall) == (0.5, 1.0)


def test_nothing_found_and_nothing_to_find() -> None:
    assert TotalText().match(truth(box(10)), []).precision == 0.0
    assert TotalText().match(truth(), []).recall_total == 0
