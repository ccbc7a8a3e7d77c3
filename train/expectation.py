"""What a training run expects of its set, compared with what the set says it is, before the first batch."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from formats.errors import StaleError, UsageError
from formats.manifest import SetManifest

SECTIONS = ("geometry", "targets", "encoding", "layout")


def check_expectations(manifest: SetManifest, expect: Mapping[str, Any], folder: Path) -> None:
    """Compare a set's recorded settings with the values a training configuration expects.

    Args:
        manifest: the set's manifest.
        expect: values by name: "fingerprint", dotted ("targets.shrink_ratio") or the field alone.
        folder: the set's folder, for the command that the error names.

    Raises:
        UsageError: a name that no set has.
        StaleError: a value differs; names every such field.
    """
    recorded = recorded_settings(manifest)
    differing = {}
    for name, expected in expect.items():
        field = _resolve(name, recorded)
        if json.dumps(recorded[field]) != json.dumps(_plain(expected, recorded[field])):
            differing[field] = expected
    if differing:
        raise _stale(manifest, differing, recorded, folder)


def recorded_settings(manifest: SetManifest) -> dict[str, Any]:
    """Return everything a set's manifest says of its making, by dotted name."""
    settings = manifest.settings.model_dump(mode="json")
    fields = {f"{section}.{name}": value for section in SECTIONS for name, value in settings[section].items()}
    return {"fingerprint": manifest.fingerprint, "renderer": settings["renderer"], **fields}


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


def _stale(
    manifest: SetManifest, differing: Mapping[str, Any], recorded: Mapping[str, Any], folder: Path
) -> StaleError:
    words = [f"{name}={json.dumps(value)}" for name, value in differing.items() if "." in name]
    command = f"python -m pipeline.build --config FILE --out {folder} {' '.join(words)}".rstrip()
    return StaleError(
        f"the set in {folder} ({manifest.fingerprint[:19]}...) was made under other settings",
        expected=", ".join(f"{name} = {value!r}" for name, value in differing.items()),
        found=", ".join(f"{name} = {recorded[name]!r}" for name in differing),
        next_step=f"build it as expected: {command}; or mend expect in the training configuration",
    )
