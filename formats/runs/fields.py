"""What the files of a run must hold to be read back: the fields that are used, each of its kind.

What else they hold is of later versions, or for people, and is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from formats.errors import DamageError
from formats.runs.log import STAMPS
from formats.setting_problems import WANTED

Change = Annotated[list[Any], Field(min_length=2, max_length=2)]
"""A setting before and after."""


class _Fields(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Data(_Fields):
    """The set a run learnt from."""

    fingerprint: str | None = None
    parts: dict[str, str] = {}


class Continuation(_Fields):
    """A time that a run was taken up."""

    changed: dict[str, Change] = {}
    changed_set: Change | None = None
    scores_from: int = 0


class CheckpointFields(_Fields):
    """`last.json`."""

    set: Data | None = None
    versions: dict[str, str | None] | None = None
    resumed: list[Continuation] = []


class SummaryFields(CheckpointFields):
    """`summary.json`."""

    finished: bool
    steps: int
    epochs: int = 0
    processes: int | None = None
    wall_s: float = 0.0
    peak_rss_mb: float | None = None
    peak_device_mb: float | None = None


def check_fields(kind: type[_Fields], values: Mapping[str, Any], name: str) -> None:
    """Refuse values that are not those of a file of that kind.

    Raises:
        DamageError: one of them is missing, or of another type; names the first.
    """
    try:
        kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        missing = problem["type"] == "missing"
        raise DamageError(
            f"{name}, field {field}",
            expected=WANTED.get(problem["type"], "what train.run writes there"),
            found="no such field" if missing else f"{problem['input']!r:.60}",
            next_step=_NEXT,
        ) from None


def check_record(record: Any, name: str) -> None:
    """Refuse a record of `metrics.jsonl` that is no flat mapping of numbers with the stamps of its place.

    Raises:
        DamageError: it is not.
    """
    if not isinstance(record, dict) or not record.keys() >= set(STAMPS):
        raise DamageError(name, expected=f"a record with {', '.join(STAMPS)}", next_step=_NEXT)
    for field, value in record.items():
        if not _fits(field, value):
            raise DamageError(
                f"{name}, field {field}",
                expected=_expected(field),
                found=f"{value!r:.60}",
                next_step=_NEXT,
            )


def _expected(field: str) -> str:
    if field == "phase":
        return "a text"
    return "a whole number" if field in _COUNTS else "a number" if field in STAMPS else "a number, or null"


def _fits(field: str, value: Any) -> bool:
    if field == "phase":
        return isinstance(value, str)
    if value is None:
        return field not in STAMPS
    # True and False are whole numbers to isinstance.
    return type(value) is int or (type(value) is float and field not in _COUNTS and math.isfinite(value))


_COUNTS = frozenset({"global_step", "epoch", "batch"})
_NEXT = "put the file back from a copy, or leave this run out; its checkpoints are not touched by this"
