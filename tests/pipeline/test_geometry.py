"""Image and polygons go through one map."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import SampleError
from formats.placement import place
from formats.spec import GeometrySpec
from pipeline.geometry import draw_page, move, move_each, spare_reduction
from pipeline.images import read_image, reduction_within

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


REDUCED = GeometrySpec(canvas=(96, 160), decode="reduced")


@given(st.integers(200, 9000), st.integers(200, 9000), st.sampled_from(["longest", "shortest", "exact"]))
def test_a_reduced_page_has_room_for_twice_the_resized_one(height: int, width: int, resize: str) -> None:
    geometry = REDUCED.model_copy(update={"resize": resize})
    placement = place((height, width), geometry)
    spare = spare_reduction(placement, geometry)
    for reduction in (2, 4, 8):
        if reduction <= spare:
            assert height / reduction >= 2 * placement.resized[0] * 0.9999
            assert width / reduction >= 2 * placement.resized[1] * 0.9999


@pytest.mark.parametrize("change", [{"decode": "full"}, {"interpolation": "linear"}])
def test_nothing_is_reduced_that_the_settings_do_not_want_so(change: dict[str, str]) -> None:
    geometry = REDUCED.model_copy(update=change)
    assert spare_reduction(place((7016, 4961), geometry), geometry) == 1.0


@settings(deadline=None, max_examples=25)
@given(st.integers(400, 900), st.integers(400, 900))
def test_a_reduced_page_goes_to_the_pixels_of_the_whole_one(height: int, width: int) -> None:
    """A ramp's level tells where a pixel came from: any shift or stretch would show."""
    geometry = REDUCED
    placement = place((height, width), geometry)
    rows, columns = np.mgrid[:height, :width]
    levels = np.stack([rows * 255 / height, columns * 255 / width, 0 * rows + 128], axis=2)
    ramp = np.rint(levels).astype(np.uint8)
    whole = draw_page(ramp, placement, geometry).astype(float)
    spare = spare_reduction(placement, geometry)
    for reduction in (2, 4):
        if reduction > spare:
            continue
        # The exact means of blocks; the last ones of their pixels on the page, as an encoder's padding is.
        padding = [(0, -height % reduction), (0, -width % reduction), (0, 0)]
        padded = np.pad(levels, padding, mode="edge")
        blocks = padded.reshape(padded.shape[0] // reduction, reduction, -1, reduction, 3).mean(axis=(1, 3))
        drawn = draw_page(np.rint(blocks).astype(np.uint8), placement, geometry, reduction).astype(float)
        (height_there, width_there) = placement.resized
        seen = np.s_[:height_there, :width_there]
        assert np.abs(drawn[seen] - whole[seen]).max() <= 1.5
        assert abs((drawn[seen] - whole[seen]).mean()) < 0.25


@pytest.mark.parametrize("size", [(1403, 992), (1401, 991), (1399, 1001)])
@pytest.mark.parametrize("canvas", [(640, 640), (320, 224), (160, 160)])
def test_reduced_decoding_is_exact_enough_on_text(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    """On a page of crisp strokes, below what storing it as JPEG of quality 90 costs anyway."""
    rng = np.random.default_rng(5)
    page = np.full((*size, 3), 245, np.uint8)
    for _ in range(900):
        y, x = rng.integers(0, size[0] - 30), rng.integers(0, size[1] - 30)
        h, w = rng.choice([(2, 24), (24, 2), (3, 14), (14, 3)])
        page[y : y + h, x : x + w] = rng.integers(0, 120)
    data = simplejpeg.encode_jpeg(page, quality=92)
    geometry = GeometrySpec(canvas=canvas, decode="reduced")
    placement = place(size, geometry)
    whole = draw_page(read_image(data), placement, geometry)
    reduction = reduction_within(data, spare_reduction(placement, geometry))
    assert reduction == {640: 1, 320: 2, 160: 4}[canvas[0]]
    reduced = draw_page(read_image(data, reduction=reduction), placement, geometry, reduction)
    stored = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(whole, quality=90, colorsubsampling="420"))
    difference = np.abs(reduced.astype(int) - whole)
    assert difference.mean() <= np.abs(stored.astype(int) - whole).mean()
    assert np.percentile(difference, 99.9) <= 48
    assert abs((reduced.astype(int) - whole).mean()) < 0.3


def test_polygons_move_together_as_each_does() -> None:
    random = np.random.default_rng(5)
    polygons = [random.uniform(-900, 5000, (count, 2)) for count in (4, 0, 7, 1, 400)]
    matrix_23 = place((701, 333), GeometrySpec(canvas=(640, 640), position="center")).to_canvas_23
    moved = move_each(polygons, matrix_23)
    assert len(moved) == len(polygons)
    for polygon_V2, moved_V2 in zip(polygons, moved, strict=True):
        np.testing.assert_array_equal(moved_V2, move(polygon_V2, matrix_23))
    assert move_each([], matrix_23) == []


def test_a_page_too_narrow_to_cover_the_canvas_is_not_drawn() -> None:
    geometry = GeometrySpec(canvas=(736, 736), resize="shortest")
    with pytest.raises(SampleError, match="too narrow for its canvas"):
        draw_page(np.zeros((2, 8000, 3), np.uint8), place((2, 8000), geometry), geometry)
