from __future__ import annotations

import numpy as np

from pipeline.sources.record import SourceText, read_only


def test_texts_are_compared_by_value() -> None:
    square = np.array([[0, 0], [9, 0], [9, 9]])
    first, second = SourceText(read_only(square), False, "a"), SourceText(read_only(square - 0.0), False, "a")
    assert first == second
    assert hash(first) == hash(second)
    assert first != SourceText(read_only(square + 1), False, "a")
    assert first != SourceText(read_only(square), True, "a")
    assert first != SourceText(read_only(square), False, None)
    assert SourceText(read_only(np.empty((0, 2))), False, "a") != first


def test_negative_zero_is_zero() -> None:
    assert read_only(np.array([[-0.0, 1.0]])).tobytes() == read_only(np.array([[0.0, 1.0]])).tobytes()


def test_an_array_that_somebody_holds_is_not_frozen_under_them() -> None:
    theirs = np.zeros((3, 2))
    read_only(theirs)
    theirs[0, 0] = 1
