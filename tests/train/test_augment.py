from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_set import made_sample, middle_of
from numpy.testing import assert_allclose

from formats.codecs import map_planes
from formats.errors import UsageError
from formats.sample import Bytes, Points
from formats.settings import validate_settings
from train.augment import (
    AugmentSettings,
    Draw,
    color_matrix,
    draw_for,
    similarity_matrix,
    text_point,
)

CANVAS, CROP = (256, 192), (96, 128)
STILL = AugmentSettings(flip=0, rotation=0, scale=(1, 1), brightness=0, contrast=0, saturation=0, grayscale=0)
coordinates = st.floats(-100, 1000)


def moved(matrix_23: Points, points: object) -> Points:
    result: Points = np.atleast_2d(np.asarray(points, float)) @ matrix_23[:, :2].T + matrix_23[:, 2]
    return result


@pytest.fixture(scope="module")
def planes() -> dict[str, Bytes]:
    return map_planes(made_sample(1, CANVAS).maps)


@given(coordinates, coordinates, st.floats(0.5, 4), st.floats(-180, 180), st.booleans())
@settings(max_examples=60, deadline=None)
def test_similarity_keeps_its_promises(x: float, y: float, scale: float, degrees: float, flip: bool) -> None:
    matrix_23 = similarity_matrix((x, y), CROP, scale=scale, degrees=degrees, flip=flip)
    assert_allclose(moved(matrix_23, (x, y))[0], [63.5, 47.5], atol=1e-8)
    linear_22 = matrix_23[:, :2]
    assert_allclose(linear_22 @ linear_22.T, scale**2 * np.eye(2), atol=1e-9)
    assert np.linalg.det(linear_22) == pytest.approx(-(scale**2) if flip else scale**2)


def test_middle_is_halfway_between_the_outer_pixels() -> None:
    assert middle_of((4, 5)).tolist() == [2.0, 1.5]


def test_scale_about_the_middle_is_a_resize() -> None:
    # x' = (x + 0.5) w'/w - 0.5, written once in docs/format.md.
    matrix_23 = similarity_matrix(middle_of((10, 20)), (30, 60), scale=3.0)
    assert_allclose(moved(matrix_23, (0, 0))[0], [1.0, 1.0])
    assert_allclose(moved(matrix_23, (19, 9))[0], [58.0, 28.0])


def test_rotation_turns_from_x_towards_y() -> None:
    matrix_23 = similarity_matrix((0, 0), (1, 1), degrees=90)
    assert_allclose(moved(matrix_23, (1, 0))[0], [0, 1], atol=1e-12)


def test_flip_maps_x_to_width_less_one_less_x() -> None:
    plain = similarity_matrix((50, 40), CROP, scale=1.3, degrees=7)
    flipped = similarity_matrix((50, 40), CROP, scale=1.3, degrees=7, flip=True)
    points = [(0, 0), (12, 80), (50, 40)]
    assert_allclose(moved(flipped, points)[:, 0], 127 - moved(plain, points)[:, 0])
    assert_allclose(moved(flipped, points)[:, 1], moved(plain, points)[:, 1])


def test_draw_is_a_pure_function_of_seed_epoch_and_key(planes: dict[str, Bytes]) -> None:
    def draw(key: str = "a.jpg", seed: int = 1, epoch: int = 2) -> list[float]:
        drawn = draw_for(key, planes, AugmentSettings(), seed, epoch, CROP)
        assert drawn.color_34 is not None
        return [*drawn.matrix_23.ravel().tolist(), *drawn.color_34.ravel().tolist()]

    first = draw()
    others = [draw(key="b.jpg"), draw(seed=2), draw(epoch=3)]
    assert draw() == first
    assert all(a != b for other in others for a, b in zip(other[:6], first[:6], strict=True))


def test_draw_is_frozen(planes: dict[str, Bytes]) -> None:
    # A run that is resumed under a later version must meet the same crops.
    drawn = draw_for("a.jpg", planes, AugmentSettings(), 1, 2, CROP)
    assert drawn.color_34 is not None
    assert_allclose(
        drawn.matrix_23,
        [
            [-1.108308819423, -0.064520181243, 164.977156744332],
            [-0.064520181243, 1.108308819423, -152.483119585708],
        ],
        atol=1e-9,
    )
    assert_allclose(
        drawn.color_34,
        [
            [0.903017993627, -0.014596037518, -0.002834664867, 13.835160889568],
            [-0.007434778906, 0.895856735015, -0.002834664867, 13.835160889568],
            [-0.007434778906, -0.014596037518, 0.907618107665, 13.835160889568],
        ],
        atol=1e-9,
    )


def draws(planes: dict[str, Bytes], settings: AugmentSettings, count: int = 600) -> list[Draw]:
    return [draw_for(f"{number}.jpg", planes, settings, 0, 0, CROP) for number in range(count)]


