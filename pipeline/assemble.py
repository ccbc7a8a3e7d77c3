"""The build: plan, make the shards that do not stand, then the set's manifest, last of all."""

from __future__ import annotations

import json
import platform
import socket
import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click

from formats.commands import progress
from formats.errors import TextshardsError, UsageError
from formats.fingerprint import canonical
from formats.manifest import SET_MANIFEST, SHARD_FOLDER, Quarantined, SetManifest, ShardManifest
from formats.storage import write_whole
from pipeline.config import BuildConfig
from pipeline.existing import (
    locked,
    old_manifest,
    remove,
    standing_shard,
    strangers,
    sweep,
)
from pipeline.plan import Plan, make_plan
from pipeline.render import warm_up
from pipeline.shard_job import ShardJob, shard_entry, write_shard
from pipeline.sources import read_annotations
from pipeline.sources.record import Rejected
from pipeline.stat_cache import StatCache, hash_images
from pipeline.workers import cores, run_jobs

PROVENANCE = "provenance.json"
QUARANTINE = "quarantine.jsonl"
LIBRARIES = ("numpy", "numba", "opencv-python", "simplejpeg", "numcodecs", "zarr", "shapely", "pyclipper")


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

    folder: Path
    manifest: SetManifest
    shards: tuple[ShardManifest, ...]
    made: int
    made_samples: int
    removed: int
    seconds: float

    @property
    def texts(self) -> Counter[str]:
        """Number of texts by status."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts.update({status: sum(column) for status, column in shard.samples.texts.items()})
        return counts

    @property
    def bytes_by_member(self) -> Counter[str]:
        """Number of stored bytes by member."""
        counts: Counter[str] = Counter()
        for shard in self.shards:
            counts.update({name: sum(member.bytes) for name, member in shard.samples.members.items()})
        return counts


def build(
    config: BuildConfig, folder: Path, *, paranoid: bool = False, force: bool = False, command: list[str]
) -> BuildReport:
    """Build a set, or finish or mend the one that stands in the folder.

    Args:
        config: the configuration.
        folder: the set's folder; made where absent.
        paranoid: hash every file again instead of believing sizes and times.
        force: make every shard again.
        command: the command line, for the provenance.

    Raises:
        TextshardsError: nothing to build, too many samples unusable, the folder locked, a worker lost.
    """
    _make_folder(folder / SHARD_FOLDER)
    with locked(folder):
        sweep(folder)
        cache = StatCache(folder, paranoid=paranoid)
        plan = plan_set(config, cache)
        old = old_manifest(folder)
        standing = {} if force else _standing(folder, plan, old, cache)
        started = time.monotonic()
        made = _make_shards(plan, folder, config, set(standing))
        seconds = time.monotonic() - started
        shards = tuple(sorted([*standing.values(), *made], key=lambda shard: shard.name))
        manifest = _set_manifest(plan, shards)
        _check_quarantine(manifest, config.runtime.max_quarantined, folder)
        made_samples = sum(len(shard.samples.keys) for shard in made)
        if manifest != old:
            _publish(folder, manifest, _provenance(config, command, made_samples, seconds))
        old_files = strangers(folder, {shard.name for shard in shards})
        for path in old_files:
            remove(path)
        for file in (file for shard in made for file in shard.files):
            cache.remember(folder / file.path, file.sha256)
        cache.save()
    return BuildReport(folder, manifest, shards, len(made), made_samples, len(old_files), seconds)


def plan_set(config: BuildConfig, cache: StatCache) -> Plan:
    """Read the annotations, hash the images and plan the set."""
    annotations = read_annotations(config.source)
    images = [(record.key, record.image) for record in annotations.records]
    hashes, faults = hash_images(images, cache)
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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"output folder {folder}", expected="a folder that can be written", found=error.strerror or ""
        ) from None


def _standing(
    folder: Path, plan: Plan, old: SetManifest | None, cache: StatCache
) -> dict[str, ShardManifest]:
    found = ((shard.name, standing_shard(folder, shard, old, cache)) for shard in plan.shards)
    return {name: manifest for name, manifest in found if manifest is not None}


def _make_shards(plan: Plan, folder: Path, config: BuildConfig, standing: Set[str]) -> list[ShardManifest]:
    missing = [shard for shard in plan.shards if shard.name not in standing]
    if not missing:
        return []
    click.echo("loading the kernels (the first time on a machine they are compiled: some 10 s)", err=True)
    warm_up()
    jobs = [ShardJob(folder, shard, plan.settings, config.source.max_pixels) for shard in missing]
    made = []
    try:
        with progress(sum(len(shard.samples) for shard in missing), "rendering pages") as shown:
            for manifest in run_jobs(write_shard, jobs, config.runtime.workers or cores()):
                made.append(manifest)
                shown.advance(len(manifest.samples.keys) + len(manifest.quarantined))
    finally:
        sweep(folder)
    return made


def _set_manifest(plan: Plan, shards: tuple[ShardManifest, ...]) -> SetManifest:
    splits: Counter[str] = Counter()
    quarantined = [
        Quarantined(key=row.key, split=row.split, reason=row.reason, where=row.where) for row in plan.rejected
    ]
    for shard in shards:
        splits[shard.split] += len(shard.samples.keys)
        quarantined += shard.quarantined
    return SetManifest(
        fingerprint=plan.fingerprint.whole,
        parts=dict(plan.fingerprint.parts),
        settings=plan.settings,
        splits=dict(splits),
        shards=[shard_entry(shard) for shard in shards],
        quarantined=sorted(quarantined, key=lambda row: (row.split, row.key)),
    )


def _check_quarantine(manifest: SetManifest, allowed: float, folder: Path) -> None:
    bad = manifest.quarantined
    total = sum(manifest.splits.values()) + len(bad)
    if len(bad) <= allowed * total:
        return
    first = "; ".join(f"{row.key} ({row.where}): {row.reason}" for row in bad[:3])
    raise TextshardsError(
        f"{len(bad)} of {total} samples cannot be used; {folder} keeps its former manifest, if it had one",
        expected=f"at most {allowed:.1%} (runtime.max_quarantined)",
        found=first + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""),
        next_step="mend or remove these pages, or allow more with runtime.max_quarantined=SHARE",
    )


def _publish(folder: Path, manifest: SetManifest, provenance: bytes) -> None:
    rows = (canonical(record.model_dump(mode="json")) + b"\n" for record in manifest.quarantined)
    write_whole(folder / QUARANTINE, b"".join(rows))
    write_whole(folder / PROVENANCE, provenance)
    write_whole(folder / SET_MANIFEST, manifest.dump())


def _provenance(config: BuildConfig, command: list[str], samples: int, seconds: float) -> bytes:
    workers = config.runtime.workers or cores()
    rate = samples / seconds if samples else 0.0
    record = {
        "build": {
            "samples": samples,
            "seconds": round(seconds, 3),
            "samples_per_second": round(rate, 3),
            "workers": workers,
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "command": command,
        "host": socket.gethostname(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "config": config.model_dump(mode="json"),
    }
    return json.dumps(record, indent=1).encode() + b"\n"
