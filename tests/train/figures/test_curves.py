from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from formats.pictures.palette import BLUE, IGNORED, VERMILLION
from train.figures.curves import plot_curves, plot_precision_recall, series
from train.score_points import ScorePoint


def _records(count: int = 40) -> list[dict]:
    rows: list[dict] = []
    for step in range(1, count + 1):
        loss = 3.0 / step + 0.4
        parts = {"loss": loss, "loss/prob": 0.5 * loss, "loss/thresh": 0.3 * loss}
        rows.append({"phase": "train", "global_step": step, "lr": 1e-3 * (1 - step / count), **parts})
        if step % 10 == 0:
            score = 1.0 - 4.0 / (step + 4) if step < 40 else 0.5
            rows.append(
                {"phase": "val", "global_step": step, "hmean": score, "precision": 0.9, "recall": 0.4}
            )
    return rows


def _share(path: Path, color: tuple[int, int, int]) -> float:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float((np.abs(pixels - color).max(axis=2) < 20).mean())


def test_series_picks_a_phase_and_keeps_gaps() -> None:
    rows = [*_records(10), {"phase": "train", "global_step": 11, "loss": None}]
    loss = series(rows, "train", "loss")
    assert loss.steps_N.tolist() == list(range(1, 12))
    assert np.isnan(loss.values_N[-1])
    assert loss.best == 0
    assert series(rows, "val", "hmean").steps_N.tolist() == [10]
    assert series(rows, "val", "nothing").best is None


@pytest.mark.parametrize("count", [1, 40, 400])
def test_curves_are_drawn(tmp_path: Path, count: int) -> None:
    plot_curves(_records(count), tmp_path / "curves.png")
    assert _share(tmp_path / "curves.png", BLUE) > 0.0001


def test_the_best_step_is_marked_only_where_there_is_a_score(tmp_path: Path) -> None:
    rows = _records()
    plot_curves(rows, tmp_path / "with.png")
    plot_curves([row for row in rows if row["phase"] == "train"], tmp_path / "without.png")
    assert _share(tmp_path / "with.png", IGNORED) > 0.0001 > _share(tmp_path / "without.png", IGNORED)


def test_no_records_and_none_but_gaps_give_an_empty_picture(tmp_path: Path) -> None:
    plot_curves([], tmp_path / "empty.png")
    gap = [{"phase": "train", "global_step": 1, "loss": None, "lr": None}]
    plot_curves([*gap, {"phase": "val", "global_step": 1, "hmean": None}], tmp_path / "gaps.png")
    assert _share(tmp_path / "empty.png", BLUE) == 0.0
    assert (tmp_path / "gaps.png").exists()


def test_precision_recall_marks_the_best_threshold(tmp_path: Path) -> None:
    points = [ScorePoint(t, 0.5 + t / 2, 1.0 - t * t) for t in np.linspace(0.05, 0.95, 19)]
    plot_precision_recall(points, tmp_path / "pr.png")
    plot_precision_recall([], tmp_path / "none.png")
    assert _share(tmp_path / "pr.png", VERMILLION) > 0.0005
    assert _share(tmp_path / "none.png", VERMILLION) == 0.0


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        plot_curves(_records(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_global_state_is_touched() -> None:
    code = "import sys, train.figures.curves; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_of_equal_scores_the_later_is_the_best_as_everywhere_else() -> None:
    scores = (0.5, 0.8, None, 0.8, 0.7, None)
    rows = [{"phase": "val", "global_step": 10 * n, "hmean": score} for n, score in enumerate(scores)]
    assert series(rows, "val", "hmean").best == 3
