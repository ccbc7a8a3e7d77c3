"""Runs side by side: what they differ in, and which are the same but for the seed.

Nothing here depends on the order in which runs are given: they are named, grouped and sorted by what stands
in their folders.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from formats.errors import UsageError
from formats.fingerprint import SCHEME
from formats.runs.record import RunRecord

NAMING = ("exp_name", "logger.folder", "seed")
WITHOUT_EFFECT = (
    "expect", "logger", "trainer.keep_best", "trainer.log_every_n_steps", "trainer.save_every_n_steps",
)  # fmt: skip
"""Settings, and sections of them, that say what is checked and written down, not what is learnt."""
ABSENT = "absent"
LONGEST_LABEL = 3
"""Values in the label of a setting; more of them are in the table."""
Kind = Literal["setting", "data", "version", "processes"]


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in all runs.

    Attributes:
        name: a setting's dotted name, "set", "processes" or "versions.NAME".
        kind: which of these.
        values: each value once, with the labels of the runs that have it.
    """

    name: str
    kind: Kind
    values: tuple[tuple[Any, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Spread:
    """Some numbers: how many, their mean, sample standard deviation (None of a single one), and range."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float


@dataclass(frozen=True)
class Setting:
    """Runs that differ in nothing but the seed.

    Attributes:
        label: the values in which it differs from the other settings.
        values: the same, by name.
        runs: their labels.
        seeds: of those of them that finished.
        spreads: of the figures of those that finished, by name.
    """

    label: str
    values: Mapping[str, Any]
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    spreads: Mapping[str, Spread]


@dataclass(frozen=True)
class Comparison:
    """Runs by label, sorted by setting and seed; see the other classes here.

    `without_effect` names settings that differ and change neither what is learnt nor how fast.
    """

    runs: Mapping[str, RunRecord]
    settings: tuple[Setting, ...]
    differences: tuple[Difference, ...]
    without_effect: tuple[str, ...]


def compare_runs(records: Sequence[RunRecord]) -> Comparison:
    """Compare runs.

    Raises:
        UsageError: fewer than two of them.
    """
    if len({record.folder.resolve() for record in records}) < max(2, len(records)):
        raise UsageError("runs", expected="at least two folders, each once", next_step="name another run")
    labelled = _labelled(records)
    changing = _differences(labelled)
    without_effect = tuple(d.name for d in changing if within(d.name, WITHOUT_EFFECT))
    differences = tuple(d for d in changing if d.name not in without_effect)
    settings = tuple(_settings(labelled, [d.name for d in differences]))
    runs = {label: labelled[label] for setting in settings for label in setting.runs}
    return Comparison(runs, settings, differences, without_effect)


def value_of(record: RunRecord, name: str) -> Any:
    """Return a run's value of a difference by its name: ABSENT of a setting it does not have."""
    return record.facts.get(name) if _kind(name) != "setting" else record.settings.get(name, ABSENT)


def shown(value: Any) -> str:
    """Return a value as a person reads it; of a fingerprint, the beginning of its digest."""
    text = value if isinstance(value, str) else json.dumps(value)
    if text.startswith(SCHEME):
        return text.partition(":")[2][:8]
    return text if len(text) <= 32 else f"{text[:29]}..."


def _labelled(records: Sequence[RunRecord]) -> dict[str, RunRecord]:
    """Return the runs by name, in alphabetical order; those of one name get what tells their paths apart."""
    labelled = {}
    for record in sorted(records, key=lambda record: (record.name, str(record.folder.resolve()))):
        others = [r.folder for r in records if r.name == record.name and r is not record]
        where = f" ({_telling(record.folder, others)})" if others else ""
        labelled[record.name + where] = record
    return labelled


def _telling(folder: Path, others: Sequence[Path]) -> str:
    """Return the shortest end of a path that none of the others has."""
    parts, theirs = folder.resolve().parts, [other.resolve().parts for other in others]
    count = next(n for n in range(1, len(parts) + 1) if all(parts[-n:] != other[-n:] for other in theirs))
    return "/".join(parts[-count:])


def _differences(runs: Mapping[str, RunRecord]) -> list[Difference]:
    settings = dict.fromkeys(name for record in runs.values() for name in record.settings)
    facts = dict.fromkeys(name for record in runs.values() for name in record.facts)
    found = []
    for name in (*facts, *(name for name in settings if name not in NAMING)):
        having: dict[Any, tuple[Any, list[str]]] = {}
        for label, record in runs.items():
            value = value_of(record, name)
            having.setdefault(_order(value), (value, []))[1].append(label)
        # What a run says nothing of is no difference from the others.
        if len(having.keys() - ({_order(None)} if name in facts else set())) > 1:
            values = tuple((value, tuple(labels)) for _, (value, labels) in sorted(having.items()))
            found.append(Difference(name, _kind(name), values))
    return found


def _kind(name: str) -> Kind:
    if name.startswith("versions."):
        return "version"
    return {"set": "data", "processes": "processes"}.get(name, "setting")  # type: ignore[return-value]


def _order(value: Any) -> tuple[int, float, str]:
    """Return what sorts numbers by size, before everything else."""
    number = isinstance(value, int | float)
    return (0, float(value), "") if number else (1, 0.0, json.dumps(value))


def within(name: str, sections: Sequence[str]) -> bool:
    """Tell whether a setting is one of those named, or in a section of them."""
    return any(name == section or name.startswith(f"{section}.") for section in sections)


def _settings(runs: Mapping[str, RunRecord], names: Sequence[str]) -> Iterator[Setting]:
    groups: dict[tuple[Any, ...], list[str]] = {}
    for label, record in runs.items():
        groups.setdefault(tuple(_order(value_of(record, name)) for name in names), []).append(label)
    for _, labels in sorted(groups.items()):
        labels.sort(key=lambda label: (runs[label].seed, label))
        values = {name: value_of(runs[labels[0]], name) for name in names}
        ended = [runs[label] for label in labels if runs[label].state == "finished"]
        yield Setting(
            label=_label(values),
            values=values,
            runs=tuple(labels),
            seeds=tuple(record.seed for record in ended),
            spreads=_spreads(ended),
        )


def _label(values: Mapping[str, Any]) -> str:
    words = [f"{name.rpartition('.')[2]}={shown(value)}" for name, value in values.items()]
    more = ["..."] if len(words) > LONGEST_LABEL else []
    return ", ".join([*words[:LONGEST_LABEL], *more]) or "all runs"


def _spreads(records: Sequence[RunRecord]) -> dict[str, Spread]:
    names = dict.fromkeys(name for record in records for name in record.figures)
    columns = {name: [r.figures[name] for r in records if name in r.figures] for name in names}
    return {name: spread_of(column) for name, column in columns.items()}


def spread_of(numbers: Sequence[float]) -> Spread:
    """Return the spread of some numbers, of one at least."""
    sd = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(len(numbers), statistics.fmean(numbers), sd, min(numbers), max(numbers))
