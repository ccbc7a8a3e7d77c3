from __future__ import annotations

import numpy as np

from formats.pictures.palette import IGNORED, INVENTED, MISSED, PREDICTED
from train.figures.overlay import MEANINGS, draw_comparison, draw_found
from train.metrics.score import PageScore, PageTruth

PAGE = np.full((200, 200, 3), 255, np.uint8)


def _box(y: float) -> np.ndarray:
    return np.array([[20.0, y], [180.0, y], [180.0, y + 20], [20.0, y + 20]])


def _rows_of(drawn: np.ndarray, color: tuple[int, int, int]) -> set[int]:
    """Return the tens of rows where a colour is seen."""
    rows = np.nonzero((np.abs(drawn.astype(int) - color).max(axis=2) < 10).any(axis=1))[0]
    return set((rows // 10).tolist())


def test_each_judgement_has_its_colour_at_its_place() -> None:
    texts, found = (_box(10), _box(50), _box(150)), (_box(12), _box(90), _box(152))
    truth = PageTruth(texts, np.array([False, False, True]), (None, None, None))
    score = PageScore(0.5, 0.5, 0.5, 1, 2, 1, 2, pairs=((0, 0),), ignored=(2,))
    drawn = draw_comparison(PAGE, truth, found, score, width=3.0)
    assert _rows_of(drawn, PREDICTED) <= {1, 2, 3}
    assert _rows_of(drawn, MISSED) <= {4, 5, 6, 7}
    assert _rows_of(drawn, INVENTED) <= {8, 9, 10, 11}
    assert _rows_of(drawn, IGNORED) <= {14, 15, 16, 17}
    assert all(_rows_of(drawn, color) for _, color in MEANINGS)
    assert not (drawn[12:15, 30:170] == 255).all(axis=2).any(axis=1).all()


def test_found_boxes_without_a_truth_are_blue() -> None:
    drawn = draw_found(PAGE, [_box(60)], 2.0)
    assert _rows_of(drawn, PREDICTED) == {5, 6, 7, 8} & _rows_of(drawn, PREDICTED) != set()
    assert (drawn[100:] == 255).all()