def test_draws_fill_their_ranges(planes: dict[str, Bytes]) -> None:
    linear = np.array([draw.matrix_23[:, :2] for draw in draws(planes, AugmentSettings(flip=0.25))])
    scale = np.hypot(linear[:, 0, 1], linear[:, 1, 1])
    flipped = np.linalg.det(linear) < 0
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0] * np.where(flipped, -1, 1), linear[:, 1, 1]))
    assert 0.8 <= scale.min() < 0.82 and 1.85 < scale.max() <= 1.9
    assert np.median(scale) == pytest.approx(np.sqrt(0.8 * 1.9), rel=0.06)
    assert np.mean(flipped) == pytest.approx(0.25, abs=0.06)
    assert np.abs(angle).max() <= 5.0 and angle.min() < -4.8 and angle.max() > 4.8
    assert np.mean(angle) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("as_planes", [False, True])
def test_text_share_puts_text_in_the_crop(as_planes: bool) -> None:
    maps = made_sample(1, (640, 512)).maps
    maps.distance_HW[100:] = 0  # type: ignore[union-attr]
    stored = map_planes(maps.target_maps(0.4) if as_planes else maps)  # type: ignore[union-attr]
    text_HW = maps.target_maps(0.4).thresh_mask_HW  # type: ignore[union-attr]
    rows, columns = np.nonzero(text_HW)
    points = np.column_stack([columns, rows])

    def share(settings: AugmentSettings) -> float:
        seen = [moved(draw.matrix_23, points) for draw in draws(stored, settings, 150)]
        return float(np.mean([((at >= 0) & (at <= [127, 95])).all(axis=1).any() for at in seen]))

    assert share(AugmentSettings(text_share=1)) == 1.0
    assert share(AugmentSettings(text_share=0)) < 0.6


def test_the_text_that_was_drawn_lies_in_the_crop_however_it_is_turned() -> None:
    distance_HW = np.zeros((1024, 1024), np.uint8)
    distance_HW[512, 480] = 255
    settings = AugmentSettings(rotation=180, scale=(1, 1), text_share=1)
    drawn = draws({"distance": distance_HW}, settings)
    at = np.array([moved(draw.matrix_23, (480, 512))[0] for draw in drawn])
    assert (at >= -0.5).all() and (at <= [127.5, 95.5]).all()
    assert (at.min(axis=0) < [3, 3]).all() and (at.max(axis=0) > [124, 92]).all()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_crops_stay_on_the_page_or_hold_it_whole(planes: dict[str, Bytes], scale: float) -> None:
    for draw in draws(planes, AugmentSettings(scale=(scale, scale), rotation=0, text_share=0.5), 100):
        (left, top), (right, bottom) = moved(draw.matrix_23, [(0, 0), (191, 255)])
        left, right = sorted((left, right))
        for first, last, end in ((left, right, 127), (top, bottom, 95)):
            # Half a crop pixel or half a page pixel lies between outer centres and outer borders.
            outer, inner = 0.5 * scale - 0.5 + 1e-9, end + 0.5 - 0.5 * scale - 1e-9
            page_is_smaller = last - first + scale < end + 1
            assert (
                (first >= outer - 1e-6 and last <= inner + 1e-6)
                if page_is_smaller
                else (first <= outer and last >= inner)
            )


def test_pages_without_text_are_cropped_anywhere() -> None:
    blank = {"distance": np.zeros(CANVAS, np.uint8)}
    assert text_point(blank, 0.5) is None
    centers = [
        np.linalg.solve(d.matrix_23[:, :2], middle_of(CROP) - d.matrix_23[:, 2]) for d in draws(blank, STILL)
    ]
    assert_allclose(np.min(centers, axis=0), [63.5, 47.5], atol=2)
    assert_allclose(np.max(centers, axis=0), [191 - 63.5, 255 - 47.5], atol=2)


def test_text_point_lies_on_text(planes: dict[str, Bytes]) -> None:
    for random in np.linspace(0, 1, 50, endpoint=False):
        point = text_point(planes, random)
        assert point is not None
        assert planes["distance"][int(point[1]), int(point[0])] >= 18


def test_still_settings_leave_pixels_alone(planes: dict[str, Bytes]) -> None:
    for draw in draws(planes, STILL, 20):
        assert draw.color_34 is None
        assert_allclose(draw.matrix_23[:, :2], np.eye(2))


def test_color_matrix() -> None:
    assert color_matrix(brightness=0, contrast=1, saturation=1) is None
    pixel = np.array([200.0, 100.0, 50.0, 1.0])
    assert_allclose(color_matrix(brightness=10, contrast=1, saturation=1) @ pixel, [210, 110, 60])
    assert_allclose(color_matrix(brightness=0, contrast=2, saturation=1) @ pixel, [272.5, 72.5, -27.5])
    grey = color_matrix(brightness=0, contrast=1, saturation=0) @ pixel
    assert_allclose(grey, [0.299 * 200 + 0.587 * 100 + 0.114 * 50] * 3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": [1.5, 0.9]}, "scale is from-to: 1.5 is above 0.9"),
        ({"scale": [0.4, 1.0]}, "greater than or equal to 0.5"),
        ({"shear": 0.1}, "shear: unknown field"),
        ({"flip": 1.5}, "flip"),
        ({"rotation": float("inf")}, "rotation"),
    ],
)
def test_settings_outside_the_group_or_range_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        validate_settings(AugmentSettings, values, "augment")
