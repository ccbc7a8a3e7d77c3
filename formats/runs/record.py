"""What a run left in its folder, read back: JSON and YAML alone, no weights, so it takes no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from formats.errors import DamageError, UsageError
from formats.runs.fields import CheckpointFields, SummaryFields, check_fields, check_record
from formats.runs.log import STAMPS, read_records
from formats.settings import read_yaml

CONFIG, METRICS, SUMMARY, CHECKPOINT = "config.yaml", "metrics.jsonl", "summary.json", "last.json"
ORIGIN = ("git", "command", "host", "device")
State = Literal["finished", "stopped", "unfinished"]


@dataclass(frozen=True)
class Score:
    """One validation: the optimizer step it was at, and its metrics, 0..1, by name."""

    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        folder: where it lies.
        name: its exp_name.
        seed: of its random numbers.
        settings: the resolved configuration by dotted name.
        facts: what else its numbers depend on, None where nothing tells: "set" (the fingerprint of its data),
            "processes", "versions.torch" and the like.
        parts: the named parts of its data's fingerprint; empty where no checkpoint tells.
        state: whether it came to its end, was stopped in good order, or ended otherwise (or goes on still).
        epochs, steps: how far it came.
        best: the validation its own `trainer.monitor` calls best, the later of equals, of those that measure
            as the last ones do (`scores_from`); None without one.
        last: its last validation.
        wall_s: seconds of training.
        pace: "samples_per_s", the median over its train records; "data_wait_share", of all its training time;
            peaks of memory; as far as recorded.
        origin: "git" (revision of the code), "command", "host", "device", as far as recorded.
        changed: settings that were changed when it was resumed, by name, as [before, after]; so too "set" and
            "processes".
        records: of `metrics.jsonl`.
    """

    folder: Path
    name: str
    seed: int
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    parts: Mapping[str, str]
    state: State
    epochs: int
    steps: int
    best: Score | None
    last: Score | None
    wall_s: float
    pace: Mapping[str, float]
    origin: Mapping[str, str]
    changed: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...]

    @property
    def figures(self) -> dict[str, float]:
        """Every number of the run by name: "best/hmean", "last/hmean", "wall_s", "samples_per_s", ..."""
        scores = {"best": self.best, "last": self.last}
        metrics = {
            f"{which}/{name}": value
            for which, score in scores.items()
            if score is not None
            for name, value in score.metrics.items()
        }
        return {**metrics, "wall_s": self.wall_s, **self.pace}


def read_run(folder: Path) -> RunRecord:
    """Read a run's folder.

    Raises:
        UsageError: it is not the folder of a run.
        DamageError: a file in it is not what a run writes.
    """
    if not (folder / CONFIG).is_file() or not (folder / METRICS).is_file():
        raise _no_run(folder)
    settings = _flat(read_yaml(folder / CONFIG))
    if missing := {"exp_name", "seed"} - settings.keys():
        raise UsageError(
            f"configuration {folder / CONFIG}",
            expected="the resolved configuration of a training run",
            found=f"no {' and no '.join(sorted(missing))}",
        )
    if type(settings["seed"]) is not int:
        raise DamageError(
            f"configuration {folder / CONFIG}, field seed",
            expected="a whole number",
            found=f"{settings['seed']!r:.60}",
        )
    records = _records(folder / METRICS)
    summary = _read_json(folder / SUMMARY, SummaryFields)
    about = _read_json(folder / CHECKPOINT, CheckpointFields)
    state = _state(summary, records)
    told = summary if state != "unfinished" else {}
    end: Mapping[str, Any] = records[-1] if records else {}
    monitor = str(settings.get("trainer.monitor"))
    scores = _scores(records)
    comparable = scores_from([*about.get("resumed", []), *summary.get("resumed", [])])
    made_of = about.get("set") or summary.get("set") or {}
    return RunRecord(
        folder=folder,
        name=str(settings["exp_name"]),
        seed=settings["seed"],
        settings=settings,
        facts={"set": made_of.get("fingerprint"), "processes": summary.get("processes")}
        | _flat({"versions": about.get("versions") or summary.get("versions") or {}}),
        parts=made_of.get("parts", {}),
        state=state,
        epochs=told.get("epochs", end.get("epoch", 0)),
        steps=told.get("steps", end.get("global_step", 0)),
        best=max(
            (score for score in scores if score.step >= comparable and monitor in score.metrics),
            key=lambda score: (score.metrics[monitor], score.step),
            default=None,
        ),
        last=scores[-1] if scores else None,
        wall_s=float(told.get("wall_s", end.get("wall_s", 0.0))),
        pace=_pace(records, told),
        origin={
            name: str(value) for name in ORIGIN if (value := about.get(name) or summary.get(name)) is not None
        },
        changed={
            name: change for step in summary.get("resumed", []) for name, change in _changes(step).items()
        },
        records=tuple(records),
    )


