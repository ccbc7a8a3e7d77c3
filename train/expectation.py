"""What a training run expects of its set, compared with what the set says it is, before the first batch."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from formats.errors import StaleError, UsageError
from formats.fingerprint import differing_parts
from formats.levels import levels_of
from formats.manifest import SECTIONS, SetManifest, SetSettings
from formats.places import Place, local_path, place
from formats.provenance import read_provenance
from formats.set_diff import compare_settings
from formats.settings import read_yaml, validate_settings
from formats.spec import (
    EncodingSpec,
    GeometrySpec,
    LayoutSpec,
    Section,
    TargetsSpec,
    VariantsSpec,
    semantic,
)

NOT_RECORDED = ("source", "runtime")
"""Sections of a build configuration of which a set records nothing but what they gave."""


class BuildSections(Section):
    """The sections of a build configuration that a set records."""

    geometry: GeometrySpec = GeometrySpec()
    targets: TargetsSpec = TargetsSpec()
    encoding: EncodingSpec = EncodingSpec()
    layout: LayoutSpec = LayoutSpec()
    variants: VariantsSpec = VariantsSpec()


def check_expectations(manifest: SetManifest, expect: Mapping[str, Any] | str, folder: Place) -> None:
    """Compare a set's recorded settings with what a training configuration expects.

    Args:
        manifest: the set's manifest.
        expect: values by name ("fingerprint", "targets.shrink_ratio", the field alone, or a section of
            fields), or the path of a build configuration: then of all fields that decide what is learnt.
        folder: the set's folder, for the command that the error names.

    Raises:
        UsageError: a name that no set has, or a file that is no build configuration.
        StaleError: a value differs; names every such field.
    """
    recorded = recorded_settings(manifest)
    wanted = settings_of(local_path(expect)) if isinstance(expect, str) else dict(_flat(expect))
    differing = {}
    for name, expected in wanted.items():
        field = _resolve(name, recorded)
        if json.dumps(recorded[field]) != json.dumps(_plain(expected, recorded[field])):
            differing[field] = expected
    if differing:
        raise _stale(manifest, differing, recorded, _remedy(expect, differing, folder))


def check_ratios(ratios: Iterable[float], manifest: SetManifest) -> None:
    """See that a set's maps can be read at the shrink ratios of a run.

    Raises:
        UsageError: they cannot: a ratio below the set's, or another than that of a set of planes.
    """
    settings = manifest.settings
    stored = settings.targets.shrink_ratio
    for ratio in ratios:
        try:
            levels_of(stored, ratio)
        except ValueError as error:
            raise UsageError(
                f"targets.shrink_ratio {ratio}",
                expected=f"at least the {stored} the set was made at, and below 1",
                found=str(error),
                next_step="or build a set with a smaller targets.shrink_ratio",
            ) from None
        if ratio != stored and settings.encoding.maps == "planes":
            raise UsageError(
                f"targets.shrink_ratio {ratio}",
                expected=f"{stored}: a set of planes holds one ratio",
                next_step="build the set with encoding.maps=distance",
            )


def recorded_settings(manifest: SetManifest) -> dict[str, Any]:
    """Return everything a set's manifest says of its making, by dotted name."""
    fields = {
        f"{section}.{name}": value
        for section in SECTIONS
        for name, value in getattr(manifest.settings, section).model_dump(mode="json").items()
    }
    return {"fingerprint": manifest.fingerprint, "renderer": manifest.settings.renderer, **fields}


def settings_of(path: Path) -> dict[str, Any]:
    """Return what a build configuration asks of a set, by dotted name: defaults too, where they have effect.

    Without `layout`: how many samples share a file changes nothing that is learnt from.

    Raises:
        UsageError: it cannot be read, or is no build configuration.
    """
    values = {name: value for name, value in read_yaml(path).items() if name not in NOT_RECORDED}
    sections = validate_settings(BuildSections, values, f"expect: {path}, a build configuration")
    return {
        f"{section}.{name}": value
        for section in SECTIONS
        if section != "layout"
        for name, value in semantic(getattr(sections, section)).items()
    }


