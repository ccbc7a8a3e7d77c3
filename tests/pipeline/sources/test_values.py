from __future__ import annotations

import numpy as np
import pytest

from pipeline.polygons import MAX_VERTICES
from pipeline.sources.record import UnusableError
from pipeline.sources.values import (
    box_polygon,
    coordinate,
    flat_polygon,
    json_flag,
    json_list,
    json_object,
    json_text,
    make_text,
    paired_polygon,
    shown,
    stated_size,
    whole_unicode,
)


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), -1e300, 10**400, 1_000_001, "12", True, None, [1], {}], ids=shown
)
def test_what_is_no_coordinate(bad: object) -> None:
    with pytest.raises(UnusableError, match=r"^points: expected a (number|coordinate)"):
        coordinate(bad, "points")


def test_coordinates_within_a_million_pixels() -> None:
    assert [coordinate(value, "x") for value in (0, -1_000_000, 1e6, 2.5)] == [0.0, -1e6, 1e6, 2.5]


def test_polygons_are_float64_and_frozen() -> None:
    for polygon_V2 in (flat_polygon([1, 2, 3.5, -0.0], "p"), paired_polygon([[1, 2], [3.5, -0.0]], "p")):
        assert polygon_V2.dtype == np.float64
        np.testing.assert_array_equal(polygon_V2, [[1, 2], [3.5, 0]])
        assert not np.signbit(polygon_V2).any()
        with pytest.raises(ValueError):
            polygon_V2[0, 0] = 9


def test_null_points_are_a_text_without_a_place() -> None:
    assert paired_polygon(None, "p").shape == (0, 2)
    assert paired_polygon([], "p").shape == (0, 2)


@pytest.mark.parametrize(
    "bad", [7, "1,2", {"x": 1}, [1, 2], [[1, 2], [3]], [[1, 2, 3]], [[1, "2"]], [[1, None]]]
)
def test_what_are_no_pairs(bad: object) -> None:
    with pytest.raises(UnusableError, match=r"^p: expected"):
        paired_polygon(bad, "p")


def test_an_odd_count_and_too_many_vertices() -> None:
    with pytest.raises(UnusableError, match="found 3 numbers"):
        flat_polygon([1, 2, 3], "p")
    assert len(flat_polygon([0] * 2 * MAX_VERTICES, "p")) == MAX_VERTICES
    for read in (lambda n: flat_polygon([0] * 2 * n, "p"), lambda n: paired_polygon([[0, 0]] * n, "p")):
        with pytest.raises(UnusableError, match="at most 1000 vertices, found 100000"):
            read(100_000)


def test_a_box_of_any_two_corners() -> None:
    expected = [[1, 2], [5, 2], [5, 9], [1, 9]]
    for corners in ((1, 2, 5, 9), (5, 9, 1, 2), (5, 2, 1, 9)):
        np.testing.assert_array_equal(box_polygon(*corners), expected)


def test_dont_care_by_flag_or_by_transcription() -> None:
    polygon_V2 = box_polygon(0, 0, 1, 1)
    assert make_text(polygon_V2, " ### ", ("###",)).dont_care
    assert make_text(polygon_V2, "a", ("###",), flag=True).dont_care
    for text in ("####", "a ###", "", None):
        assert not make_text(polygon_V2, text, ("###",)).dont_care


def test_lone_surrogates_can_be_stored() -> None:
    assert whole_unicode("a\ud800b\U0001f600") == "a\ufffdb\U0001f600"
    whole_unicode("\udfff").encode()


def test_json_types() -> None:
    assert [json_flag(value, "f") for value in (True, False, None, 1, 0)] == [True, False, False, True, False]
    assert json_text(None, "t") is None
    for check, bad in (
        (json_flag, "yes"),
        (json_flag, 2),
        (json_text, 5),
        (json_list, {}),
        (json_object, []),
    ):
        with pytest.raises(UnusableError, match=r"^what: expected"):
            check(bad, "what")


def test_a_stated_size_is_two_positive_whole_numbers() -> None:
    assert stated_size(720, 1280) == (720, 1280)
    for height, width in ((None, 5), (5, "5"), (0, 5), (5.0, 5), (True, 5)):
        assert stated_size(height, width) is None


def test_messages_stay_short() -> None:
    assert max(len(shown(value)) for value in ("x" * 10**6, [0] * 10**5, 10**5000, {"a": "b" * 999})) < 80
