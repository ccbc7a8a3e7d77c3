"""Is a set what a configuration and the files on disk would make now? Told without touching anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import click

from formats.diff_text import Compared, as_json, human_text
from formats.errors import NoSetError, SetError, StaleError
from formats.fingerprint import Fingerprint, digest_pairs, sha256
from formats.manifest import (
    SET_MANIFEST,
    SHARD_FOLDER,
    FileRecord,
    Quarantined,
    SampleTable,
    SetManifest,
    ShardEntry,
    ShardManifest,
)
from formats.manifest_files import read_set_manifest, read_shard_manifest
from formats.places import Place
from formats.provenance import build_rate, read_provenance
from formats.remote_path import RemotePath
from formats.set_diff import SetDiff, ShardLoader, Side, compare
from formats.wording import counted
from pipeline.assemble import plan_set
from pipeline.config import BuildConfig
from pipeline.existing import old_manifest, standing_shards, unlocked
from pipeline.plan import Plan, PlannedShard
from pipeline.set_aside import still_unusable
from pipeline.stat_cache import StatCache


@dataclass(frozen=True)
class Validity:
    """Whether a set is valid.

    Attributes:
        compared: the set as it is (A) against the set as it should be (B).
        broken: names of wanted shards whose files are missing or damaged.
        why: why there is no set to compare, where there is none; A is then what stands of one.
        too_many: what a build would end with, where more pages cannot be used than it bears; else None.
    """

    compared: Compared
    broken: tuple[str, ...]
    why: str | None = None
    too_many: str | None = None

    @property
    def valid(self) -> bool:
        """Whether there is nothing to build."""
        return self.compared.diff.same and not self.broken

    def human_text(self) -> str:
        """Return the answer for a terminal."""
        if self.valid:
            verdict = click.style("valid", fg="green", bold=True)
            return f"{self.compared.names[0]}: {verdict}, {self.compared.a.fingerprint}"
        text = [] if self.compared.diff.same else [human_text(self.compared, planned=True)]
        if self.broken:
            shown = ", ".join(self.broken[:3]) + (" and more" if len(self.broken) > 3 else "")
            verb = "is" if len(self.broken) == 1 else "are"
            text.append(f"{counted(len(self.broken), 'shard')} {verb} missing or damaged on disk: {shown}")
        step = "the same command without --check builds what is needed"
        if self.too_many is not None:
            step = (
                f"{self.too_many} cannot be used, more than a build bears: mend or remove them, or build "
                "with runtime.max_quarantined=SHARE"
            )
        return "\n".join([*text, f"next step: {step}"])

    def as_json(self) -> dict[str, Any]:
        """Return the answer as docs/format.md describes a difference, with `broken` besides."""
        found = as_json(self.compared)
        if self.why is not None:
            found["a"]["fingerprint"] = None
        return {**found, "valid": self.valid, "broken": list(self.broken), "why": self.why}


def check(config: BuildConfig, folder: Place, *, paranoid: bool = False) -> Validity:
    """Compare a set with what a build would make of the configuration and the files on disk now.

    Raises:
        StaleError: there is no set in the folder: all of it is to be made.
        DamageError: its manifest is damaged.
        UsageError: it is of another version, or may not be read; or the source cannot be read.
    """
    old = old_manifest(folder)
    if old is None:
        raise _no_set(folder)
    cache = StatCache(folder, paranoid=paranoid)
    plan = plan_set(config, cache)
    unusable = still_unusable(folder, old, plan)
    wanted = planned_manifest(plan, old, unusable)
    planned = {shard.name: shard for shard in plan.shards}
    left_out = _places(unusable)

    def load_shard(side: Side, entry: ShardEntry) -> ShardManifest:
        return (
            read_shard_manifest(folder, entry)
            if side == "a"
            else _planned_shard(planned[entry.name], left_out)
        )

    provenance = read_provenance(folder)
    compared = Compared(
        names=(str(folder), "the configuration and its files"),
        a=old,
        b=wanted,
        diff=_compare(old, wanted, load_shard),
        rate=build_rate(provenance),
        provenance=(),
    )
    standing = standing_shards(folder, old.shards, old, cache)
    broken = tuple(entry.name for entry in old.shards if entry.name not in standing)
    return Validity(compared, broken, too_many=_too_many(config, wanted))


def _too_many(config: BuildConfig, wanted: SetManifest) -> str | None:
    """Return how many pages cannot be used, where a build would end with an error for it."""
    bad, good = len(wanted.quarantined), sum(wanted.splits.values())
    return None if config.runtime.bears(bad, good + bad) else f"{bad} of {counted(good + bad, 'page')}"


def stands_whole(config: BuildConfig, folder: Place, *, paranoid: bool = False) -> Validity | None:
    """Return what `check` says of a set that cannot be written to and need not be; None of any other.

    A build could not lock such a folder, and has no need to: it would write nothing.

    Raises:
        TextshardsError: see `check`; or somebody builds into it, by another way than this.
    """
    if isinstance(folder, RemotePath) or not folder.is_dir() or os.access(folder, os.W_OK):
        return None
    with unlocked(folder):
        if old_manifest(folder) is None:
            return None
        found = check(config, folder, paranoid=paranoid)
    return found if found.valid and found.too_many is None else None


def check_whatever(config: BuildConfig, folder: Place, *, paranoid: bool = False) -> Validity:
    """Compare a set as `check` does, and where there is none, what stands of one with what there should be.

    Raises:
        UsageError: see `check`.
    """
    try:
        return check(config, folder, paranoid=paranoid)
    except SetError as error:
        why = ": ".join(part for part in (error.thing, error.found) if part)
    cache = StatCache(folder, paranoid=paranoid)
    plan = plan_set(config, cache)
    standing = standing_shards(folder, plan.shards, None, cache)
    old = _what_stands(plan, [standing[name].entry for name in sorted(standing)])
    wanted = planned_manifest(plan, old, [])
    planned = {shard.name: shard for shard in plan.shards}
    compared = Compared(
        names=(str(folder), "the configuration and its files"),
        a=old,
        b=wanted,
        diff=compare(
            old,
            wanted,
            lambda side, entry: (
                standing[entry.name].manifest if side == "a" else _planned_shard(planned[entry.name], set())
            ),
        ),
        rate=build_rate(read_provenance(folder)),
        provenance=(),
    )
    return Validity(compared, (), why, _too_many(config, wanted))


def _what_stands(plan: Plan, entries: list[ShardEntry]) -> SetManifest:
    """Return a manifest of shards that stand without one: of a source that is nobody's."""
    splits: Counter[str] = Counter()
    for entry in entries:
        splits[entry.split] += 0 if entry.variant else entry.samples
    parts = {**plan.fingerprint.parts, "source": digest_pairs([])}
    return SetManifest(
        fingerprint=Fingerprint(parts).whole,
        parts=parts,
        settings=plan.settings,
        splits=dict(splits),
        shards=entries,
        quarantined=[],
    )


