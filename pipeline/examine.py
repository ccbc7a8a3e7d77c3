"""Looking a set over, quickly and without touching it: its manifests, its files' sizes, its sources."""

from __future__ import annotations

import calendar
import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from formats.checks.files import LoadedShards, check_sizes, load_shards
from formats.checks.problems import Problem, sort_problems
from formats.checks.verified import TIME, last_verification
from formats.disk import disk_error
from formats.errors import SetError, UsageError
from formats.manifest import SET_MANIFEST, SHARD_FOLDER, Quarantined, SetManifest
from formats.manifest_files import read_set_manifest
from formats.places import Place, name_below
from formats.provenance import read_provenance
from formats.remote_path import RemotePath
from formats.set_summary import stored_bytes
from pipeline.building import read_progress
from pipeline.config import BuildConfig
from pipeline.existing import lock_holder, orphans, total_bytes
from pipeline.recheck import recheck
from pipeline.set_health import Contents, Orphan, RecordedValidity, SetHealth, StoredBytes

_WRITTEN = "the bytes that were written"
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S+|-?\b\d[\d.]*")
_FIRST_BYTES = re.compile(r"(?<=begins )with( [0-9a-f]{2}\b)+")


def find_sets(folders: Sequence[Place]) -> list[Place]:
    """Return the folders of sets: each that is given, or those in it where it is a folder of sets.

    Raises:
        UsageError: one is no folder, or has no set.
    """
    found: list[Place] = []
    for folder in folders:
        sets = [folder] if _holds_set(folder) else sorted(filter(_holds_set, _folders_in(folder)))
        if not sets:
            raise UsageError(
                str(folder),
                expected="a set of shards, or a folder of sets",
                found="a folder without" if folder.is_dir() else "no such folder",
                next_step="name the folder that python -m pipeline.build was given as --out",
            )
        found += [path for path in sets if path not in found]
    return found


def _holds_set(folder: Place) -> bool:
    """Tell whether a folder holds a set; one that may not be looked into is taken for one, and told."""
    try:
        return (folder / SET_MANIFEST).is_file() or (folder / SHARD_FOLDER).is_dir()
    except PermissionError:
        return True


def _folders_in(folder: Place) -> list[Place]:
    if isinstance(folder, RemotePath):
        return [path for path in folder.iterdir() if not path.suffix]
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def examine(
    folder: Place, *, sources: bool = True, now: float | None = None, config: BuildConfig | None = None
) -> SetHealth:
    """Look a set over; reads its manifests, and with `sources` what `pipeline.check.check` reads.

    A set of which a file may not be read, or that the disk does not give, has that for its fault.

    Args:
        folder: the set's folder.
        sources: compare it with its recorded configuration and its source files.
        now: seconds since the epoch.
        config: what to compare it with instead of its recorded configuration.
    """
    try:
        return _examine(folder, sources=sources, now=now, config=config)
    except OSError as error:
        return _unreadable(folder, str(disk_error(error)))


def _unreadable(folder: Place, fault: str) -> SetHealth:
    return SetHealth(
        folder=str(folder),
        fault=fault,
        contents=None,
        validity=RecordedValidity(None),
        problems=(),
        orphans=(),
        verified=None,
        verified_current=False,
        building=None,
        progress=None,
        disk_free=None,
        disk_total=None,
    )


def _examine(folder: Place, *, sources: bool, now: float | None, config: BuildConfig | None) -> SetHealth:
    verified = last_verification(folder)
    free, total = (None, None) if isinstance(folder, RemotePath) else _room(folder)
    holder = lock_holder(folder)
    manifest, fault = _manifest(folder)
    contents, validity = None, RecordedValidity(None)
    problems: tuple[Problem, ...] = ()
    unnamed: list[Place] = []
    if manifest is not None:
        loaded = load_shards(folder, manifest)
        contents = _contents(folder, manifest, loaded, time.time() if now is None else now)
        problems = _problems(folder, loaded)
        unnamed = orphans(folder, manifest, loaded.manifests)
        if sources:
            found = recheck(folder, config)
            validity, problems = found.validity, _with_broken(problems, found.broken)
        else:
            validity = RecordedValidity(None, ("the sources were not looked at (--no-sources)",))
    return SetHealth(
        folder=str(folder),
        fault=fault,
        contents=contents,
        validity=validity,
        problems=problems,
        orphans=tuple(Orphan(name_below(path, folder), total_bytes(path)) for path in unnamed),
        verified=verified,
        verified_current=verified is not None and verified.current(folder),
        building=holder,
        progress=None if holder is None else read_progress(folder),
        disk_free=free,
        disk_total=total,
    )


def _room(folder: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total


def _manifest(folder: Place) -> tuple[SetManifest | None, str | None]:
    try:
        return read_set_manifest(folder), None
    except SetError as error:
        return None, str(error)


def _contents(folder: Place, manifest: SetManifest, loaded: LoadedShards, now: float) -> Contents:
    members: Counter[str] = Counter()
    for shard in loaded.manifests.values():
        members.update(stored_bytes(shard.samples))
    files = sum(file.bytes for shard in loaded.manifests.values() for file in shard.files)
    manifests = (folder / SET_MANIFEST).stat().st_size + sum(e.manifest.bytes for e in manifest.shards)
    height, width = manifest.settings.geometry.canvas
    decoded = height * width * sum(len(shard.samples.keys) for shard in loaded.manifests.values())
    built = _built(folder)
    return Contents(
        fingerprint=manifest.fingerprint,
        samples=sum(manifest.splits.values()),
        splits=manifest.splits,
        variants=manifest.stored - sum(manifest.splits.values()),
        shards=len(manifest.shards),
        bytes=StoredBytes(
            members["image"], members["maps"], members["meta"], files - members.total(), manifests
        ),
        image_ratio=_ratio(3 * decoded, members["image"]),
        maps_ratio=_ratio(4 * decoded, members["maps"]),
        quarantined=dict(Counter(map(_reason, manifest.quarantined)).most_common()),
        built=built,
        age_s=None if built is None else now - calendar.timegm(time.strptime(built, TIME)),
    )


def _ratio(decoded: int, stored: int) -> float | None:
    return round(decoded / stored, 2) if stored else None


def _built(folder: Place) -> str | None:
    built = (read_provenance(folder) or {}).get("time")
    try:
        time.strptime(built or "", TIME)
    except (ValueError, TypeError):
        return None
    return built


def _reason(row: Quarantined) -> str:
    kind = _FIRST_BYTES.sub("otherwise", row.reason.replace(row.key, "..."))
    return _PARTICULARS.sub("...", kind)


def _problems(folder: Place, loaded: LoadedShards) -> tuple[Problem, ...]:
    files = (file for shard in loaded.manifests.values() for file in shard.files)
    return sort_problems([*loaded.problems, *check_sizes(folder, files)])


def _with_broken(problems: tuple[Problem, ...], broken: Sequence[str]) -> tuple[Problem, ...]:
    """Add the shards that are of the right size and yet do not hold the bytes that were written."""
    known = {problem.path.partition(".")[0] for problem in problems}
    paths = (f"{SHARD_FOLDER}/{name}" for name in broken)
    unlike = [Problem("damaged", path, None, _WRITTEN, "others") for path in paths if path not in known]
    return sort_problems([*problems, *unlike])
