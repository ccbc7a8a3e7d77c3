"""A difference in words: short on a terminal, complete as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from formats.manifest import SET_MANIFEST, SetManifest
from formats.provenance import BuildRate, ProvenanceChange
from formats.set_diff import SetDiff
from formats.wording import counted

_KEYS_SHOWN = 3
_KEYS_IN_JSON = 100
_WIDE = 44


@dataclass(frozen=True)
class Compared:
    """Two sets, under the names they were given by, and all that lies between them."""

    names: tuple[str, str]
    a: SetManifest
    b: SetManifest
    diff: SetDiff
    rate: BuildRate | None
    provenance: tuple[ProvenanceChange, ...]

    @property
    def seconds(self) -> float | None:
        """Estimated time of the rebuild, at the recorded rate."""
        return None if self.rate is None else self.diff.shards.samples / self.rate.samples_per_second


def as_json(compared: Compared) -> dict[str, Any]:
    """Return a difference as docs/format.md describes it."""
    diff, shards = compared.diff, compared.diff.shards
    sides = zip(("a", "b"), compared.names, (compared.a, compared.b), strict=True)
    samples = diff.samples and {name: _keys(keys) for name, keys in vars(diff.samples).items()}
    return {
        "same": diff.same,
        **{side: _side(name, manifest) for side, name, manifest in sides},
        "parts": list(diff.parts),
        "settings": [asdict(change) for change in diff.fields],
        "samples": samples,
        "quarantined": {"added": _keys(diff.quarantined), "removed": _keys(diff.released)},
        "shards": {
            "rebuild": list(shards.rebuild),
            "remove": list(shards.remove),
            "kept": shards.kept,
            "other_bytes": list(shards.other_bytes),
        },
        "cost": {
            "samples": shards.samples,
            "bytes": shards.bytes,
            "bytes_removed": shards.bytes_removed,
            "seconds": None if compared.seconds is None else round(compared.seconds, 3),
        },
        "provenance": [asdict(change) for change in compared.provenance],
    }


def _side(name: str, manifest: SetManifest) -> dict[str, Any]:
    return {
        "path": name,
        "fingerprint": manifest.fingerprint,
        "samples": sum(manifest.splits.values()),
        "shards": len(manifest.shards),
        "bytes": sum(entry.bytes for entry in manifest.shards),
    }


def _keys(keys: Sequence[str]) -> dict[str, Any]:
    return {"count": len(keys), "keys": list(keys[:_KEYS_IN_JSON])}


def human_text(compared: Compared, *, planned: bool = False) -> str:
    """Return a difference for a terminal: verdict, what differs, what it costs, what does not matter.

    Args:
        compared: the two sets.
        planned: B is what a build would make of its source now: its pages are still to be rendered, and the
            command that turns A into B needs no naming.
    """
    diff, (one, other) = compared.diff, compared.names
    if diff.same:
        head = f"{_bold('same', 'green')}: {one} and {other}"
        count = sum(compared.a.splits.values())
        lines = [head, f"  {count} samples, {compared.a.fingerprint}"]
    else:
        what = f" in {_listed(diff.parts)}" if diff.parts else ""
        lines = [f"{_bold('different', 'red')}{what}", f"  --> A  {one}", f"  --> B  {other}", ""]
        lines += [*_settings(compared), *_samples(compared, planned), "", *_cost(compared)]
        lines += [] if planned else [_command(compared)]
    lines += _without_effect(compared)
    lines += _provenance(compared)
    return "\n".join(lines)


def _bold(text: str, color: str | None = None) -> str:
    return click.style(text, fg=color, bold=True)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _settings(compared: Compared) -> Iterator[str]:
    changes = [change for change in compared.diff.fields if change.part is not None]
    width = max((len(change.field) for change in changes), default=0)
    for change in changes:
        yield f"  {_bold(change.field.ljust(width))}  {_values(change.a, change.b)}"


def _values(a: Any, b: Any) -> str:
    return f"{click.style(_shown(a), fg='red')} -> {click.style(_shown(b), fg='green')}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else "absent" if value is None else json.dumps(value)
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."


def _samples(compared: Compared, planned: bool) -> Iterator[str]:
    diff = compared.diff
    if diff.samples is None:
        yield "  samples: not compared, since not all manifests of the shards can be read"
    else:
        yield from _some("+", diff.came, "added", "green")
        yield from _some("-", diff.went, "removed", "red")
        yield from _some("~", diff.samples.changed, "changed (image, annotation or split)", "yellow")
    yield from _some("!", diff.quarantined, "quarantined: B cannot use them", "yellow")
    released = "quarantined, to be tried again" if planned else "no longer quarantined"
    yield from _some("!", diff.released, released, "green")


def _some(sign: str, keys: Sequence[str], what: str, color: str) -> Iterator[str]:
    if keys:
        more = ", ..." if len(keys) > _KEYS_SHOWN else ""
        yield f"  {click.style(sign, fg=color)} {_bold(counted(len(keys), 'sample'))} {what}"
        yield f"      {', '.join(keys[:_KEYS_SHOWN])}{more}"


def _cost(compared: Compared) -> Iterator[str]:
    shards, total = compared.diff.shards, len(compared.b.shards)
    yield f"{_bold('to turn A into B')}"
    if shards.rebuild:
        decisive = [part for part in compared.diff.parts if part in ("geometry", "targets", "encoding")]
        why = f"; {_listed(decisive)} decide{'s' * (len(decisive) == 1)} every shard" if decisive else ""
        yield f"  rebuild  {len(shards.rebuild)} of {counted(total, 'shard')}{why}"
        size = f"{counted(shards.samples, 'sample')}, {shards.bytes / 1e6:.2f} MB"
        yield f"           {size}{_duration(compared)}"
    if shards.remove:
        yield f"  remove   {counted(len(shards.remove), 'shard')}, {shards.bytes_removed / 1e6:.2f} MB"
    if not shards.rebuild and not shards.remove:
        yield "  write    the set's manifest; no shard changes"


def _command(compared: Compared) -> str:
    return f"  with     python -m pipeline.build --config FILE --out {_folder(compared.names[0])}"


def _folder(name: str) -> str:
    """Return the folder a build takes for a set that was given as a folder, a manifest file or a URL."""
    if "://" in name or (name.endswith(".json") and Path(name).name != SET_MANIFEST):
        return "DIR"
    return str(Path(name).parent) if Path(name).name == SET_MANIFEST else name


def _duration(compared: Compared) -> str:
    if compared.rate is None or compared.seconds is None:
        return ""
    pace = f"{compared.rate.samples_per_second:.3g} samples/s with {counted(compared.rate.workers, 'worker')}"
    return f", about {_time(compared.seconds)} (recorded: {pace})"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _without_effect(compared: Compared) -> Iterator[str]:
    for change in compared.diff.fields:
        if change.part is None:
            yield f"  without effect: {change.field} {_values(change.a, change.b)}"
    names = compared.diff.shards.other_bytes
    if names:
        yield f"  without effect: other bytes of the same inputs in {counted(len(names), 'shard')}"


def _provenance(compared: Compared) -> Iterator[str]:
    if compared.provenance:
        yield click.style("provenance (invalidates nothing)", dim=True)
        width = max(len(change.field) for change in compared.provenance)
        for change in compared.provenance:
            line = f"  {change.field.ljust(width)}  {_shown(change.a)} -> {_shown(change.b)}"
            yield click.style(line, dim=True)
