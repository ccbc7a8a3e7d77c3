"""What a set records of its making, beside its manifest: it invalidates nothing, and tells a build's pace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from formats.manifest import PROVENANCE
from formats.places import Place

_IN_MANIFEST = ("geometry", "targets", "encoding", "layout")


@dataclass(frozen=True)
class BuildRate:
    """How fast a set was built: samples a second, with how many worker processes."""

    samples_per_second: float
    workers: int


@dataclass(frozen=True)
class ProvenanceChange:
    """A fact about two builds that differs; None where one does not record it."""

    field: str
    a: Any
    b: Any


def read_provenance(folder: Place) -> dict[str, Any] | None:
    """Return what `provenance.json` in a set's folder records; None where it is absent or unreadable."""
    try:
        record = json.loads((folder / PROVENANCE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def build_rate(record: dict[str, Any] | None) -> BuildRate | None:
    """Return the rate that a build recorded, if it recorded a usable one."""
    build = (record or {}).get("build")
    if not isinstance(build, dict):
        return None
    rate, workers = build.get("samples_per_second"), build.get("workers")
    if not isinstance(rate, int | float) or not isinstance(workers, int) or not rate > 0:
        return None
    return BuildRate(float(rate), workers)


def compare_provenance(a: dict[str, Any] | None, b: dict[str, Any] | None) -> tuple[ProvenanceChange, ...]:
    """Name what differs between two builds' records, but for their pace and what their manifests hold."""
    if a is None or b is None:
        return ()
    one, other = _flat(a), _flat(b)
    names = list(dict.fromkeys([*one, *other]))
    return tuple(
        ProvenanceChange(name, one.get(name), other.get(name))
        for name in names
        if one.get(name) != other.get(name)
    )


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name == "build":
            continue
        if name == "config" and isinstance(value, dict):
            sections = {key: inner for key, inner in value.items() if key not in _IN_MANIFEST}
            flat |= {
                f"config.{section}.{field}": found
                for section, inner in sections.items()
                if isinstance(inner, dict)
                for field, found in inner.items()
            }
        elif isinstance(value, dict):
            flat |= {f"{name}.{field}": found for field, found in value.items()}
        else:
            flat[name] = value
    return flat
