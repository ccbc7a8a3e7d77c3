"""CLEval against cases counted by hand and a slow twin that loops as the paper's procedure does."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from train.metrics import Cleval, PageTruth, summarise
from train.metrics.characters import (
    aspect_ratio,
    character_centers,
    estimated_length,
    false_length,
)


def box(x: float, y: float, width: float, height: float = 10.0) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], float)


def truth(
    *polygons: np.ndarray, ignored: tuple[int, ...] = (), texts: tuple[str | None, ...] = ()
) -> PageTruth:
    flags = np.array([index in ignored for index in range(len(polygons))], bool)
    return PageTruth(polygons, flags, texts or (None,) * len(polygons))


LINE = box(0, 0, 55)  # aspect ratio 5.5: six characters


def test_a_text_is_as_long_as_its_aspect_ratio_says() -> None:
    assert aspect_ratio(LINE) == pytest.approx(5.5)
    lengths = [estimated_length(box(0, 0, width)) for width in (55.0, 10.0, 31.0, 500.0)]
    assert lengths == [6, 2, 4, 10]
    assert estimated_length(box(0, 0, 10, 55)) == 6


def test_characters_stand_in_the_middle_of_equal_parts() -> None:
    np.testing.assert_allclose(character_centers(box(0, 0, 40), 4), [[5, 5], [15, 5], [25, 5], [35, 5]])
    upright = character_centers(box(0, 0, 10, 40), 4)
    np.testing.assert_allclose(sorted(upright[:, 1].tolist()), [5, 15, 25, 35])
    np.testing.assert_allclose(upright[:, 0], 5)


def test_characters_of_a_curved_text_follow_it() -> None:
    angle = np.linspace(np.pi, 2 * np.pi, 9)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ring = np.concatenate([60 * circle, 40 * circle[::-1]])
    radius = np.linalg.norm(character_centers(ring, 8), axis=1)
    assert radius == pytest.approx(np.full(8, 50.0), rel=0.03)


def test_a_false_detection_counts_by_the_official_rule() -> None:
    assert [false_length(box(0, 0, width, 10)) for width in (100.0, 10.0, 4.9)] == [1, 1, 3]
    octagon = np.array([[0, 2], [2, 0], [98, 0], [100, 2], [100, 8], [98, 10], [2, 10], [0, 8]], float)
    assert false_length(octagon) == false_length(octagon[::-1]) == 1
    assert false_length(octagon[:, ::-1]) == 10


def test_the_text_itself_holds_all_its_characters() -> None:
    score = Cleval().match(truth(LINE), [LINE])
    assert (score.recall_gain, score.recall_total) == (6, 6)
    assert (score.precision_gain, score.precision_total) == (6, 6)


def test_a_part_of_a_text_holds_a_part_of_its_characters() -> None:
    score = Cleval().match(truth(LINE), [box(0, 0, 30)])
    assert (score.recall, score.precision) == (pytest.approx(3 / 6), 1.0)


def test_a_text_found_in_two_pieces_loses_one_character() -> None:
    score = Cleval().match(truth(LINE), [box(0, 0, 27.5), box(27.5, 0, 27.5)])
    assert (score.recall, score.precision) == (pytest.approx(5 / 6), 1.0)
    assert score.pairs == ((0, 0), (0, 1))
    assert Cleval(granularity_penalty=0.0).match(truth(LINE), [box(0, 0, 28), box(28, 0, 27)]).recall == 1.0


def test_two_texts_found_as_one_lose_one_character_of_precision() -> None:
    score = Cleval().match(truth(LINE, box(60, 0, 55)), [box(0, 0, 115)])
    assert (score.recall, score.precision) == (1.0, pytest.approx(11 / 12))


def test_characters_found_twice_count_once_and_cost_precision() -> None:
    score = Cleval().match(truth(LINE), [LINE, box(0, 0, 54)])
    assert (score.recall_gain, score.recall_total) == (5, 6)
    assert (score.precision_gain, score.precision_total) == (6, 12)


def test_a_detection_mostly_elsewhere_does_not_match() -> None:
    score = Cleval().match(truth(LINE), [box(0, -20, 55, 50)])
    assert (score.recall, score.precision) == (0.0, 0.0)
    assert score.precision_total == 1
    assert Cleval().match(truth(LINE), [box(0, -10, 55, 30)]).recall == 1.0


def test_a_false_detection_costs_precision() -> None:
    score = Cleval().match(truth(LINE), [LINE, box(0, 100, 80)])
    assert (score.precision, score.recall) == (pytest.approx(6 / 7), 1.0)


def test_detections_on_dont_care_texts_count_neither_way() -> None:
    page = truth(LINE, box(0, 50, 55), ignored=(1,))
    score = Cleval().match(page, [LINE, box(0, 50, 20), box(0, 45, 55, 15)])
    assert score.ignored == (1, 2)
    assert (score.precision, score.recall, score.recall_total) == (1.0, 1.0, 6)


def test_a_care_text_within_a_dont_care_region_is_still_counted() -> None:
    page = truth(LINE, box(-5, -1, 65, 12), ignored=(1,))
    score = Cleval().match(page, [LINE])
    assert (score.ignored, score.recall) == ((), 1.0)


def test_transcriptions_give_lengths_where_there_are_some() -> None:
    page = truth(LINE, box(0, 50, 55), texts=("abc", None))
    assert Cleval(characters="aspect").match(page, []).recall_total == 12
    assert Cleval().match(page, []).recall_total == 9
    # As officially: no letters, nothing to find; and don't-care texts are not as long as "###".
    assert Cleval().match(truth(LINE, texts=("",)), []).recall_total == 0
    assert Cleval().match(truth(LINE, ignored=(0,), texts=("###",)), [box(0, 0, 55, 12)]).ignored == (0,)


def test_a_centre_on_an_edge_is_held_by_one_of_the_boxes_that_share_it() -> None:
    page = truth(box(0, 0, 50), texts=("abcde",))
    halves = [box(0, 0, 25), box(25, 0, 25)]
    assert [Cleval().match(page, [half]).recall_gain for half in halves] == [2, 3]
    score = Cleval().match(page, halves)
    assert (score.recall_gain, score.precision_gain, score.precision_total) == (4, 5, 5)
    over, under = box(0, -5, 50), box(0, 5, 50)
    assert [Cleval().match(page, [half]).recall_gain for half in (over, under)] == [0, 5]


def test_the_set_is_scored_by_sums_of_characters() -> None:
    pages = [
        Cleval().match(truth(LINE), [LINE]),
        Cleval().match(truth(box(0, 0, 10)), []),
        Cleval().match(truth(), []),
    ]
    result = summarise(pages)
    assert (result.recall, result.precision) == (pytest.approx(6 / 8), 1.0)
    assert (result.macro_recall, result.macro_precision, result.macro_hmean) == (0.5, 0.5, 0.5)


def in_box(box_V2: np.ndarray, x: float, y: float) -> bool:
    """Inside, or on the left or upper edge."""
    (left, top), (right, bottom) = box_V2.min(axis=0), box_V2.max(axis=0)
    return bool(left <= x < right and top <= y < bottom)


def slow_twin(page: PageTruth, found: list[np.ndarray]) -> tuple[int, float, float, int, int]:
    """Characters found, recall's penalty, precision's penalty, characters held, characters to find."""
    texts = [shapely.Polygon(polygon_V2) for polygon_V2 in page.polygons]
    boxes = [shapely.Polygon(polygon_V2) for polygon_V2 in found]
    G, D = range(len(texts)), range(len(boxes))
    care = [g for g in G if not page.ignored_G[g]]
    free = [g for g in G if page.ignored_G[g]]
    centers = [character_centers(p, estimated_length(p)) for p in page.polygons]
    for g in free:
        for other in care:
            if texts[g].intersection(texts[other]).area > 0:
                texts[g] = texts[g].difference(texts[other])
    share = {(g, d): texts[g].intersection(boxes[d]).area / boxes[d].area for g in G for d in D}
    holds = {(g, d): [in_box(found[d], *c) for c in centers[g]] for g in G for d in D}
    count = {key: sum(flags) for key, flags in holds.items()}
    dropped = set()
    for d in D:
        if any(share[g, d] >= 0.3 for g in free) or sum(share[g, d] for g in free if count[g, d]) >= 0.3:
            dropped.add(d)
    kept = [d for d in D if d not in dropped]
    pairs: set[tuple[int, int]] = set()

    def good(g: int, d: int) -> bool:
        return share[g, d] >= 0.3 and count[g, d] > 0

    for g in care:
        for d in kept:
            if good(g, d) and sum(good(g, e) for e in D) == 1 and sum(good(h, d) for h in G) == 1:
                pairs.add((g, d))
        pieces = [d for d in kept if good(g, d)]
        if len(pieces) >= 2:
            pairs.update((g, d) for d in pieces)
    for d in kept:
        parts = [g for g in care if count[g, d] > 0]
        if len(parts) >= 2 and sum(share[g, d] for g in parts) >= 0.3:
            pairs.update((g, d) for g in parts)
    gained = sum(
        any(holds[g, d][c] for d in kept if (g, d) in pairs) for g in care for c in range(len(centers[g]))
    )
    split = sum(max(sum((g, d) in pairs for d in D) - 1, 0) for g in care)
    merged = sum(max(sum((g, d) in pairs for g in G) - 1, 0) for d in kept)
    false = sum(false_length(found[d]) for d in kept if not any((g, d) in pairs for g in G))
    held = sum(count[pair] for pair in pairs) + false
    return gained, split, merged, held, sum(len(centers[g]) for g in care)


side = st.integers(3, 40).map(float)
place = st.integers(0, 50).map(float)
boxes = st.lists(st.builds(box, place, place, side, side), max_size=6)


@settings(max_examples=150)
@given(boxes, boxes, st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_score_is_the_slow_twins(
    texts: list[np.ndarray], found: list[np.ndarray], flags: list[bool]
) -> None:
    page = PageTruth(tuple(texts), np.array(flags[: len(texts)], bool), (None,) * len(texts))
    score = Cleval().match(page, found)
    gained, split, merged, held, characters = slow_twin(page, found)
    assert (score.recall_gain, score.recall_total) == (gained - split, characters)
    assert (score.precision_gain, score.precision_total) == (gained - merged, held)


def test_a_detection_with_just_the_least_share_on_a_dont_care_text_is_ignored() -> None:
    wide_42 = np.array([[0, 0], [100, 0], [100, 10], [0, 10]], float)
    truth = PageTruth((wide_42,), np.array([True]), (None,))
    # 3 of its 10 square pixels, and no character: those lie at half the height.
    for top, ignored in ((7.0, (0,)), (7.5, ())):
        across_42 = np.array([[0, top], [1, top], [1, top + 10], [0, top + 10]])
        assert Cleval(area_precision=0.3).match(truth, [across_42]).ignored == ignored
