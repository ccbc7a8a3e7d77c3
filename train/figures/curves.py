"""How a run went, drawn: losses, learning rate and scores over the steps; precision against recall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from formats.pictures.palette import CYCLE, FAINT_INK, IGNORED, RULE, VERMILLION, hex_of
from train.score_points import ScorePoint

COLORS = tuple(hex_of(color) for color in CYCLE)
GREY, FAINT = hex_of(FAINT_INK), hex_of(RULE)
SCORES = ("hmean", "precision", "recall")
RECORDS_A_DOT = 60
"""Above so many records a loss is drawn faint, with a running mean over a fortieth of them on top."""

Records = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One quantity of a run: steps (N,) int64 and values (N,) float64, NaN where one was not finite."""

    steps_N: NDArray[np.int64]
    values_N: Floats

    @property
    def best(self) -> int | None:
        """Index of the greatest value, the later of equals as everywhere; None if there is no finite one."""
        backwards_N = self.values_N[::-1]
        if np.isnan(backwards_N).all():
            return None
        return len(backwards_N) - 1 - int(np.nanargmax(backwards_N))


def series(records: Records, phase: str, name: str) -> Series:
    """Return one quantity of the records of one phase, in the order they were written."""
    chosen = [record for record in records if record["phase"] == phase and name in record]
    values = [np.nan if record[name] is None else record[name] for record in chosen]
    steps = [record["global_step"] for record in chosen]
    return Series(np.array(steps, np.int64), np.array(values, np.float64))


def plot_curves(records: Iterable[Mapping[str, Any]], path: str | Path, scores_from: int = 0) -> None:
    """Write a PNG of a run's curves: losses (logarithmic), learning rate, and the scores of validation.

    Args:
        records: as in `metrics.jsonl`: mappings with "phase" and "global_step"; of the phase "train" the
            values "loss", "loss/..." and "lr" are drawn, of every other phase "hmean", "precision" and
            "recall". What is missing leaves its part of the picture empty; None leaves a gap.
        path: of the PNG.
        scores_from: the first step whose scores compare with the last ones; before it none is called best.
    """
    rows = list(records)
    figure = Figure(figsize=(9.0, 9.0), dpi=110, layout="constrained", facecolor="white")
    losses, rate, scores = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 3))
    _draw_losses(losses, rows)
    _draw_series(rate, series(rows, "train", "lr"), COLORS[0], "learning rate")
    rate.set_ylabel("learning rate")
    rate.ticklabel_format(axis="y", scilimits=(0, 0))
    _draw_scores(scores, rows, scores_from)
    scores.set_xlabel("optimizer step")
    for axes in (losses, rate, scores):
        _dress(axes)
    figure.savefig(path, metadata={"Software": None})


def plot_precision_recall(points: Iterable[ScorePoint], path: str | Path) -> None:
    """Write a PNG of precision against recall over score thresholds, with lines of equal H-mean behind."""
    curve = sorted(points, key=lambda point: point.threshold)
    recall, precision = (np.array([getattr(p, name) for p in curve]) for name in ("recall", "precision"))
    figure = Figure(figsize=(6.0, 6.0), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots()
    _draw_equal_hmean(axes)
    axes.plot(recall, precision, color=COLORS[0], marker="o", markersize=3.5, linewidth=2)
    if curve:
        hmean = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        top = int(np.argmax(hmean))
        axes.plot(recall[top], precision[top], marker="o", markersize=10, color=hex_of(VERMILLION))
        label = f"best H-mean {hmean[top]:.3f}\nat score {curve[top].threshold:.2f}"
        place = (recall[top] - 0.03, precision[top] - 0.03)
        axes.annotate(label, place, ha="right", va="top", color=hex_of(VERMILLION))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01), aspect="equal")
    _dress(axes)
    figure.savefig(path, metadata={"Software": None})


def _draw_losses(axes: Axes, rows: Records) -> None:
    names = dict.fromkeys(
        name
        for record in rows
        if record["phase"] == "train"
        for name in record
        if name == "loss" or name.startswith("loss/")
    )
    for color, name in zip(COLORS, names, strict=False):
        loss = series(rows, "train", name)
        label = "loss, all parts" if name == "loss" else name.removeprefix("loss/")
        many = len(loss.steps_N) > RECORDS_A_DOT
        if many:
            axes.plot(loss.steps_N, loss.values_N, color=color, alpha=0.22, linewidth=0.8)
        _draw_series(axes, _running_mean(loss) if many else loss, color, label)
    axes.set_ylabel("loss")
    if names:
        axes.set_yscale("log")
        axes.legend(frameon=False, ncols=len(names), loc="upper right")


def _draw_scores(axes: Axes, rows: Records, scores_from: int) -> None:
    scored = (
        record for record in rows if record["phase"] != "train" and not record.keys().isdisjoint(SCORES)
    )
    phases = dict.fromkeys(record["phase"] for record in scored)
    for phase in phases:
        for color, style, name in zip(COLORS, ("-", "--", ":"), SCORES, strict=False):
            label = name.replace("hmean", "H-mean") + ("" if len(phases) == 1 else f" ({phase})")
            _draw_series(axes, series(rows, phase, name), color, label, style=style, marker="o")
        _mark_best(axes, series([row for row in rows if row["global_step"] >= scores_from], phase, "hmean"))
    axes.set_ylabel("score")
    if phases:
        axes.set_ylim(0.0, 1.02)
        axes.legend(frameon=False, ncols=3, loc="lower right")


def _draw_series(
    axes: Axes, line: Series, color: str, label: str, style: str = "-", marker: str = ""
) -> None:
    if len(line.steps_N):
        axes.plot(
            line.steps_N,
            line.values_N,
            color=color,
            label=label,
            linestyle=style,
            marker=marker or ("o" if len(line.steps_N) == 1 else ""),
            markersize=4,
            linewidth=2 if style == "-" else 1.5,
        )


def _running_mean(line: Series) -> Series:
    """Return the mean over a centred window, over what there is of it at the ends; NaN is left out."""
    window = np.ones(2 * (len(line.values_N) // 80) + 1)
    known = ~np.isnan(line.values_N)
    total = np.convolve(np.where(known, line.values_N, 0.0), window, mode="same")
    count = np.convolve(known.astype(np.float64), window, mode="same")
    return Series(line.steps_N, np.where(count > 0, total / np.maximum(count, 1.0), np.nan))


def _mark_best(axes: Axes, hmean: Series) -> None:
    if (best := hmean.best) is None:
        return
    step, value = hmean.steps_N[best], hmean.values_N[best]
    axes.axvline(float(step), color=hex_of(IGNORED), linewidth=2, zorder=0)
    axes.set_title(f"best H-mean {value:.3f} at step {step}", loc="left", fontsize="medium")


def _draw_equal_hmean(axes: Axes) -> None:
    for level in np.arange(0.1, 1.0, 0.1):
        perfect = level / (2.0 - level)
        recall = np.geomspace(perfect, 1.0, 200)
        axes.plot(recall, level * recall / (2 * recall - level), color=FAINT, linewidth=1, zorder=0)
        axes.annotate(f"{level:.1f}", (perfect, 1.01), fontsize=8, color=GREY, ha="center", va="bottom")


def _dress(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
