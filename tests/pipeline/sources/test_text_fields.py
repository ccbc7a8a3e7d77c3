from __future__ import annotations

import math

import pytest

from pipeline.sources.text_fields import leading_numbers


def test_numbers_up_to_the_first_field_that_is_none() -> None:
    assert leading_numbers(["1", " -2.5 ", "+.5", "3.", "1e2", "x", "4"]) == [1, -2.5, 0.5, 3, 100]


@pytest.mark.parametrize("field", ["", " ", "1_000", "٣", "0x1F", "1 2", "--1", "RM5", "1e", "."])
def test_what_python_or_people_may_take_for_a_number(field: str) -> None:
    assert leading_numbers([field]) == []


def test_nan_and_infinities_are_numbers_here_to_be_refused_as_coordinates() -> None:
    assert all(not math.isfinite(number) for number in leading_numbers(["NaN", "-inf", "1e999"]))
    assert len(leading_numbers(["NaN", "-inf", "1e999"])) == 3
