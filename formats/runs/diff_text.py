"""A comparison of runs as tables, for a terminal and for the page; and whole, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from formats.runs.cautions import cautions
from formats.runs.diff import Comparison, Spread, shown, value_of
from formats.runs.record import RunRecord
from formats.wording import counted

SCORE_WORDS = {
    "hmean": "H-mean",
    "macro_hmean": "H-mean, mean over pages",
    "cleval/hmean": "CLEval",
    "cleval/macro_hmean": "CLEval, mean over pages",
}
"""What is not among them is called as it is recorded."""
TIMES_AND_MEMORY = {
    "wall_s": "seconds",
    "samples_per_s": "pages/s",
    "data_wait_share": "data wait",
    "peak_rss_mb": "peak RSS, MB",
    "peak_device_mb": "peak device, MB",
}


@dataclass(frozen=True)
class Table:
    """Cells as text: a column for each run or setting, a row for each thing to say of them."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(comparison: Comparison) -> list[Table]:
    """Return the runs side by side and, where a setting has several seeds, the settings side by side."""
    several = any(len(setting.seeds) > 1 for setting in comparison.settings)
    return [_run_table(comparison), *([_setting_table(comparison)] if several else [])]


def hmean_names(comparison: Comparison) -> list[str]:
    """Return the names of all protocols' H-means that the runs recorded, in the order they did."""
    scores = [score for record in comparison.runs.values() for score in (record.best, record.last) if score]
    names = dict.fromkeys(name for score in scores for name in score.metrics)
    return [name for name in names if name.endswith("hmean")]


def headline(comparison: Comparison) -> str:
    """Return how many runs there are, of how many settings."""
    runs, settings = len(comparison.runs), len(comparison.settings)
    return f"{counted(runs, 'run')} of {counted(settings, 'setting')}"


def human_text(comparison: Comparison) -> str:
    """Return a comparison for a terminal."""
    beware = click.style("beware", fg="yellow", bold=True)
    lines = [click.style(headline(comparison), bold=True)]
    lines += [f"{beware}: {caution.text}" for caution in cautions(comparison)]
    for table in tables(comparison):
        lines += ["", *_aligned(table)]
    if comparison.without_effect:
        lines += ["", f"without effect: {', '.join(comparison.without_effect)}"]
    return "\n".join(lines)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values; `train.compare` says what stands where."""
    return {
        "runs": [_run(label, record) for label, record in comparison.runs.items()],
        "settings": [
            {
                "label": setting.label,
                "values": dict(setting.values),
                "runs": list(setting.runs),
                "seeds": list(setting.seeds),
                "figures": {name: asdict(spread) for name, spread in setting.spreads.items()},
            }
            for setting in comparison.settings
        ],
        "differences": [
            {
                "name": difference.name,
                "kind": difference.kind,
                "values": [{"value": value, "runs": list(labels)} for value, labels in difference.values],
            }
            for difference in comparison.differences
        ],
        "without_effect": list(comparison.without_effect),
        "cautions": [asdict(caution) for caution in cautions(comparison)],
    }


def _run(label: str, record: RunRecord) -> dict[str, Any]:
    return {
        "label": label,
        "folder": str(record.folder),
        "seed": record.seed,
        "state": record.state,
        "epochs": record.epochs,
        "steps": record.steps,
        "best": None if record.best is None else asdict(record.best),
        "last": None if record.last is None else asdict(record.last),
        "wall_s": record.wall_s,
        "pace": dict(record.pace),
        "facts": dict(record.facts),
        "origin": dict(record.origin),
        "resumed_with": dict(record.changed),
    }


def _run_table(comparison: Comparison) -> Table:
    runs = comparison.runs.values()
    differing = [
        (difference.name, *(shown(value_of(record, difference.name)) for record in runs))
        for difference in comparison.differences
    ]
    course = [
        ("seed", *(str(record.seed) for record in runs)),
        ("state", *(record.state for record in runs)),
        ("steps", *(str(record.steps) for record in runs)),
        ("best at step", *("-" if record.best is None else str(record.best.step) for record in runs)),
    ]
    figures = [
        (title, *(_number(name, record.figures.get(name)) for record in runs))
        for name, title in _figure_rows(comparison)
    ]
    origin = [
        (title, *(record.origin.get(name, "-") for record in runs))
        for name, title in (("git", "code"), ("device", "device"))
        if any(name in record.origin for record in runs)
    ]
    return Table("runs", ("", *comparison.runs), tuple(differing + course + figures + origin))


def _setting_table(comparison: Comparison) -> Table:
    settings = comparison.settings
    counts = ("finished runs", *(str(len(setting.seeds)) for setting in settings))
    rows = [
        (title, *(_spread(name, setting.spreads.get(name)) for setting in settings))
        for name, title in _figure_rows(comparison)
    ]
    return Table(
        "settings: mean, standard deviation over the seeds, least to greatest",
        ("", *(setting.label for setting in settings)),
        (counts, *rows),
    )


def _figure_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the figures to show, and what they are called: H-means, then times and memory where recorded."""
    found = {name for record in comparison.runs.values() for name in record.figures}
    scores = [
        (f"{at}/{name}", f"{SCORE_WORDS.get(name, name)}, {at}")
        for name in hmean_names(comparison)
        for at in ("best", "last")
    ]
    return scores + [(name, title) for name, title in TIMES_AND_MEMORY.items() if name in found]


def _spread(name: str, spread: Spread | None) -> str:
    if spread is None:
        return "-"
    sd = "" if spread.sd is None else f" ± {_number(name, spread.sd)}"
    return f"{_number(name, spread.mean)}{sd} ({_number(name, spread.min)}..{_number(name, spread.max)})"


def _number(name: str, value: float | None) -> str:
    """Return a figure as text: scores with four decimals, shares in percent, times with one, memory whole."""
    if value is None:
        return "-"
    if name.endswith("share"):
        return f"{100 * value:.1f} %"
    if "/" in name:
        return f"{value:.4f}"
    return f"{value:.1f}" if name.endswith("_s") else f"{value:.0f}"


def _aligned(table: Table) -> Iterator[str]:
    yield click.style(table.title, bold=True)
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    for number, cells in enumerate((table.head, *table.rows)):
        padded = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        line = "  ".join([f"  {cells[0]:<{widths[0]}}", *padded])
        yield line if number else click.style(line, bold=True)
