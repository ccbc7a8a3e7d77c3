from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from pipeline.dashboard.charts import MOST_POINTS, Axes, Line, bar_chart, line_chart, share_bar
from pipeline.dashboard.ticks import ticks

AXES = Axes("what <it> shows", "steps", "score")


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<all>{svg}</all>")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.003), (-5, 1234), (97, 101), (3, 3)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low <= value <= high for value in found)


def test_lines_have_their_places_names_and_values() -> None:
    chart = parsed(
        line_chart([Line("a", [0, 10], [0.0, 1.0]), Line("b<", [0, 10], [1.0, None])], AXES, points=True)
    )
    lines = [line.get("points") for line in chart.iter("polyline")]
    # From the lower left corner of the frame to the upper right.
    assert lines[0] == "54.0,220.0 626.0,22.0"
    assert [title.text for title in chart.iter("title")] == [
        "a: 0 at steps 0",
        "a: 1 at steps 10",
        "b<: 1 at steps 0",
    ]
    assert chart[0].get("aria-label") == "what <it> shows"


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    chart = line_chart([Line("a", range(10_000), [float(i) for i in range(10_000)])], AXES)
    (points,) = re.findall(r'points="([^"]*)"', chart)
    assert len(points.split()) <= MOST_POINTS + 1
    assert points.split()[-1] == "626.0,22.0"


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm() -> None:
    chart = parsed(
        line_chart([Line("a", [0, 1, 2, 3], [0.0, 1.0, 10.0, float("nan")])], Axes("t", "x", "y", log=True))
    )
    (line,) = chart.iter("polyline")
    assert len(str(line.get("points")).split()) == 2


@pytest.mark.parametrize("ys", [[5.9, 6.1], [6.02, 6.05, 6.04], [6.0], [0.5, 40.0]])
def test_a_logarithmic_axis_has_numbers_and_lines_however_close_the_values(ys: list[float]) -> None:
    chart = parsed(line_chart([Line("a", range(6, 6 + len(ys)), ys)], Axes("t", "x", "y", log=True)))
    numbers = [float(str(text.text)) for text in chart.iter("text") if text.get("text-anchor") == "end"]
    assert len(numbers) >= 3 and len({*numbers}) == len(numbers)
    assert len([path for path in chart.iter("path") if path.get("class") == "rule"]) == len(numbers)
    heights = [float(str(dot.get("cy"))) for dot in chart.iter("circle")]
    assert len(heights) == len(ys) and all(22 <= height <= 220 for height in heights)


def test_a_line_says_where_it_ends() -> None:
    chart = line_chart([Line("a", [1, 2, 3], [6.1, 5.93, None]), Line("b", [], [])], AXES)
    assert "a: 5.93 at 2" in chart and "b: nothing yet" in chart


def test_counts_have_whole_numbers_and_room_above() -> None:
    chart = parsed(bar_chart([0, 1, 2], [2, 1], Axes("t", "x", "texts", whole="xy")))
    texts = [text.text for text in chart.iter("text")]
    assert texts[:6] == ["0", "1", "2", "0", "1", "2"]
    tops = [float(str(text.get("y"))) for text in chart.iter("text") if text.get("y")]
    assert min(tops[:-1]) > 21 and tops[-1] > 12  # a phone's letters are 21 units high


def test_the_last_bar_says_that_it_is_of_all_beyond() -> None:
    chart = parsed(bar_chart([0, 4, 8, 12], [1, 2, 3], AXES, open_end=True))
    assert [bar.get("class") for bar in chart.iter("rect")] == ["bar", "bar", "bar more"]
    assert [title.text for title in chart.iter("title")][-1] == "8 or more: 3"
    assert "≥ 8" in [text.text for text in chart.iter("text")]


def test_nothing_recorded_is_said() -> None:
    assert "Nothing recorded" in line_chart([Line("a", [], [])], AXES)


def test_bars_below_the_limit_are_marked() -> None:
    chart = parsed(bar_chart([0, 4, 8, 12], [1, 2, 3], AXES, limit=8.0))
    bars = list(chart.iter("rect"))
    assert [bar.get("class") for bar in bars] == ["bar lost", "bar lost", "bar"]
    heights = [float(str(bar.get("height"))) for bar in bars]
    assert heights[2] == pytest.approx(3 * heights[0], abs=0.2)


def test_shares_fill_the_bar() -> None:
    chart = parsed(share_bar([("a", 3), ("b", 1)], "bytes"))
    assert [float(str(part.get("width"))) for part in chart.iter("rect")] == [75.0, 25.0]
