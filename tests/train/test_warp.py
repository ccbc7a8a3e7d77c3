from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_set import made_sample, middle_of
from numpy.testing import assert_array_equal

from formats.codecs import map_planes
from formats.sample import Bytes, DistanceMaps, Points
from train.augment import color_matrix, similarity_matrix
from train.page_boxes import NOWHERE, bits_box, page_box, plane_box
from train.warp import Warper, require_similarity

CANVAS = (128, 96)
PAD = (10, 200, 30)
SAMPLE = made_sample(0, CANVAS)
PLANES = map_planes(SAMPLE.maps)


def warp_page(
    matrix_23: Points, crop: tuple[int, int], color: Points | None = None, image_HWC: Bytes = SAMPLE.image_HWC
) -> tuple[Bytes, Bytes]:
    warper = Warper(CANVAS, crop, PAD)
    image, plane = np.empty((*crop, 3), np.uint8), np.empty(crop, np.uint8)
    everything = (0, 0, CANVAS[1], CANVAS[0])
    warper.page(warper.view(matrix_23), everything, image_HWC, PLANES["distance"], color, image, plane)
    return image, plane


def warp_overlap(matrix_23: Points, crop: tuple[int, int], plane: Bytes | None) -> Bytes:
    warper = Warper(CANVAS, crop, PAD)
    out = np.full(crop, 99, np.uint8)
    warper.overlap(warper.view(matrix_23), NOWHERE if plane is None else plane_box(plane), plane, out)
    return out


