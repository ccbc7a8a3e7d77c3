"""The tables against the formulas they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.levels import (
    LEVELS_PER_T,
    MAGNITUDES,
    MASK_LEVEL,
    PROB_LEVEL,
    ZERO_LEVEL,
    levels_of,
    offset_level,
    read_tables,
)

RATIOS = st.floats(0.1, 0.95)


def level_of(q: np.ndarray, T: float) -> np.ndarray:
    return np.clip(np.floor(q * LEVELS_PER_T / T) + ZERO_LEVEL, 0, 255).astype(np.uint8)


@given(RATIOS, st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=50))
def test_stored_ratio_cuts_exactly(ratio: float, values: list[float]) -> None:
    T, q = offset_level(ratio), np.array(values)
    q = q[np.abs(np.abs(q) - T) > 1e-9]
    tables, level = read_tables(ratio), level_of(q, T)
    assert tables.ratio == pytest.approx(ratio, abs=1e-12)
    np.testing.assert_array_equal(tables.prob[level], q >= T)
    np.testing.assert_array_equal(tables.thresh_mask[level], q >= -T)
    read = tables.thresh[tables.magnitude[level]]
    assert (
        np.abs(read - 255 * np.clip(1 - np.abs(q) / T, 0, 1)).max(initial=0) <= 0.5 + 255 * 0.5 / LEVELS_PER_T
    )


@given(RATIOS, st.floats(0.0, 1.0), st.lists(st.floats(-1.2, 1.2), min_size=1, max_size=50))
def test_larger_ratio_from_the_same_plane(stored: float, share: float, values: list[float]) -> None:
    ratio = stored + share * (0.97 - stored)
    tables = read_tables(stored, ratio)
    step = offset_level(stored) / LEVELS_PER_T
    T = offset_level(tables.ratio)
    assert abs(T - offset_level(ratio)) <= step / 2 + 1e-12
    q = np.array(values)
    q = q[np.abs(np.abs(q) - T) > 1e-9]
    level = level_of(q, offset_level(stored))
    np.testing.assert_array_equal(tables.prob[level], q >= T)
    np.testing.assert_array_equal(tables.thresh_mask[level], q >= -T)


def test_fixed_places() -> None:
    tables = read_tables(0.4)
    assert (MASK_LEVEL, ZERO_LEVEL, PROB_LEVEL) == (18, 126, 234)
    assert np.flatnonzero(tables.prob)[0] == 234
    assert np.flatnonzero(tables.thresh_mask)[0] == 18
    assert tables.magnitude[[0, 125, 126, 255]].tolist() == [125, 0, 0, 129]
    assert tables.magnitude.max() == MAGNITUDES - 1
    assert tables.thresh[[0, 107, 108]].tolist() == [254, 1, 0]
    assert not tables.thresh[tables.magnitude[:MASK_LEVEL]].any()


@pytest.mark.parametrize(("stored", "ratio"), [(0.4, 0.3), (0.4, 1.0), (0.4, 0.0), (1.2, 0.5), (0.4, 0.9999)])
def test_ratios_out_of_reach(stored: float, ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        levels_of(stored, ratio)