def _no_run(folder: Path) -> UsageError:
    if not folder.is_dir():
        return UsageError(f"run {folder}", expected="the folder of a run", found="no such folder")
    inside = sorted(str(path.parent) for path in folder.glob(f"*/{METRICS}"))
    return UsageError(
        f"run {folder}",
        expected=f"{CONFIG} and {METRICS}, as train.run writes them",
        found="a folder without them",
        next_step=f"name the runs in it: {' '.join(inside[:4])}" if inside else "name the folder of a run",
    )


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _read_json(path: Path, kind: type[CheckpointFields]) -> dict[str, Any]:
    """Return the mapping in a file, whose fields are of that kind; an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamageError(str(path), expected="JSON, as train.run writes it", found=str(error)) from None
    if not isinstance(value, dict):
        raise DamageError(str(path), expected="a JSON object", found=type(value).__name__)
    check_fields(kind, value, str(path))
    return value


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        records = list(read_records(path))
    except (ValueError, RecursionError) as error:
        raise DamageError(str(path), expected="a JSON object a line", found=str(error)) from None
    for number, record in enumerate(records, 1):
        check_record(record, f"{path}, line {number}")
    return records


def _state(summary: Mapping[str, Any], records: list[dict[str, Any]]) -> State:
    # A run that was resumed, and then killed, still has the summary of its first part.
    if not summary or (records and records[-1]["global_step"] > summary["steps"]):
        return "unfinished"
    return "finished" if summary["finished"] else "stopped"


def _scores(records: list[dict[str, Any]]) -> list[Score]:
    return [
        Score(
            record["global_step"], {name: value for name, value in record.items() if _is_metric(name, value)}
        )
        for record in records
        if record["phase"] == "val"
    ]


def _is_metric(name: str, value: Any) -> bool:
    return name not in STAMPS and not name.startswith("time/") and value is not None


def _pace(records: list[dict[str, Any]], summary: Mapping[str, Any]) -> dict[str, float]:
    rates = [rate for record in records if (rate := record.get("time/samples_per_s")) is not None]
    told = {name: summary.get(name) for name in ("data_wait_share", "peak_rss_mb", "peak_device_mb")}
    # A summary tells of the last part of a run that was resumed.
    if told["data_wait_share"] is None or summary.get("resumed"):
        told["data_wait_share"] = _wait_share(records)
    pace = {"samples_per_s": float(median(rates))} if rates else {}
    return pace | {name: float(value) for name, value in told.items() if value is not None}


def _wait_share(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of the training time that was spent waiting for batches; None where nothing tells.

    Each train record counts by the time it stands for, so that a wait at the beginning of an epoch does.
    """
    spent = wait = before = 0.0
    for record in records:
        seconds, before = max(0.0, record["wall_s"] - before), record["wall_s"]
        share = record.get("time/data_wait_share")
        if share is not None:
            spent, wait = spent + seconds, wait + share * seconds
    return wait / spent if spent else None


def scores_from(history: Sequence[Mapping[str, Any]]) -> int:
    """Return the first step whose validation measures as the last ones do, by what a run says of its parts."""
    return max((int(step.get("scores_from", 0)) for step in history), default=0)


def _changes(step: Mapping[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = dict(step.get("changed", {}))
    facts = {"set": "changed_set", "processes": "processes"}
    return changed | {name: step[key] for name, key in facts.items() if key in step}