def warp_bits(matrix_23: Points, crop: tuple[int, int], packed: Bytes, outside: int) -> Bytes:
    warper = Warper(CANVAS, crop, PAD)
    out = np.full((crop[0], crop[1] // 8), 99, np.uint8)
    warper.bits(warper.view(matrix_23), bits_box(packed, outside), packed, out, outside)
    return np.unpackbits(out, axis=1)


def test_the_whole_page_comes_as_it_is() -> None:
    matrix_23 = similarity_matrix(middle_of(CANVAS), CANVAS)
    image, plane = warp_page(matrix_23, CANVAS)
    assert isinstance(SAMPLE.maps, DistanceMaps) and SAMPLE.maps.overlap_HW is not None
    assert_array_equal(image, SAMPLE.image_HWC)
    assert_array_equal(plane, SAMPLE.maps.distance_HW)
    assert_array_equal(warp_overlap(matrix_23, CANVAS, PLANES["overlap"]), SAMPLE.maps.overlap_HW)
    assert_array_equal(warp_bits(matrix_23, CANVAS, PLANES["prob_mask"], 1), SAMPLE.maps.prob_mask_HW)


def test_a_flip_and_a_quarter_turn_are_exact() -> None:
    flip = similarity_matrix(middle_of(CANVAS), CANVAS, flip=True)
    turn = similarity_matrix(middle_of(CANVAS), CANVAS[::-1], degrees=90)
    for matrix_23, crop, moved in (
        (flip, CANVAS, lambda plane: plane[:, ::-1]),
        (turn, CANVAS[::-1], lambda plane: np.rot90(plane, -1)),
    ):
        image, plane = warp_page(matrix_23, crop)
        assert_array_equal(image, moved(SAMPLE.image_HWC))
        assert_array_equal(plane, moved(PLANES["distance"]))
        assert_array_equal(warp_overlap(matrix_23, crop, PLANES["overlap"]), moved(PLANES["overlap"]))
        unpacked = np.unpackbits(PLANES["prob_mask"], axis=1)
        assert_array_equal(warp_bits(matrix_23, crop, PLANES["prob_mask"], 1), moved(unpacked))


def test_a_crop_is_exact_and_padded_off_the_page() -> None:
    # The middle of 40 x 48 is (23.5, 19.5): the crop's first pixel is the page's (-5, -3).
    image, plane = warp_page(similarity_matrix((18.5, 16.5), (40, 48)), (40, 48))
    assert_array_equal(image[3:, 5:], SAMPLE.image_HWC[:37, :43])
    assert_array_equal(plane[3:, 5:], PLANES["distance"][:37, :43])
    assert (image[:3] == PAD).all() and (image[:, :5] == PAD).all()
    assert not plane[:3].any() and not plane[:, :5].any()


def test_bits_off_the_page_are_as_told() -> None:
    matrix_23 = similarity_matrix((0.0, 0.0), (30, 32))
    nothing, every = np.zeros((128, 12), np.uint8), np.full((128, 12), 255, np.uint8)
    assert warp_bits(matrix_23, (30, 32), nothing, 1)[:14].all()
    assert not warp_bits(matrix_23, (30, 32), nothing, 1)[16:, 16:].any()
    assert not warp_bits(matrix_23, (30, 32), every, 0)[:14].any()
    assert warp_bits(matrix_23, (30, 32), every, 0)[16:, 16:].all()


def test_a_crop_off_the_page_is_all_padding() -> None:
    matrix_23 = similarity_matrix((-500.0, 30.0), (32, 32))
    image, plane = warp_page(matrix_23, (32, 32))
    assert (image == PAD).all() and not plane.any()
    assert not warp_overlap(matrix_23, (32, 32), PLANES["overlap"]).any()
    assert warp_bits(matrix_23, (32, 32), np.zeros((128, 12), np.uint8), 1).all()


def test_no_overlap_plane_is_all_zero() -> None:
    assert not warp_overlap(similarity_matrix((40, 40), (32, 32)), (32, 32), None).any()


def test_doubling_is_opencvs_resize() -> None:
    image, _ = warp_page(similarity_matrix(middle_of(CANVAS), (256, 192), scale=2.0), (256, 192))
    resized = cv2.resize(SAMPLE.image_HWC, (192, 256), interpolation=cv2.INTER_LINEAR)
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(image[inner].astype(int) - resized[inner]).max() <= 1


moves = st.builds(
    similarity_matrix,
    st.tuples(st.floats(-40, 130), st.floats(-40, 160)),
    st.just((64, 80)),
    scale=st.floats(0.5, 3),
    degrees=st.floats(-180, 180),
    flip=st.booleans(),
)


def bilinear(plane: Points, matrix_23: Points, crop: tuple[int, int], border: float) -> Points:
    """Sample a plane at the points of a crop, in float64."""
    y_HW, x_HW = np.mgrid[: crop[0], : crop[1]].astype(float)
    points = np.stack([x_HW, y_HW], axis=-1) - matrix_23[:, 2]
    at = points @ np.linalg.inv(matrix_23[:, :2]).T
    first = np.floor(at).astype(int)
    share = at - first
    padded = np.pad(plane, 1, constant_values=border)
    total = np.zeros(crop)
    for down in (0, 1):
        for across in (0, 1):
            x = np.clip(first[..., 0] + across, -1, plane.shape[1]) + 1
            y = np.clip(first[..., 1] + down, -1, plane.shape[0]) + 1
            weight = (share[..., 0] if across else 1 - share[..., 0]) * (
                share[..., 1] if down else 1 - share[..., 1]
            )
            total += weight * padded[y, x]
    return total


@given(moves)
@settings(max_examples=60, deadline=None)
def test_any_move_samples_bilinearly(matrix_23: Points) -> None:
    image, plane = warp_page(matrix_23, (64, 80))
    # Older OpenCV places samples on a grid of 1/32 pixel: neighbours 255 apart then differ by up to 8.
    error = plane - bilinear(PLANES["distance"].astype(float), matrix_23, (64, 80), 0.0)
    assert np.abs(error).max() <= 8.5 and np.abs(error).mean() <= 0.5
    green = image[..., 1] - bilinear(SAMPLE.image_HWC[..., 1].astype(float), matrix_23, (64, 80), PAD[1])
    assert np.abs(green).max() <= 8.5 and np.abs(green).mean() <= 0.6
    mask = np.unpackbits(PLANES["prob_mask"], axis=1).astype(float)
    expected = bilinear(mask, matrix_23, (64, 80), 1.0)
    found = warp_bits(matrix_23, (64, 80), PLANES["prob_mask"], 1)
    assert set(np.unique(found)) <= {0, 1}
    clear = np.abs(expected - 0.5) > 0.04
    assert_array_equal(found[clear], expected[clear] > 0.5)


@given(moves)
@settings(max_examples=30, deadline=None)
def test_any_move_takes_the_nearest_overlap(matrix_23: Points) -> None:
    y_HW, x_HW = np.mgrid[:64, :80].astype(float)
    at = (np.stack([x_HW, y_HW], axis=-1) - matrix_23[:, 2]) @ np.linalg.inv(matrix_23[:, :2]).T
    nearest = np.rint(at).astype(int)
    clear = (np.abs(at - nearest) < 0.46).all(axis=-1)
    padded = np.pad(PLANES["overlap"], 1)
    expected = padded[np.clip(nearest[..., 1], -1, 128) + 1, np.clip(nearest[..., 0], -1, 96) + 1]
    found = warp_overlap(matrix_23, (64, 80), PLANES["overlap"])
    assert_array_equal(found[clear], expected[clear])


@given(moves)
@settings(max_examples=30, deadline=None)
def test_image_and_plane_move_together(matrix_23: Points) -> None:
    as_image = np.repeat(PLANES["distance"][..., None], 3, axis=2)
    warper = Warper(CANVAS, (64, 80), (0, 0, 0))
    image, plane = np.empty((64, 80, 3), np.uint8), np.empty((64, 80), np.uint8)
    box = page_box(as_image, PLANES["distance"])
    warper.page(warper.view(matrix_23), box, as_image, PLANES["distance"], None, image, plane)
    for channel in range(3):
        assert_array_equal(image[..., channel], plane)


def test_color_touches_the_image_alone() -> None:
    matrix_23 = similarity_matrix((40, 60), (64, 64), scale=1.3, degrees=4)
    color_34 = color_matrix(brightness=20, contrast=1.2, saturation=0.6)
    assert color_34 is not None
    plain, plane = warp_page(matrix_23, (64, 64))
    colored, same_plane = warp_page(matrix_23, (64, 64), color_34)
    expected = plain.astype(float) @ color_34[:, :3].T + color_34[:, 3]
    assert np.abs(colored - expected.clip(0, 255)).max() <= 1
    assert_array_equal(plane, same_plane)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.2, 0.0], [0.0, 1.0, 0.0]],  # shear
        [[1.0, 0.0, 0.0], [0.0, 1.1, 0.0]],  # unequal scales
        [[0.0, 0.0, 5.0], [0.0, 0.0, 5.0]],
        [[np.nan, 0.0, 0.0], [0.0, 1.0, 0.0]],
        [[1.0, 0.0, np.inf], [0.0, 1.0, 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.001, 0.0, 1.0]],  # perspective
    ],
)
def test_a_matrix_outside_the_similarity_group_is_refused(matrix: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="not a similarity"):
        Warper(CANVAS, (32, 32), PAD).view(np.array(matrix))


def test_similarities_are_taken() -> None:
    for flip in (False, True):
        require_similarity(similarity_matrix((3, 4), (5, 6), scale=1e-3, degrees=123, flip=flip))
        require_similarity(similarity_matrix((3, 4), (5, 6), scale=1e3, degrees=-5, flip=flip))
