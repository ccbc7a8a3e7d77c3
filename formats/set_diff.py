"""What lies between two sets: settings, samples, shards, and what it costs to turn one into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from formats.fingerprint import differing_parts
from formats.manifest import SECTIONS, Quarantined, SetManifest, SetSettings, ShardEntry, ShardManifest

Side = Literal["a", "b"]
ShardLoader = Callable[[Side, ShardEntry], ShardManifest]
"""Reads the manifest of a shard of one side."""


@dataclass(frozen=True)
class FieldChange:
    """A setting that differs.

    Attributes:
        field: section and field, with a dot.
        a: its value in the one set.
        b: its value in the other.
        part: the part of the fingerprint it decides; None where, as the others stand, it has no effect.
    """

    field: str
    a: Any
    b: Any
    part: str | None


@dataclass(frozen=True)
class SampleChanges:
    """Keys of samples that came, went, or whose image, annotation or split is another; each sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class ShardChanges:
    """What to do with shards to turn A into B.

    Attributes:
        rebuild: names of shards of B that A does not have.
        remove: names of shards of A that B does not have.
        kept: number of shards that both have.
        other_bytes: names of shards made of the same inputs whose bytes differ: by another library version.
        samples: number of samples to render.
        bytes: size of the shards to rebuild.
        bytes_removed: size of the shards to remove.
    """

    rebuild: tuple[str, ...]
    remove: tuple[str, ...]
    kept: int
    other_bytes: tuple[str, ...]
    samples: int
    bytes: int
    bytes_removed: int


@dataclass(frozen=True)
class SetDiff:
    """How set B differs from set A.

    Attributes:
        parts: parts of the fingerprint that differ.
        fields: settings that differ.
        samples: samples that differ; None where that takes shard manifests that could not be had.
        quarantined: samples that could not be used in B but could, or were not there, in A.
        released: samples that could not be used in A, and are no longer quarantined in B.
        shards: what to do with shards.
    """

    parts: tuple[str, ...]
    fields: tuple[FieldChange, ...]
    samples: SampleChanges | None
    quarantined: tuple[str, ...]
    released: tuple[str, ...]
    shards: ShardChanges

    @property
    def same(self) -> bool:
        """Whether both hold the same samples, made in the same way."""
        return not (
            self.parts or self.quarantined or self.released or self.shards.rebuild or self.shards.remove
        )

    @property
    def came(self) -> tuple[str, ...]:
        """Keys of samples that were added; not of pages A knew, and could not use."""
        return _but(self.samples.added if self.samples else (), self.released)

    @property
    def went(self) -> tuple[str, ...]:
        """Keys of samples that were removed; not of pages B knows, and cannot use."""
        return _but(self.samples.removed if self.samples else (), self.quarantined)


def _but(keys: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    left_out = {*others}
    return tuple(key for key in keys if key not in left_out)


def compare(a: SetManifest, b: SetManifest, load_shard: ShardLoader | None) -> SetDiff:
    """Compare two sets.

    Args:
        a: the set as it is.
        b: the set as it should be.
        load_shard: reads a shard's manifest; called only for shards whose inputs differ, and only where the
            sources do. None: they cannot be had, and samples are not compared.
    """
    parts = differing_parts(a.parts, b.parts)
    newly, released = _set_apart(a.quarantined, b.quarantined)
    rebuild, remove = _without(b.shards, a.shards), _without(a.shards, b.shards)
    return SetDiff(
        parts=parts,
        fields=tuple(compare_settings(a.settings, b.settings)),
        samples=_compare_samples(remove, rebuild, load_shard)
        if "source" in parts or newly or released
        else SampleChanges((), (), ()),
        quarantined=newly,
        released=released,
        shards=_compare_shards(a, b, rebuild, remove),
    )


def compare_settings(a: SetSettings, b: SetSettings) -> Iterable[FieldChange]:
    """Name every field that differs, section by section; the renderer's version counts among the targets."""
    for section in SECTIONS:
        one, other = getattr(a, section), getattr(b, section)
        values, others = one.model_dump(mode="json"), other.model_dump(mode="json")
        idle = set(one.without_effect()) & set(other.without_effect())
        for name, value in values.items():
            if value != others[name]:
                part = None if name in idle else section
                yield FieldChange(f"{section}.{name}", value, others[name], part)
    if a.renderer != b.renderer:
        yield FieldChange("renderer", a.renderer, b.renderer, "targets")


def _set_apart(a: Iterable[Quarantined], b: Iterable[Quarantined]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before, after = {row.key for row in a}, {row.key for row in b}
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _identity(entry: ShardEntry) -> tuple[str, str, int]:
    return entry.name, entry.inputs, entry.quarantined


def _without(entries: Iterable[ShardEntry], others: Iterable[ShardEntry]) -> list[ShardEntry]:
    known = {_identity(entry) for entry in others}
    return [entry for entry in entries if _identity(entry) not in known]


def _compare_samples(
    remove: Iterable[ShardEntry], rebuild: Iterable[ShardEntry], load_shard: ShardLoader | None
) -> SampleChanges | None:
    if load_shard is None:
        return None
    # A page's variants are made of what the page is made of: the page's own shard tells.
    before = _sources(load_shard("a", entry) for entry in remove if not entry.variant)
    after = _sources(load_shard("b", entry) for entry in rebuild if not entry.variant)
    return SampleChanges(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(key for key in before.keys() & after.keys() if before[key] != after[key])),
    )


def _sources(shards: Iterable[ShardManifest]) -> dict[str, tuple[str, str]]:
    return {
        key: (shard.split, source)
        for shard in shards
        for key, source in zip(shard.samples.keys, shard.samples.sources, strict=True)
    }


def _compare_shards(
    a: SetManifest, b: SetManifest, rebuild: list[ShardEntry], remove: list[ShardEntry]
) -> ShardChanges:
    digests = {_identity(entry): entry.manifest.sha256 for entry in a.shards}
    kept = [entry for entry in b.shards if _identity(entry) in digests]
    return ShardChanges(
        rebuild=tuple(entry.name for entry in rebuild),
        remove=tuple(entry.name for entry in remove),
        kept=len(kept),
        other_bytes=tuple(e.name for e in kept if digests[_identity(e)] != e.manifest.sha256),
        samples=sum(entry.samples + entry.quarantined for entry in rebuild),
        bytes=sum(entry.bytes for entry in rebuild),
        bytes_removed=sum(entry.bytes for entry in remove),
    )
