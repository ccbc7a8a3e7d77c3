"""The ICDAR 2015 protocol against a slow twin that keeps the official script's order of operations."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from train.metrics import IcdarIou, PageTruth, summarise
from train.metrics.score import PageScore


def box(x: float, y: float, width: float = 10.0, height: float = 10.0) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], float)


def truth(*polygons: np.ndarray, ignored: tuple[int, ...] = ()) -> PageTruth:
    flags = np.array([index in ignored for index in range(len(polygons))], bool)
    return PageTruth(polygons, flags, (None,) * len(polygons))


def slow_twin(
    page: PageTruth, found: list[np.ndarray]
) -> tuple[float, float, int, int, int, list[tuple[int, int]]]:
    """Precision, recall, matched, care texts, care detections, pairs; looped as officially."""
    texts = [shapely.Polygon(polygon_V2) for polygon_V2 in page.polygons]
    careless_texts = [index for index in range(len(texts)) if page.ignored_G[index]]
    detections, careless = [], []
    for polygon_V2 in found:
        detections.append(shapely.Polygon(polygon_V2))
        for index in careless_texts:
            area = detections[-1].area
            overlap = texts[index].intersection(detections[-1]).area
            if (0 if area == 0 else overlap / area) > 0.5:
                careless.append(len(detections) - 1)
                break
    iou = np.zeros((len(texts), len(detections)))
    for g in range(len(texts)):
        for d in range(len(detections)):
            overlap = texts[g].intersection(detections[d]).area
            union = texts[g].area + detections[d].area - overlap
            iou[g, d] = overlap / union if union > 0 else 0.0
    text_taken, detection_taken, pairs = [0] * len(texts), [0] * len(detections), []
    for g in range(len(texts)):
        for d in range(len(detections)):
            free = text_taken[g] == 0 and detection_taken[d] == 0
            if free and g not in careless_texts and d not in careless and iou[g, d] > 0.5:
                text_taken[g] = detection_taken[d] = 1
                pairs.append((g, d))
    care_texts, care_found = len(texts) - len(careless_texts), len(detections) - len(careless)
    if care_texts == 0:
        recall, precision = 1.0, (0.0 if care_found > 0 else 1.0)
    else:
        recall = len(pairs) / care_texts
        precision = 0.0 if care_found == 0 else len(pairs) / care_found
    return precision, recall, len(pairs), care_texts, care_found, pairs


boxes = st.lists(
    st.builds(box, *[st.integers(0, 24).map(float)] * 2, *[st.integers(4, 16).map(float)] * 2), max_size=7
)


@settings(max_examples=200)
@given(boxes, boxes, st.lists(st.booleans(), min_size=7, max_size=7))
def test_the_score_is_the_slow_twins(
    texts: list[np.ndarray], found: list[np.ndarray], flags: list[bool]
) -> None:
    page = PageTruth(tuple(texts), np.array(flags[: len(texts)], bool), (None,) * len(texts))
    score = IcdarIou().match(page, found)
    precision, recall, matched, care_texts, care_found, pairs = slow_twin(page, found)
    assert (score.precision, score.recall) == (precision, recall)
    assert (score.precision_gain, score.recall_gain) == (matched, matched)
    assert (score.precision_total, score.recall_total) == (care_found, care_texts)
    assert list(score.pairs) == pairs


def test_the_texts_themselves_score_one() -> None:
    texts = [box(0, 0), box(20, 0, 30), box(0, 20)]
    score = IcdarIou().match(truth(*texts), texts[::-1])
    assert (score.precision, score.recall, score.hmean) == (1.0, 1.0, 1.0)
    assert score.pairs == ((0, 2), (1, 1), (2, 0))


def test_an_overlap_of_exactly_one_half_is_no_match() -> None:
    assert IcdarIou().match(truth(box(0, 0, 10)), [box(0, 0, 20)]).recall == 0.0
    assert IcdarIou().match(truth(box(0, 0, 10)), [box(0, 0, 19.9)]).recall == 1.0


def test_the_first_good_detection_in_order_is_taken_not_the_best() -> None:
    score = IcdarIou().match(truth(box(0, 0)), [box(0, 0, 12), box(0, 0)])
    assert score.pairs == ((0, 0),)
    assert score.precision == 0.5


def test_a_detection_counts_neither_way_by_the_share_of_its_own_area() -> None:
    page = truth(box(0, 0), box(100, 0, 40), ignored=(1,))
    inside, half, around = box(100, 0, 8), box(132, 0, 16), box(90, -10, 60, 30)
    score = IcdarIou().match(page, [box(0, 0), inside, half, around])
    assert score.ignored == (1,)
    assert (score.precision, score.recall) == (pytest.approx(1 / 3), 1.0)


def test_two_dont_care_texts_do_not_add_up() -> None:
    page = truth(box(0, 0, 10), box(10, 0, 10), ignored=(0, 1))
    assert IcdarIou().match(page, [box(5, 0, 10)]).ignored == ()


@pytest.mark.parametrize(("found", "precision"), [([], 1.0), ([box(0, 0)], 1.0), ([box(50, 50)], 0.0)])
def test_a_page_without_care_texts(found: list[np.ndarray], precision: float) -> None:
    score = IcdarIou().match(truth(box(0, 0), ignored=(0,)), found)
    assert (score.recall, score.precision) == (1.0, precision)


def test_a_page_with_nothing_at_all() -> None:
    score = IcdarIou().match(truth(), [])
    assert (score.precision, score.recall, score.precision_total, score.recall_total) == (1.0, 1.0, 0.0, 0.0)


def test_nothing_found_is_precision_nought() -> None:
    score = IcdarIou().match(truth(box(0, 0)), [])
    assert (score.precision, score.recall, score.hmean) == (0.0, 0.0, 0.0)


BOW_TIE = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], float)


UNEVEN = np.array([[0, 0], [10, 10], [10, 0], [0, 4]], float)


def test_outlines_that_cross_themselves_count_as_the_official_library_counts_them() -> None:
    # Polygon3 3.0.9: BOW_TIE has area 0 and shares 50 with the square around it, UNEVEN 30 and 41.43.
    square = box(0, 0)
    assert IcdarIou().match(truth(BOW_TIE), [BOW_TIE]).recall == 0.0
    # 50 of a union of 100 + 0 - 50: all of it.
    assert IcdarIou(iou=0.999).match(truth(square), [BOW_TIE]).recall_gain == 1
    assert IcdarIou(iou=0.46).match(truth(square), [UNEVEN]).recall_gain == 1
    assert IcdarIou(iou=0.468).match(truth(square), [UNEVEN]).recall_gain == 0
    # 41.43 of its own 30: more than half of it lies on a don't-care text.
    assert IcdarIou(ignore_share=1.38).match(truth(square, ignored=(0,)), [UNEVEN]).ignored == (0,)


def test_outlines_without_an_area_stand_for_nothing() -> None:
    flat, short = np.array([[0, 0], [5, 0], [9, 0]], float), np.array([[0, 0], [5, 5]], float)
    gone = np.full((4, 2), np.nan)
    score = IcdarIou().match(truth(box(0, 0), flat), [flat, short, gone, box(0, 0)])
    assert score.pairs == ((0, 3),)
    assert (score.precision, score.recall) == (0.25, 0.5)


def test_the_set_is_scored_by_sums_and_the_pages_by_means() -> None:
    crowded = truth(*[box(20 * index, 0) for index in range(9)])
    lone = truth(box(0, 0))
    empty = truth(box(0, 0), ignored=(0,))
    scores: list[PageScore] = [
        IcdarIou().match(crowded, list(crowded.polygons[:6])),
        IcdarIou().match(lone, [box(50, 50)]),
        IcdarIou().match(empty, []),
    ]
    result = summarise(scores)
    assert (result.precision, result.recall) == (pytest.approx(6 / 7), pytest.approx(6 / 10))
    assert result.hmean == pytest.approx(2 * 6 / (7 + 10))
    assert (result.macro_precision, result.macro_recall) == (0.5, pytest.approx(1 / 3))
    assert result.macro_hmean == pytest.approx(0.4)
    assert result.per_page == tuple(scores)


def test_no_pages_score_nothing() -> None:
    result = summarise([])
    assert (result.precision, result.recall, result.hmean, result.macro_hmean) == (0.0, 0.0, 0.0, 0.0)
