"""What each field of a build configuration decides: found by changing it, so that no table can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from formats.manifest import SetSettings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, Section, TargetsSpec, VariantsSpec
from pipeline.config import BuildConfig
from pipeline.render import RENDERER_VERSION

RECORDED: dict[str, Section] = {
    "geometry": GeometrySpec(),
    "targets": TargetsSpec(),
    "encoding": EncodingSpec(),
    "layout": LayoutSpec(),
    "variants": VariantsSpec(count=1, elastic=0.05),
}
"""By section, values under which every field has an effect."""
MADE_AGAIN = {
    "source": "shards of the samples it changes",
    "geometry": "every shard",
    "targets": "every shard",
    "encoding": "every shard",
    "layout": "shards whose samples move",
    "variants": "shards of variants, those alone that the other set has not",
}
"""By part of the fingerprint: what a build makes again when it differs."""
_HEAD = "| field | default | what it decides | part | made again |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class FieldEffect:
    """What a field decides.

    Attributes:
        field: section and field, with a dot.
        default: as in YAML; empty where it must be given.
        description: of the field.
        parts: the parts of the fingerprint that change with it; of `source`, where it changes a sample.
        idle: the fields and values under which it has no effect; empty where it always has one.
    """

    field: str
    default: str
    description: str
    parts: tuple[str, ...]
    idle: str


def effects() -> Iterator[FieldEffect]:
    """Yield the effect of every field of a build configuration, in the order they are declared."""
    for section, info in BuildConfig.model_fields.items():
        model = info.annotation
        assert isinstance(model, type) and issubclass(model, Section)
        for name, field in model.model_fields.items():
            yield FieldEffect(
                field=f"{section}.{name}",
                default="" if field.is_required() else _shown(field.default),
                description=field.description or "",
                parts=_parts(section, name, field),
                idle=_idle(RECORDED[section], name) if section in RECORDED else "",
            )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parts(section: str, name: str, field: FieldInfo) -> tuple[str, ...]:
    if section not in RECORDED:
        return ("source",) if section == "source" else ()
    changed = RECORDED[section].model_copy(update={name: _another(field)})
    settings = SetSettings(**RECORDED, renderer=RENDERER_VERSION)
    before, after = settings.part_digests(), settings.model_copy(update={section: changed}).part_digests()
    return tuple(part for part, value in after.items() if value != before[part])


def _another(field: FieldInfo) -> Any:
    """Return another value than a field's default, of its type."""
    value = field.default
    if get_origin(field.annotation) is Literal:
        return next(choice for choice in get_args(field.annotation) if choice != value)
    if isinstance(value, tuple):
        return tuple(_other(inner) for inner in value)
    return _other(value)


def _other(value: Any) -> Any:
    return f"{value}2" if isinstance(value, str) else value + 1


def _idle(section: Section, name: str) -> str:
    cases = [
        f"{other} is 0"
        for other, field in type(section).model_fields.items()
        if field.annotation in (int, float)
        and name in section.model_copy(update={other: 0}).without_effect()
        and other != name
    ]
    for other, field in type(section).model_fields.items():
        if get_origin(field.annotation) is not Literal:
            continue
        choices = get_args(field.annotation)
        values = [v for v in choices if name in section.model_copy(update={other: v}).without_effect()]
        if values:
            cases.append(f"{other} is {' or '.join(values)}")
    return "; ".join(cases)


def effects_table() -> str:
    """Return the table of docs/cache.md, in Markdown."""
    return "\n".join([_HEAD, *map(_row, effects())])


def _row(effect: FieldEffect) -> str:
    made = ", ".join(MADE_AGAIN[part] for part in effect.parts) or "nothing"
    description = effect.description + (f" (no effect where {effect.idle})" if effect.idle else "")
    cells = [f"`{effect.field}`", f"`{effect.default}`" if effect.default else ""]
    cells += [description.replace("|", "\\|"), ", ".join(effect.parts) or "none", made]
    return f"| {' | '.join(cells)} |"
