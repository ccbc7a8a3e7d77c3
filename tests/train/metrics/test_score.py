from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from formats.sample import Meta, Text
from train.metrics import Cleval, IcdarIou, MatchProtocol, TotalText, summarise, truth_of
from train.metrics.score import harmonic_mean, share

PROTOCOLS = [IcdarIou(), Cleval(), TotalText()]
CANVAS = np.array([[0, 0], [10, 0], [10, 5], [0, 5]], float)


def meta(*statuses: str) -> Meta:
    texts = tuple(Text(CANVAS, 3 * CANVAS + index, status, "word") for index, status in enumerate(statuses))
    return Meta("a.jpg", "test", (90, 80), np.eye(2, 3), texts)


def test_truth_is_in_source_coordinates_and_small_texts_count() -> None:
    statuses = ["care", "dont_care", "too_small", "empty_shrink", "degenerate", "self_crossing", "outside"]
    page = truth_of(meta(*statuses))
    np.testing.assert_array_equal(page.polygons[1], 3 * CANVAS + 1)
    assert page.ignored_G.tolist() == [False, True, False, False, True, False, True]
    assert page.texts == ("word",) * 7


def test_a_caller_may_count_only_what_was_trained() -> None:
    page = truth_of(meta("care", "too_small"), counted=frozenset({"care"}))
    assert page.ignored_G.tolist() == [False, True]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_gives_one_for_the_truth_and_nought_for_nothing(protocol: MatchProtocol) -> None:
    page = truth_of(meta("care"))
    perfect, none = (summarise([protocol.match(page, found)]) for found in (page.polygons, ()))
    assert (perfect.precision, perfect.recall, perfect.hmean, perfect.macro_hmean) == (1.0, 1.0, 1.0, 1.0)
    assert (none.precision, none.recall, none.hmean, none.macro_hmean) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_takes_a_page_without_texts(protocol: MatchProtocol) -> None:
    score = protocol.match(truth_of(meta()), [CANVAS])
    assert score.precision == 0.0
    assert score.precision_total > 0
    assert protocol.match(truth_of(meta()), []).ignored == ()


def test_shares_and_means_are_defined_at_nought() -> None:
    assert share(-2.0, 5.0) == share(3.0, 0.0) == harmonic_mean(0.0, 0.0) == 0.0
    assert harmonic_mean(0.5, 1.0) == pytest.approx(2 / 3)


def test_a_page_without_texts_counts_in_the_means_where_something_was_found_on_it() -> None:
    found, blank = truth_of(meta("care")), truth_of(meta())
    pages = [IcdarIou().match(found, found.polygons), IcdarIou().match(blank, [CANVAS])]
    empty = IcdarIou().match(blank, [])
    score = summarise([*pages, empty])
    assert (score.macro_precision, score.macro_recall, score.macro_hmean) == (0.5, 1.0, 0.5)


def test_an_empty_transcription_is_an_unknown_one() -> None:
    page = meta("care", "care")
    page = replace(
        page, texts=tuple(replace(t, text=word) for t, word in zip(page.texts, ("", "a"), strict=True))
    )
    assert truth_of(page).texts == (None, "a")
