from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import SampleError
from formats.placement import check_resized, page_box, place
from formats.sample import Meta, Variant
from formats.spec import GeometrySpec

CANVAS = (96, 160)
SIDES = st.integers(1, 3000)


@given(
    SIDES, SIDES, st.sampled_from(["longest", "shortest", "exact"]), st.sampled_from(["top_left", "center"])
)
def test_the_box_of_a_page_holds_its_pixels_and_no_padding(
    height: int, width: int, resize: str, position: str
) -> None:
    placement = place((height, width), GeometrySpec(canvas=CANVAS, resize=resize, position=position))
    meta = Meta("a.jpg", "train", (height, width), placement.to_canvas_23, ())
    (top, left), (rows, columns) = placement.top_left, placement.resized
    right, bottom = min(left + columns, CANVAS[1]), min(top + rows, CANVAS[0])
    assert page_box(meta, CANVAS) == (max(left, 0), max(top, 0), right, bottom)


def test_the_box_of_a_variant_is_the_canvas() -> None:
    variant = Variant(1, np.eye(3), 0.0, 0.0, None)
    assert page_box(Meta("a.jpg", "train", (9, 9), np.eye(2, 3), (), variant), CANVAS) == (0, 0, 160, 96)


@pytest.mark.parametrize(("size", "fits"), [((2, 8000), False), ((8000, 2), False), ((300, 400), True)])
def test_a_page_that_would_fill_the_memory_is_refused_where_it_is_to_cover(
    size: tuple[int, int], fits: bool
) -> None:
    covers = GeometrySpec(canvas=(736, 736), resize="shortest")
    for geometry in (GeometrySpec(canvas=(736, 736)), GeometrySpec(canvas=(736, 736), resize="exact")):
        check_resized(place(size, geometry), geometry)
    if fits:
        check_resized(place(size, covers), covers)
        return
    with pytest.raises(SampleError, match="too narrow for its canvas") as caught:
        check_resized(place(size, covers), covers)
    assert caught.value.found.startswith(f"{size[0]} x {size[1]} (height x width)")


@pytest.mark.parametrize(
    ("size", "resize", "top_left"),
    [((96, 163), "shortest", (0, -2)), ((99, 160), "shortest", (-2, 0)), ((96, 157), "longest", (0, 1))],
)
def test_an_odd_pixel_of_a_centred_page_stays_where_sets_have_it(
    size: tuple[int, int], resize: str, top_left: tuple[int, int]
) -> None:
    geometry = GeometrySpec.model_validate({"canvas": CANVAS, "resize": resize, "position": "center"})
    assert place(size, geometry).top_left == top_left


@pytest.mark.parametrize(
    ("scale", "shift", "box"), [(0.01, 40.2, (41, 41, 42, 42)), (1.0, 1000.0, (159, 95, 160, 96))]
)
def test_the_box_of_a_page_is_a_pixel_at_least_and_on_the_canvas(
    scale: float, shift: float, box: tuple[int, int, int, int]
) -> None:
    # No build places pages so; sets of other makers may.
    to_canvas_23 = np.array([[scale, 0, shift], [0, scale, shift]])
    assert page_box(Meta("a.jpg", "train", (9, 9), to_canvas_23, ()), CANVAS) == box
