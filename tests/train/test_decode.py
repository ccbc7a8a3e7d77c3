"""Planes as they were decompressed, brought to a byte a pixel where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.decode import spread

NAMES = ("distance", "overlap", "prob_mask")


@given(
    st.sampled_from([(32, 32), (32, 64), (64, 96), (96, 160), (32, 736)]),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True)), max_size=4),
)
def test_holes_in_a_mask_stay_where_they_are(
    canvas: tuple[int, int], overlap: bool, holes: list[tuple[float, float]]
) -> None:
    H, W = canvas
    mask_HW = np.ones(canvas, np.uint8)
    for down, across in holes:
        mask_HW[int(down * H), int(across * W)] = 0
    whole = {"distance": np.full(canvas, 7, np.uint8), "overlap": np.full(canvas, 9, np.uint8)}
    stored = [*([whole["distance"], whole["overlap"]] if overlap else [whole["distance"]])]
    content = np.concatenate([*(plane.ravel() for plane in stored), np.packbits(mask_HW, axis=1).ravel()])
    planes_PHW = np.full((3, H, W), 200, np.uint8)
    flat = planes_PHW.reshape(-1)
    flat[: len(content)] = content
    packed_HW = flat[len(stored) * H * W : len(content)].reshape(H, W // 8)
    planes = dict(zip(NAMES, planes_PHW, strict=False)) | {"prob_mask": packed_HW}
    if not overlap:
        del planes["overlap"]
    spread(planes, NAMES, planes_PHW)
    assert (planes_PHW[0] == 7).all()
    assert (planes_PHW[1] == (9 if overlap else 0)).all()
    assert np.array_equal(planes_PHW[2], mask_HW)


@pytest.mark.parametrize("width", [32, 96, 160])
@pytest.mark.parametrize("row", range(4))
def test_a_hole_at_either_end_of_any_row(width: int, row: int) -> None:
    for column in (0, width - 1):
        mask_HW = np.ones((32, width), np.uint8)
        mask_HW[row, column] = 0
        planes_PHW = np.zeros((1, 32, width), np.uint8)
        spread({"prob_mask": np.packbits(mask_HW, axis=1)}, ("prob_mask",), planes_PHW)
        assert np.array_equal(planes_PHW[0], mask_HW)
