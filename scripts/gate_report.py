"""What scripts/precision_gate makes of its runs: means, spreads, verdicts; as text, JSON and Markdown."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

PASS_BELOW, FAIL_ABOVE = 0.01, 0.02
"""Drop of the mean H-mean against the first precision, as a share of it."""
BEGIN, END = "<!-- precision_gate: begin -->", "<!-- precision_gate: end -->"
OTHERS = {"cleval/hmean": "CLEval, micro", "cleval/macro_hmean": "CLEval, mean of pages"}
"""H-means shown beside the one that is judged, by their names in a validation's record."""
Verdict = Literal["baseline", "pass", "marginal", "fail"]


@dataclass(frozen=True)
class GateRun:
    """One finished run.

    Attributes:
        precision: its number format.
        seed: its seed.
        final: the metric at the last validation: no choice among validations favours it.
        best: the greatest of all validations.
        wall_s: seconds it took.
        peak_mb: memory of its process, in MiB.
        peak_device_mb: memory on its device, in MiB; None where the run was not on one.
        skipped: steps that float16 lost.
        others: further H-means of the last validation, by their names in the records, as in `OTHERS`.
    """

    precision: str
    seed: int
    final: float
    best: float
    wall_s: float
    peak_mb: float
    peak_device_mb: float | None
    skipped: int
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GateRow:
    """The runs of one precision.

    Attributes:
        precision: number format.
        seeds: of its runs.
        mean: of `final`.
        spread: sample standard deviation of `final`; None of a single seed.
        drop: of the mean, as a share of the first precision's; below 0: a gain.
        noise: two standard errors of the difference of the two means, as a share; None without a spread.
        verdict: by the drop alone; read it beside the noise.
        best, wall_s, peak_mb: means over the runs.
        peak_device_mb: mean over the runs; None where there was no device.
        skipped: sum over the runs.
        others: mean and spread of the further H-means that all its runs have.
    """

    precision: str
    seeds: tuple[int, ...]
    mean: float
    spread: float | None
    drop: float
    noise: float | None
    verdict: Verdict
    best: float
    wall_s: float
    peak_mb: float
    peak_device_mb: float | None
    skipped: int
    others: Mapping[str, tuple[float, float | None]]

    @property
    def told_apart(self) -> bool:
        """Whether the difference from the first precision is more than its noise."""
        return self.noise is not None and abs(self.drop) > self.noise


def verdict_of(drop: float) -> Verdict:
    """Return pass below 1 %, fail above 2 %, marginal between."""
    return "pass" if drop < PASS_BELOW else "fail" if drop > FAIL_ABOVE else "marginal"


def rows_of(runs: Sequence[GateRun]) -> list[GateRow]:
    """Sum runs up by precision; the first run's is what the others are held against."""
    names = list(dict.fromkeys(run.precision for run in runs))
    first = [run for run in runs if run.precision == names[0]]
    return [_row([run for run in runs if run.precision == name], first) for name in names]


def _row(runs: Sequence[GateRun], first: Sequence[GateRun]) -> GateRow:
    final, base = [run.final for run in runs], [run.final for run in first]
    mean, base_mean = statistics.fmean(final), statistics.fmean(base)
    drop = (base_mean - mean) / base_mean if base_mean > 0 else 0.0
    is_first = runs[0].precision == first[0].precision
    on_device = [run.peak_device_mb for run in runs if run.peak_device_mb is not None]
    return GateRow(
        precision=runs[0].precision,
        seeds=tuple(run.seed for run in runs),
        mean=mean,
        spread=statistics.stdev(final) if len(final) > 1 else None,
        drop=drop,
        noise=None if is_first or base_mean <= 0 else _noise(final, base, base_mean),
        verdict="baseline" if is_first else verdict_of(drop),
        best=statistics.fmean(run.best for run in runs),
        wall_s=statistics.fmean(run.wall_s for run in runs),
        peak_mb=statistics.fmean(run.peak_mb for run in runs),
        peak_device_mb=statistics.fmean(on_device) if on_device else None,
        skipped=sum(run.skipped for run in runs),
        others={
            name: _mean_and_spread([run.others[name] for run in runs])
            for name in OTHERS
            if all(name in run.others for run in runs)
        },
    )


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _noise(final: Sequence[float], base: Sequence[float], scale: float) -> float | None:
    if min(len(final), len(base)) < 2:
        return None
    squares = [statistics.variance(values) / len(values) for values in (final, base)]
    return 2.0 * math.sqrt(sum(squares)) / scale


HEADER = (
    "precision",
    "seeds",
    "H-mean",
    "spread",
    *OTHERS.values(),
    "drop",
    "noise",
    "best",
    "time",
    "memory",
    "device",
    "skipped",
    "verdict",
)


def cells(row: GateRow) -> list[str]:
    """Return a row as text, a cell for each name of `HEADER`."""
    return [
        row.precision,
        str(len(row.seeds)),
        f"{row.mean:.4f}",
        "-" if row.spread is None else f"{row.spread:.4f}",
        *(_other(row.others.get(name)) for name in OTHERS),
        "-" if row.verdict == "baseline" else f"{100 * row.drop:+.2f} %",
        "-" if row.noise is None else f"{100 * row.noise:.2f} %",
        f"{row.best:.4f}",
        f"{row.wall_s:.0f} s",
        f"{row.peak_mb:.0f} MB",
        "-" if row.peak_device_mb is None else f"{row.peak_device_mb:.0f} MB",
        str(row.skipped),
        row.verdict,
    ]


def _other(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return "-"
    mean, spread = value
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"


def as_text(rows: Sequence[GateRow]) -> str:
    """Return the table for a terminal, and what it does not show, in words."""
    table = [list(HEADER), *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADER))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in table
    ]
    return "\n".join([*lines, *remarks(rows)])


def remarks(rows: Sequence[GateRow]) -> list[str]:
    """Return a sentence for each verdict that the runs do not carry."""
    found = []
    for row in rows:
        if row.verdict != "baseline" and row.noise is None:
            found.append(
                f"{row.precision}: one seed tells nothing of the spread; the verdict stands on it alone"
            )
        elif row.verdict != "baseline" and not row.told_apart:
            found.append(f"{row.precision}: the difference is within the noise of {len(row.seeds)} seeds")
    return found


def as_json(rows: Sequence[GateRow], runs: Sequence[GateRun], about: dict[str, Any]) -> dict[str, Any]:
    """Return everything as plain values."""
    return about | {"rows": [asdict(row) for row in rows], "runs": [asdict(run) for run in runs]}


def as_markdown(rows: Sequence[GateRow], caption: str) -> str:
    """Return the table in Markdown under a caption."""
    lines = [HEADER, ["---"] * len(HEADER), *(cells(row) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([caption, table, *remarks(rows)])


def write_section(page: Path, section: str) -> None:
    """Replace what stands between the two marks of a page.

    Raises:
        ValueError: the page does not have the marks.
    """
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n{section}\n{END}", text), encoding="utf-8")
