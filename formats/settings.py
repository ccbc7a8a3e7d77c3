"""From YAML and ``key=value`` words to a validated, frozen model: every problem in one message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from formats.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)
MAX_CONFIG_BYTES = 1 << 18
"""The safe loader takes some seconds for this much."""
MAX_DEPTH = 32
"""Its time grows with the square of the depth."""
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


def load_settings(model: type[Model], path: Path | None, overrides: Sequence[str] = ()) -> Model:
    """Read a YAML file (or nothing), apply ``section.field=value`` overrides, and validate the whole.

    A value is YAML; where that cannot be parsed, it is the text as it stands.

    Raises:
        UsageError: the file cannot be read, or the settings do not fit; names every problem.
    """
    values = read_yaml(path) if path is not None else {}
    for word in overrides:
        _override(values, word)
    return validate_settings(model, values, str(path) if path is not None else "settings")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Aliases are refused (they can blow a small file up to anything), and so is a field that is set twice.

    Raises:
        UsageError: no such file, too large, not YAML, not a mapping, with aliases or with a field set twice.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UsageError(f"configuration {path}", expected=f"at most {MAX_CONFIG_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"configuration {path}",
            expected="a readable YAML file",
            found=error.strerror or str(error),
            next_step="name an existing file; examples lie in configs/",
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"configuration {path}", expected="UTF-8 text", found=str(error)) from None
    return parse_yaml(text, f"configuration {path}")


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """Parse YAML text that must be a mapping; see `read_yaml`."""
    values = _parse_value(text, name)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(name, expected="a mapping of sections", found=type(values).__name__)
    return values


def _parse_value(text: str, name: str) -> Any:
    try:
        _refuse_hostile(text, name)
        _refuse_twice(yaml.compose(text, Loader=yaml.SafeLoader), name)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UsageError(name, expected="YAML", found=" ".join(str(error).split())) from error


def _override_value(text: str, name: str) -> Any:
    """Parse the value of an override: YAML, or else a plain text such as ``{split}/images``.

    What opens a bracket and does not close it is a list or mapping with a slip in it, and no text.
    """
    try:
        return _parse_value(text, name)
    except UsageError as error:
        closed = all(text.count(a) == text.count(b) for a, b in ("[]", "{}"))
        if closed and isinstance(error.__cause__, yaml.parser.ParserError | yaml.scanner.ScannerError):
            return text
        raise


def _refuse_hostile(text: str, name: str) -> None:
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise UsageError(name, expected=f"YAML nested at most {MAX_DEPTH} deep")
        if isinstance(token, yaml.AliasToken):
            raise UsageError(name, expected="YAML without aliases (*name)", next_step="write the values out")


def _refuse_twice(node: yaml.Node | None, name: str, where: str = "") -> None:
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _refuse_twice(inner, name, where)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, inner in node.value:
        if str(key.value) in seen:
            raise UsageError(
                f"{name}, line {key.start_mark.line + 1}",
                expected="each field once",
                found=f"{where}{key.value} set again",
                next_step="keep the one that is meant",
            )
        seen.add(str(key.value))
        _refuse_twice(inner, name, f"{where}{key.value}.")


def _override(values: dict[str, Any], word: str) -> None:
    name, equals, text = word.partition("=")
    path = name.split(".")
    if not equals or not all(path):
        raise UsageError(
            f"override {word!r}",
            expected="section.field=value",
            next_step="for example targets.shrink_ratio=0.5",
        )
    value = _override_value(text, f"override {word!r}")
    for section in path[:-1]:
        if values.get(section) is None:
            values[section] = {}
        inner = values[section]
        if not isinstance(inner, dict):
            raise UsageError(f"override {word!r}", expected=f"{section} to be a section", found=repr(inner))
        values = inner
    values[path[-1]] = value


def validate_settings(model: type[Model], values: dict[str, Any], name: str) -> Model:
    """Validate plain values as a model; see `load_settings`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, problem) for problem in error.errors()]
    raise UsageError(
        f"{name}: {len(problems)} problem{'s' if len(problems) > 1 else ''}\n"
        + "\n".join(f"  - {problem}" for problem in problems),
        next_step="mend these fields; --help names an example",
    )


def _describe(model: type[BaseModel], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
        return f"{where}: unknown field; {hint}"
    if problem["type"] == "missing":
        return f"{where}: must be given"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = problem["input"]
    shown = repr(found) if not isinstance(found, dict) else "a mapping"
    return f"{where}: {message}; found {shown[:80]}"


def _fields_at(model: type[BaseModel], location: Iterable[Any]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
