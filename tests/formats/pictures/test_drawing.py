from __future__ import annotations

import numpy as np
import pytest

from formats.pictures.drawing import Layers, draw_polygons, overlay_maps
from formats.pictures.palette import BAND, IGNORED, PROB, TEXT, heat_table
from formats.sample import Bytes, TargetMaps

BOX = np.array([[20.0, 30.0], [120.0, 30.0], [120.0, 70.0], [20.0, 70.0]])
WHITE = np.full((100, 150, 3), 255, np.uint8)
TURNED = np.array([[20.0, 40.0], [110.0, 20.0], [115.0, 45.0], [25.0, 65.0]])


def _touched(drawn_HWC: Bytes, before_HWC: Bytes = WHITE) -> Bytes:
    return (drawn_HWC != before_HWC).any(axis=2)


def _maps(**planes: Bytes) -> TargetMaps:
    blank = np.zeros((100, 150), np.uint8)
    fields = {"prob_HW": blank, "prob_mask_HW": blank + 1, "thresh_HW": blank, "thresh_mask_HW": blank}
    return TargetMaps(**(fields | planes))


def _block() -> Bytes:
    plane_HW = np.zeros((100, 150), np.uint8)
    plane_HW[30:70, 20:120] = 1
    return plane_HW


def test_a_line_lies_on_the_edge_pixels_and_nowhere_else() -> None:
    drawn = draw_polygons(WHITE, [BOX], TEXT, width=1.0)
    rows, columns = np.nonzero(_touched(drawn))
    on_edge = np.isin(rows, (30, 70)) | np.isin(columns, (20, 120))
    near_edge = np.isin(rows, (29, 30, 31, 69, 70, 71)) | np.isin(columns, (19, 20, 21, 119, 120, 121))
    assert near_edge.all()
    assert (np.abs(drawn[30, 25:115].astype(int) - TEXT) < 70).all()
    assert (np.abs(drawn[35:65, 120].astype(int) - TEXT) < 70).all()
    strength = 255 - drawn.astype(int).min(axis=2)[rows, columns]
    assert strength[on_edge].sum() > 2.5 * strength[~on_edge].sum()


@pytest.mark.parametrize("width", [2.0, 3.0, 5.0])
def test_a_line_is_as_wide_as_asked_and_centred(width: float) -> None:
    drawn = draw_polygons(WHITE, [BOX], (0, 0, 0), width)
    share = (255 - drawn[:, 70, 0].astype(float)) / 255
    assert share.sum() == pytest.approx(2 * width, abs=0.6)
    upper = share[:50]
    assert (upper * np.arange(50)).sum() / upper.sum() == pytest.approx(30.0, abs=0.3)


def test_sloping_lines_are_smooth() -> None:
    shades = np.unique(draw_polygons(WHITE, [TURNED], (0, 0, 0), 2.0))
    assert len(shades) > 8


def test_hatching_stays_inside() -> None:
    drawn = draw_polygons(WHITE, [BOX], IGNORED, 2.0, dashed=True, hatched=True)
    touched = _touched(drawn)
    outside = np.ones_like(touched)
    outside[28:73, 18:123] = False
    assert not touched[outside].any()
    inner = touched[35:65, 25:115]
    assert 0.3 < inner.mean() < 0.9


def test_hatching_is_in_step_across_neighbours() -> None:
    left, right = BOX.copy(), BOX.copy()
    left[[1, 2], 0] = right[[0, 3], 0] = 70.0
    whole = draw_polygons(WHITE, [BOX], IGNORED, 2.0, hatched=True)
    halves = draw_polygons(WHITE, [left, right], IGNORED, 2.0, hatched=True)
    assert np.array_equal(whole[35:65, 25:65], halves[35:65, 25:65])
    assert np.array_equal(whole[35:65, 76:115], halves[35:65, 76:115])


def test_dashes_leave_gaps_and_mark_the_corners() -> None:
    dashed = _touched(draw_polygons(WHITE, [BOX], TEXT, 2.0, dashed=True))
    assert 0.3 < dashed[30, 20:121].mean() < 0.85
    assert all(dashed[y, x] for y in (30, 70) for x in (20, 120))


@pytest.mark.parametrize(
    "polygon",
    [np.empty((0, 2)), BOX[:1], BOX[:2], BOX - 500.0, BOX * 0.0 + 7.0, BOX + 55.0, BOX * 50.0],
)
@pytest.mark.parametrize("hatched", [False, True])
def test_odd_polygons_draw_what_there_is_of_them(polygon: np.ndarray, hatched: bool) -> None:
    drawn = draw_polygons(WHITE, [polygon], TEXT, 2.0, dashed=hatched, hatched=hatched)
    assert drawn.shape == WHITE.shape


def test_nothing_is_changed_in_place_and_the_bytes_repeat() -> None:
    page = WHITE.copy()
    first = draw_polygons(page, [TURNED, BOX], TEXT, 2.5, dashed=True, hatched=True)
    assert np.array_equal(page, WHITE)
    assert np.array_equal(first, draw_polygons(page, [TURNED, BOX], TEXT, 2.5, dashed=True, hatched=True))


def test_probability_is_blue_where_it_is_one_and_only_there() -> None:
    drawn = overlay_maps(WHITE, _maps(prob_HW=_block()))
    assert np.array_equal(_touched(drawn), _block().astype(bool))
    assert np.abs(drawn[50, 50].astype(int) - PROB).max() <= 52


def test_threshold_shows_where_its_mask_is_darkest_at_its_greatest() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 150).astype(np.uint8), (100, 150))
    drawn = overlay_maps(WHITE, _maps(thresh_HW=ramp, thresh_mask_HW=_block()))
    assert not _touched(drawn)[_block() == 0].any()
    assert (np.diff(drawn[50, 20:120].astype(int).sum(axis=1)) <= 0).all()
    full = overlay_maps(WHITE, _maps(thresh_HW=ramp * 0 + 255, thresh_mask_HW=_block()))
    assert np.array_equal(full[50, 50], heat_table()[255])


def test_what_the_loss_does_not_see_is_hatched_and_nothing_else() -> None:
    drawn = overlay_maps(WHITE, _maps(prob_mask_HW=1 - _block()))
    touched = _touched(drawn)
    assert not touched[_block() == 0].any()
    assert 0.3 < touched[_block() == 1].mean() < 0.8


def test_layers_choose_what_is_shown() -> None:
    maps = _maps(prob_HW=_block(), thresh_mask_HW=_block())
    nothing = Layers(prob=False, thresh=False, prob_mask=False)
    assert np.array_equal(overlay_maps(WHITE, maps, nothing), WHITE)
    band = overlay_maps(WHITE, maps, Layers(prob=False, thresh=False, thresh_mask=True))
    assert np.allclose(band[50, 50], 0.55 * 255 + 0.45 * np.array(BAND), atol=1)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        overlay_maps(WHITE[:-1], _maps())