def _no_set(folder: Place) -> SetError:
    """Return why there is no manifest to compare."""
    try:
        read_set_manifest(folder)
    except NoSetError as error:
        return StaleError(
            error.thing,
            expected=error.expected,
            found=error.found,
            next_step="the same command without --check builds it",
        )
    except SetError as error:
        return error
    return StaleError(
        str(folder / SET_MANIFEST), found="it came just now", next_step="run the same command again"
    )


def _compare(old: SetManifest, wanted: SetManifest, load_shard: ShardLoader) -> SetDiff:
    try:
        return compare(old, wanted, load_shard)
    except SetError:
        # A shard's manifest is missing or damaged: all but the samples can be compared without.
        return compare(old, wanted, None)


def planned_manifest(plan: Plan, old: SetManifest, unusable: Sequence[Quarantined]) -> SetManifest:
    """Return the manifest a build would write, as far as it is known before pages are rendered.

    Shards that stand keep their entries. Of the others the bytes are estimated by the set's average a sample,
    and of their pages only those are known to be unusable that were, and have not changed: `unusable`.
    """
    wanted = {shard.inputs for shard in plan.shards}
    standing = {entry.name: entry for entry in old.shards if entry.inputs in wanted}
    left_out = _places(unusable)
    samples = sum(entry.samples for entry in old.shards)
    average = sum(entry.bytes for entry in old.shards) / samples if samples else 0.0
    entries = [standing.get(shard.name) or _planned_entry(shard, average, left_out) for shard in plan.shards]
    splits: dict[str, int] = {}
    for entry in entries:
        splits[entry.split] = splits.get(entry.split, 0) + (0 if entry.variant else entry.samples)
    return SetManifest(
        fingerprint=plan.fingerprint.whole,
        parts=dict(plan.fingerprint.parts),
        settings=plan.settings,
        splits=splits,
        shards=entries,
        quarantined=sorted([*plan.quarantined, *unusable], key=lambda row: (row.split, row.key)),
    )


def _places(rows: Sequence[Quarantined]) -> set[tuple[str, str]]:
    return {(row.split, row.key) for row in rows}


def _planned_shard(shard: PlannedShard, left_out: Set[tuple[str, str]]) -> ShardManifest:
    usable = [sample for sample in shard.samples if (shard.split, sample.record.key) not in left_out]
    table = SampleTable(
        keys=[sample.record.key for sample in usable],
        sources=[sample.source for sample in usable],
        texts={},
        members={},
    )
    return ShardManifest(
        name=shard.name,
        split=shard.split,
        variant=shard.variant,
        inputs=shard.inputs,
        files=[],
        samples=table,
        quarantined=[],
    )


def _planned_entry(shard: PlannedShard, average: float, left_out: Set[tuple[str, str]]) -> ShardEntry:
    planned = _planned_shard(shard, left_out)
    data, samples = planned.dump(), len(planned.samples.keys)
    return ShardEntry(
        name=shard.name,
        split=shard.split,
        variant=shard.variant,
        inputs=shard.inputs,
        samples=samples,
        quarantined=len(shard.samples) - samples,
        bytes=round(average * samples),
        manifest=FileRecord(path=f"{SHARD_FOLDER}/{shard.name}.json", bytes=len(data), sha256=sha256(data)),
    )
