"""The fast canonical JSON gives the text of the reference implementation, or its errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from formats.canonical_json import canonical, canonical_points

SAFE = 2**53 - 1
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-2e3, 2e3) | st.floats(-1e-3, 1e-3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_as_the_reference(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("exponent", range(-12, 25))
@pytest.mark.parametrize("digits", [1.0, 1.5, 9.999999999999998, 0.1234567890123456])
def test_numbers_of_every_size(exponent: int, digits: float) -> None:
    for value in (digits * 10.0**exponent, -digits * 10.0**exponent):
        for near in (value, math.nextafter(value, 0), math.nextafter(value, 2 * value)):
            assert canonical([near]) == rfc8785.dumps([near])


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, SAFE + 1, -SAFE - 1, {1: 2}, {"a": object()}, [{1, 2}], "\ud800"]
)
def test_what_has_no_text_is_refused_by_the_reference(value: object) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)


def test_tuples_escapes_and_keys() -> None:
    value = {"b": (1.0, -0.0, True), "a": 'é\u2028"\\\x7f\x00\n', "": {"\U0001f600": 1, "\ufb33": 2}}
    assert canonical(value) == rfc8785.dumps(value)


POINTS = st.integers(0, 5).flatmap(
    lambda count: arrays(np.float64, (count, 2), elements=FLOATS | st.integers(-40, 40).map(float))
)


@given(st.lists(POINTS, max_size=5))
def test_points_of_a_page_as_the_reference(polygons: list[np.ndarray]) -> None:
    assert canonical_points(polygons) == [rfc8785.dumps(polygon_V2.tolist()) for polygon_V2 in polygons]


def test_points_with_and_without_exponents() -> None:
    ordinary = np.array([[0.0, -0.0], [8.0, -0.5], [1e-4, 999999999999999.0]])
    text = b"[[0,0],[8,-0.5],[0.0001,999999999999999]]"
    assert canonical_points([ordinary, np.empty((0, 2)), ordinary]) == [text, b"[]", text]
    for number in (9e-5, -1e15, 1e21, 5e-324):
        other = np.array([[number, 10.0]])
        assert canonical_points([ordinary, other]) == [text, rfc8785.dumps([[number, 10.0]])]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_points_without_a_text_are_refused_by_the_reference(number: float) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_points([np.array([[number, 1.0]])])
