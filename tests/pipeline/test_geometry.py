"""Image and polygons go through one map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.placement import place
from formats.spec import GeometrySpec
from pipeline.geometry import draw_page, move

SIDES = st.integers(1, 3000)


@given(
    SIDES, SIDES, st.sampled_from(["longest", "shortest", "exact"]), st.sampled_from(["top_left", "center"])
)
def test_borders_map_to_borders(height: int, width: int, resize: str, position: str) -> None:
    placement = place((height, width), GeometrySpec(canvas=(96, 160), resize=resize, position=position))
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    (x0, y0), (x1, y1) = move(corners, placement.to_canvas_23)
    top, left = placement.top_left
    rows, columns = placement.resized
    np.testing.assert_allclose(
        [x0, y0, x1, y1], [left - 0.5, top - 0.5, left + columns - 0.5, top + rows - 0.5]
    )


@given(SIDES, SIDES)
def test_longest_fits_and_shortest_covers(height: int, width: int) -> None:
    fits = place((height, width), GeometrySpec(canvas=(96, 160))).resized
    covers = place((height, width), GeometrySpec(canvas=(96, 160), resize="shortest")).resized
    assert fits[0] <= 96 and fits[1] <= 160 and (fits[0] == 96 or fits[1] == 160)
    assert covers[0] >= 96 and covers[1] >= 160 and (covers[0] == 96 or covers[1] == 160)


@pytest.mark.parametrize("resize", ["longest", "shortest", "exact"])
@pytest.mark.parametrize("position", ["top_left", "center"])
@pytest.mark.parametrize("size", [(300, 100), (100, 300), (40, 50), (96, 160), (500, 800)])
def test_a_mark_in_the_image_lands_where_its_point_does(
    resize: str, position: str, size: tuple[int, int]
) -> None:
    geometry = GeometrySpec(canvas=(96, 160), resize=resize, position=position, pad_color=(9, 9, 9))
    placement = place(size, geometry)
    # A smooth blob in the middle of what is seen of the page: its centre of mass is known to a fraction of
    # a pixel before and after.
    (top, left), (rows, columns) = placement.top_left, placement.resized
    seen = [max(left, 0) + min(left + columns, 160), max(top, 0) + min(top + rows, 96)]
    scale = columns / size[1], rows / size[0]
    center = (np.array(seen) / 2 - [left, top]) / scale
    spread = min(size) / 24
    y, x = np.mgrid[: size[0], : size[1]]
    blob = 200 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * spread**2))
    image = np.repeat(np.rint(blob).astype(np.uint8)[:, :, None], 3, axis=2)
    drawn = draw_page(image, placement, geometry)
    assert drawn.shape == (96, 160, 3)
    weight = np.where(drawn[:, :, 0] > 9, drawn[:, :, 0], 0).astype(float)
    y, x = np.mgrid[:96, :160]
    found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    np.testing.assert_allclose(found, move(center[None], placement.to_canvas_23)[0], atol=0.12)


def test_padding_has_its_colour_and_only_outside_the_page() -> None:
    geometry = GeometrySpec(canvas=(64, 96), position="center", pad_color=(1, 2, 3))
    drawn = draw_page(np.full((64, 32, 3), 200, np.uint8), place((64, 32), geometry), geometry)
    np.testing.assert_array_equal(drawn[:, 32:64], 200)
    np.testing.assert_array_equal(drawn[:, :32], np.broadcast_to([1, 2, 3], (64, 32, 3)))
    np.testing.assert_array_equal(drawn[:, 64:], np.broadcast_to([1, 2, 3], (64, 32, 3)))
