"""What is wrong with settings, in their own words: a line a field, nothing of the library that found it."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from formats.errors import UsageError

Location = tuple[str | int, ...]
"""A place among settings: `source`, `splits`, `train`."""

BUILD_FIELDS = frozenset({"source", "geometry", "targets", "encoding", "layout", "variants", "runtime"})
TRAINING_FIELDS = frozenset(
    {"exp_name", "seed", "data", "targets", "model", "optim", "loss", "boxes", "trainer", "logger", "expect"}
)
_KINDS = (
    ("a build configuration", "python -m pipeline.build", BUILD_FIELDS),
    ("a training configuration", "python -m train.run", TRAINING_FIELDS),
)
WANTED = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What a value should have been, by the library's name of the problem."""


def settings_error(
    model: type[BaseModel],
    error: ValidationError,
    values: Mapping[str, Any],
    name: str,
    given: Collection[Location] = (),
) -> UsageError:
    """Return what to tell of settings that do not fit.

    Args:
        model: what they should have fitted.
        error: how they do not.
        values: the settings.
        name: of the file they come from.
        given: places that the command line has set.
    """
    other = _other_kind(model, values, name)
    if other is not None:
        return other
    at_place: dict[Location, list[Any]] = defaultdict(list)
    for problem in error.errors():
        at_place[_place(values, problem)].append(problem)
    for place, problems in list(at_place.items()):
        # A list whose items are refused seems too short to the library.
        within = any(other != place and other[: len(place)] == place for other in at_place)
        if within and all(problem["type"] == "too_short" for problem in problems):
            del at_place[place]
    ours = {place for place in at_place if any(place[: len(word)] == word for word in given)}
    mixed = ours and len(ours) < len(at_place)
    lines = [
        f"  - {_described(model, place, problems)}{' (command line)' if mixed and place in ours else ''}"
        for place, problems in at_place.items()
    ]
    source = "command line" if len(ours) == len(at_place) else name
    return UsageError(
        "\n".join([f"{source}: {len(lines)} problem{'s' if len(lines) > 1 else ''}", *lines]),
        next_step="mend these fields; --help names an example",
    )


def _other_kind(model: type[BaseModel], values: Mapping[str, Any], name: str) -> UsageError | None:
    known = set(model.model_fields)
    unknown = set(values) - known
    wanted = next((kind for kind, _, fields in _KINDS if known <= fields), "other settings")
    for kind, command, fields in _KINDS:
        whole = set(values) <= fields or len(unknown) > 1
        if unknown and unknown <= fields and kind != wanted and whole:
            return UsageError(
                name,
                expected=wanted,
                found=f"what looks like {kind}: {', '.join(key for key in values if key in unknown)}",
                next_step=f"give it to {command}, or name {wanted} here",
            )
    return None


def _place(values: Any, problem: Any) -> Location:
    """Return where a problem is: what of its location are the library's names of branches is left out."""
    place: list[str | int] = []
    *_, last = problem["loc"] or ("",)
    for part in problem["loc"]:
        if _holds(values, part):
            values = values[part]
        elif not (problem["type"] == "missing" and part is last):
            continue
        place.append(part)
    return tuple(place)


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, list | tuple):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, Mapping) and part in values


def _described(model: type[BaseModel], place: Location, problems: list[Any]) -> str:
    """Describe the problems of one place: several, where a value may be of several kinds and is of none."""
    where = ".".join(map(str, place)) or "settings"
    first = problems[0]
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown field{_hint(str(place[-1]), _fields_at(model, place[:-1]))}"
    if first["type"] == "missing":
        return f"{where}: must be given"
    wanted = list(dict.fromkeys(WANTED[p["type"]] for p in problems if p["type"] in WANTED))
    others = list(dict.fromkeys(_message(p) for p in problems if p["type"] not in WANTED))
    told = " or ".join(others) or f"must be {_either(wanted)}"
    return f"{where}: {told}; found {_found(first['input'], wanted)}"


def _message(problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    return str(message[:1].lower() + message[1:])


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _found(value: Any, wanted: list[str]) -> str:
    if value is None:
        hints = {"a text": ' (an empty text is "")', "a mapping": " (leave out what is empty)"}
        return "nothing" + next((hint for want, hint in hints.items() if want in wanted), "")
    return "a mapping" if isinstance(value, Mapping) else repr(value)[:80]


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _fields_at(model: type[BaseModel], location: Iterable[Any]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
