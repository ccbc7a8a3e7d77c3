"""The build: plan, make the shards that do not stand, then the set's manifest, last of all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Timer

import click

from formats.checks.verified import VERIFIED, last_verification
from formats.commands import progress
from formats.disk import writing
from formats.errors import TextshardsError, UsageError
from formats.manifest import (
    PROVENANCE,
    QUARANTINE,
    SET_MANIFEST,
    Quarantined,
    SetManifest,
    ShardManifest,
    named_manifest,
)
from formats.places import Place
from formats.remote_path import RemotePath
from formats.set_index import INDEX, pack_index
from formats.storage import write_whole
from pipeline.building import forget_progress, progress_note
from pipeline.config import BuildConfig
from pipeline.engines import run_on_engine
from pipeline.existing import (
    locked,
    make_folder,
    old_manifest,
    orphans,
    remove,
    standing_shards,
    sweep,
)
from pipeline.plan import Plan, make_plan
from pipeline.provenance import Work, provenance, records
from pipeline.render import warm_up
from pipeline.scratch import scratch_of
from pipeline.shard_job import Shard, ShardJob, write_shard
from pipeline.sources import read_annotations
from pipeline.sources.record import Rejected
from pipeline.stat_cache import StatCache, hash_images

LONG_S = 2.0
"""What takes longer to be made ready is being compiled: from the compiler's cache it takes some tenths."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did and what the set holds now.

    Attributes:
        folder: the set's folder.
        manifest: the set's manifest.
        shards: the manifests of its shards.
        made: number of shards made; the others stood already.
        made_samples: number of samples in them.
        removed: files and folders of older versions that were removed.
        seconds: wall time of making shards.
    """

    folder: Place
    manifest: SetManifest
    shards: tuple[ShardManifest, ...]
    made: int
    made_samples: int
    removed: int
    seconds: float

    @property
    def texts(self) -> Counter[str]:
        """Number of texts by status, on pages as they are."""
        counts: Counter[str] = Counter()
        for shard in (shard for shard in self.shards if not shard.variant):
            counts.update({status: sum(column) for status, column in shard.samples.texts.items()})
        return counts

    @property
    def pages_missed(self) -> dict[str, int]:
        """Number of texts that lie wholly beside their page, or its canvas, by the page's key."""
        rows = (shard.samples for shard in self.shards if not shard.variant)
        return {
            key: count
            for samples in rows
            for key, count in zip(samples.keys, samples.texts.get("outside", ()), strict=False)
            if count
        }

    @property
    def bytes_by_member(self) -> Counter[str]:
        """Number of stored bytes by member."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts.update({name: sum(member.bytes) for name, member in shard.samples.members.items()})
        return counts


def build(
    config: BuildConfig, folder: Place, *, paranoid: bool = False, force: bool = False, command: list[str]
) -> BuildReport:
    """Build a set, or finish or mend the one that stands in the folder.

    Args:
        config: the configuration.
        folder: the set's folder; made where absent.
        paranoid: hash every file again instead of believing sizes and times.
        force: make every shard again.
        command: the command line, for the provenance.

    Raises:
        TextshardsError: nothing to build, too many samples unusable, the folder locked or not to be written
            to, the disk full, an image changed meanwhile, a worker lost, storage that does not answer.
    """
    make_folder(folder)
    with locked(folder), writing(folder):
        sweep(folder)
        forget_progress(folder)
        old = old_manifest(folder)
        cache = StatCache(folder, paranoid=paranoid)
        plan = plan_set(config, cache)
        cache.save(forget=False)
        rejected = plan.quarantined
        _check_quarantine(rejected, plan.samples + len(rejected), config, folder)
        standing = {} if force else standing_shards(folder, plan.shards, old, cache)
        started = time.monotonic()
        made = _make_shards(plan, folder, config, set(standing))
        seconds = time.monotonic() - started
        shards = sorted([*standing.values(), *made], key=lambda shard: shard.entry.name)
        manifest = _set_manifest(plan, shards)
        _check_quarantine(manifest.quarantined, plan.samples + len(rejected), config, folder)
        made_samples = sum(shard.entry.samples for shard in made)
        noted = last_verification(folder)
        if made or manifest != old or (noted is not None and noted.problems):
            (folder / VERIFIED).unlink(missing_ok=True)
        if manifest != old or not _stand_beside(folder, manifest) or not records(config, folder):
            work = Work(made_samples, seconds)
            _publish(folder, manifest, shards, provenance(config, command, work, folder))
        old_files = _old_files(folder, manifest, shards)
        for path in old_files:
            remove(path)
        for file in (file for shard in made for file in shard.manifest.files):
            cache.remember(folder / file.path, file.sha256)
        cache.save()
    manifests = tuple(shard.manifest for shard in shards)
    return BuildReport(folder, manifest, manifests, len(made), made_samples, len(old_files), seconds)


def plan_set(config: BuildConfig, cache: StatCache) -> Plan:
    """Read the annotations, hash the images and plan the set."""
    annotations = read_annotations(config.source)
    images = [(record.key, record.image) for record in annotations.records]
    hashes, faults = hash_images(images, cache, config.source.max_pixels)
    unread = [
        Rejected(record.key, record.split, faults[record.key], record.annotation)
        for record in annotations.records
        if record.key in faults
    ]
    readable = tuple(record for record in annotations.records if record.key in hashes)
    rejected = tuple(sorted([*annotations.rejected, *unread], key=lambda row: (row.split, row.key)))
    plan = make_plan(replace(annotations, records=readable, rejected=rejected), hashes, config.set_settings)
    if not plan.samples:
        raise UsageError(
            f"source {config.source.root}",
            expected="at least one usable page",
            found=rejected[0].reason if rejected else "none",
            next_step="check source.format, source.root and source.splits",
        )
    return plan


@contextmanager
def _told_where_long(what: str) -> Iterator[None]:
    """Say what a block does where it takes longer than reading it from a cache would."""
    told = Timer(LONG_S, click.echo, (what,), {"err": True})
    told.start()
    try:
        yield
    finally:
        told.cancel()


def _make_shards(plan: Plan, folder: Place, config: BuildConfig, standing: Set[str]) -> list[Shard]:
    missing = [shard for shard in plan.shards if shard.name not in standing]
    if not missing:
        return []
    with _told_where_long("compiling the kernels: once on a machine, some 10 s"):
        warm_up()
    made = []
    try:
        total = sum(len(shard.samples) for shard in missing)
        with (
            scratch_of(folder) as scratch,
            progress_note(folder, total, len(missing)) as note,
            progress(total, "rendering pages") as shown,
        ):
            pixels = config.source.max_pixels
            jobs = [ShardJob(folder, shard, plan.settings, pixels, scratch) for shard in missing]
            for shard in run_on_engine(write_shard, jobs, config.runtime, folder):
                made.append(shard)
                done = shard.entry.samples + shard.entry.quarantined
                shown.advance(done)
                note.advance(done)
    finally:
        sweep(folder)
    return made


def _set_manifest(plan: Plan, shards: Sequence[Shard]) -> SetManifest:
    splits: Counter[str] = Counter()
    # A page that cannot be used is met again in each of its variants: once is enough.
    quarantined = set(plan.quarantined)
    places = plan.places if any(shard.entry.quarantined for shard in shards) else {}
    for shard in shards:
        splits[shard.entry.split] += 0 if shard.entry.variant else shard.entry.samples
        quarantined.update(
            Quarantined(key=row.key, split=row.split, reason=row.reason, where=places[row.split, row.key])
            for row in shard.manifest.quarantined
        )
    return SetManifest(
        fingerprint=plan.fingerprint.whole,
        parts=dict(plan.fingerprint.parts),
        settings=plan.settings,
        splits=dict(splits),
        shards=[shard.entry for shard in shards],
        quarantined=sorted(quarantined, key=lambda row: (row.split, row.key)),
    )


def _check_quarantine(bad: Sequence[Quarantined], total: int, config: BuildConfig, folder: Place) -> None:
    if config.runtime.bears(len(bad), total):
        return
    first = "; ".join(f"{row.key} ({row.where}): {row.reason}" for row in bad[:3])
    raise TextshardsError(
        f"{len(bad)} of {total} samples cannot be used; {folder} keeps its former manifest, if it had one",
        expected=f"at most {config.runtime.max_quarantined:.1%} (runtime.max_quarantined)",
        found=first + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""),
        next_step="mend or remove these pages, or allow more with runtime.max_quarantined=SHARE",
    )


def _quarantine_rows(manifest: SetManifest) -> bytes:
    return b"".join(row.dump() + b"\n" for row in manifest.quarantined)


def _stand_beside(folder: Place, manifest: SetManifest) -> bool:
    """Tell whether the files beside a set's manifest stand too, and are those of that manifest."""
    try:
        ledger = (folder / QUARANTINE).read_bytes()
    except OSError:
        return False
    beside = [folder / PROVENANCE]
    if isinstance(folder, RemotePath):
        beside += [folder / INDEX, folder / named_manifest(manifest)]
    return ledger == _quarantine_rows(manifest) and all(path.is_file() for path in beside)


def _publish(folder: Place, manifest: SetManifest, shards: Sequence[Shard], provenance: bytes) -> None:
    """Write what stands beside the shards, last of all the manifest that makes them the set.

    In object storage it is first written under a name of its own: who reads that one reads the same set for
    as long as nobody cleans, whatever is built meanwhile.
    """
    write_whole(folder / QUARANTINE, _quarantine_rows(manifest))
    write_whole(folder / PROVENANCE, provenance)
    if isinstance(folder, RemotePath):
        write_whole(folder / INDEX, pack_index(shard.manifest for shard in shards))
        write_whole(folder / named_manifest(manifest), manifest.dump())
    write_whole(folder / SET_MANIFEST, manifest.dump())


def _old_files(folder: Place, manifest: SetManifest, shards: Sequence[Shard]) -> list[Place]:
    """Return what a build removes: in object storage nothing, since others may be reading or writing it."""
    if isinstance(folder, RemotePath):
        return []
    return orphans(folder, manifest, {shard.entry.name: shard.manifest for shard in shards})