def _flat(expect: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in expect.items():
        if name in SECTIONS and isinstance(value, Mapping):
            yield from ((f"{name}.{field}", inner) for field, inner in value.items())
        else:
            yield name, value


def _resolve(name: str, recorded: Mapping[str, Any]) -> str:
    found = [field for field in recorded if name in (field, field.rpartition(".")[2])]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(name, [*recorded, *(f.rpartition(".")[2] for f in recorded)], n=1)
    raise UsageError(
        f"expect.{name}",
        expected="a setting that sets record" + (f"; did you mean {near[0]!r}?" if near else ""),
        found="no such setting",
        next_step=f"known: {', '.join(recorded)}",
    )


def _plain(expected: Any, recorded: Any) -> Any:
    """Bring an expected value into the recorded one's JSON type: 1 and 1.0 are the same number."""
    if isinstance(expected, list | tuple) and isinstance(recorded, list) and len(expected) == len(recorded):
        return [_plain(e, r) for e, r in zip(expected, recorded, strict=True)]
    if type(recorded) is float and type(expected) is int:
        return float(expected)
    return expected


def _remedy(expect: Mapping[str, Any] | str, differing: Mapping[str, Any], folder: Place) -> str:
    if "fingerprint" in differing:
        return "give --shards the set that has this fingerprint"
    if not isinstance(expect, str) or _of_recorded_source(local_path(expect), folder):
        return f"build it as expected: {_command(expect, differing, folder)}"
    beside = _command(expect, differing, place(f"{folder}-2"))
    return f"this set is of another source; build beside it: {beside}"


def _of_recorded_source(config: Path, folder: Place) -> bool:
    """Whether a set was built from the source that a build configuration names, as far as it is recorded.

    What is not recorded counts as the same, so that a copy without `provenance.json` is told as ever.
    """
    found = (read_provenance(folder) or {}).get("config")
    recorded = found.get("source") if isinstance(found, dict) else None
    wanted = read_yaml(config).get("source")
    if not isinstance(recorded, dict) or not isinstance(wanted, dict):
        return True
    wanted = wanted | ({"root": str(place(str(wanted["root"])).absolute())} if "root" in wanted else {})
    return all(recorded.get(name) == wanted.get(name) for name in ("format", "root", "splits"))


def _command(expect: Mapping[str, Any] | str, differing: Mapping[str, Any], folder: Place) -> str:
    words = ["python", "-m", "pipeline.build", "--config"]
    if isinstance(expect, str):
        return shlex.join([*words, expect, "--out", str(folder)])
    changes = [f"{name}={_word(value)}" for name, value in differing.items() if "." in name]
    return shlex.join([*words, "FILE", "--out", str(folder), *changes])


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _stale(
    manifest: SetManifest, differing: Mapping[str, Any], recorded: Mapping[str, Any], remedy: str
) -> StaleError:
    return StaleError(
        f"the set ({manifest.fingerprint[:19]}...) was made under other settings than this run expects",
        expected=_listed(differing),
        found=_listed({name: recorded[name] for name in differing}),
        next_step=f"{remedy}; or mend expect in the training configuration",
    )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())


def check_same_set(manifest: SetManifest, began_with: Mapping[str, Any], folder: Place) -> None:
    """Refuse to go on with another set than a run began with.

    Args:
        manifest: of the set to go on with.
        began_with: fingerprint, parts and settings of the other, as its checkpoints hold them.
        folder: the set's folder.

    Raises:
        StaleError: another; names what differs.
    """
    if began_with["fingerprint"] == manifest.fingerprint:
        return
    settings = SetSettings.model_validate(began_with["settings"])
    changes = [c for c in compare_settings(settings, manifest.settings) if c.part is not None]
    expected, found = {c.field: c.a for c in changes}, {c.field: c.b for c in changes}
    named = {change.part for change in changes}
    for part in differing_parts(began_with["parts"], manifest.parts):
        if part not in named:
            expected[part], found[part] = began_with["parts"].get(part), manifest.parts.get(part)
    raise StaleError(
        f"the set in {folder} is not the one this run began with",
        expected=_listed(expected),
        found=_listed(found),
        next_step="resume with the set it began with, start a new run, or go on with this one: --changed-set",
    )
