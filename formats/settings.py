"""From YAML and ``key=value`` words to a validated, frozen model: every problem in one message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from formats.errors import UsageError
from formats.setting_problems import settings_error

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
    given = [_first_new(values, word.partition("=")[0].split(".")) for word in overrides]
    for word in overrides:
        _override(values, word)
    if path is None:
        return validate_settings(model, values, "settings")
    return validate_settings(model, values, str(path), given)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Aliases are refused (they can blow a small file up to anything), and so is a field that is set twice.

    Raises:
        UsageError: no such file, too large, not YAML, not a mapping, with aliases or with a field set twice.
    """
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise UsageError(
                f"configuration {path}",
                expected=f"a YAML file of at most {MAX_CONFIG_BYTES} bytes",
                found=f"{size} bytes",
                next_step="name a configuration; examples lie in configs/",
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"configuration {path}",
            expected="a readable YAML file",
            found=error.strerror or str(error),
            next_step="name an existing file; examples lie in configs/",
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"configuration {path}",
            expected="UTF-8 text",
            found=f"byte 0x{error.object[error.start]:02x} at {error.start}: another encoding, or no text",
            next_step="save it as UTF-8, or name a YAML file; examples lie in configs/",
        ) from None
    return parse_yaml(text, f"configuration {path}")


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """Parse YAML text that must be a mapping; see `read_yaml`."""
    values = _parse_value(text, name)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(
            name,
            expected="a mapping of sections",
            found="a list" if isinstance(values, list) else "a single value",
            next_step="write `section:` and its fields indented below it; examples lie in configs/",
        )
    return values


def _parse_value(text: str, name: str) -> Any:
    try:
        _refuse_hostile(text, name)
        _refuse_twice(yaml.compose(text, Loader=yaml.SafeLoader), name)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        found = " ".join(str(error).split())
        tab = "'\\t'" in found
        step = (
            "indent with blanks: YAML takes no tabs there" if tab else "mend it there; configs/ has examples"
        )
        raise UsageError(name, expected="YAML", found=found, next_step=step) from error


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


def _first_new(values: Any, path: Sequence[str]) -> tuple[str, ...]:
    """Return the field that an override sets, or the section above it that a file does not have."""
    for depth, part in enumerate(path[:-1], start=1):
        values = values.get(part) if isinstance(values, dict) else None
        if values is None:
            return tuple(path[:depth])
    return tuple(path)


def validate_settings(
    model: type[Model], values: dict[str, Any], name: str, given: Collection[tuple[str, ...]] = ()
) -> Model:
    """Validate plain values as a model; see `load_settings`. `given` are fields set on the command line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise settings_error(model, error, values, name, given) from None
