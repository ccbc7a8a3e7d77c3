"""A whole verification: the files of a set, its manifests, and on demand every sample."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from formats.checks.containers import check_container
from formats.checks.files import check_files, check_manifests, extra_files, load_shards
from formats.checks.problems import Problem, VerifyReport, sort_problems
from formats.checks.samples import check_sample
from formats.codecs import member_names
from formats.commands import progress
from formats.disk import temporary_folder
from formats.errors import DamageError, SetError
from formats.manifest import SET_MANIFEST, FileRecord, SetManifest, ShardManifest
from formats.manifest_files import at_odds, read_set_manifest
from formats.places import Place
from formats.remote_path import RemotePath
from formats.shards import ShardSet
from formats.storage import inside

BATCH = 16
"""Samples that a thread takes at once: a million tasks of one each would fill a gigabyte."""


@dataclass(frozen=True)
class _Looked:
    """What was looked at: the problems found, the files that were hashed, the number of samples decoded."""

    problems: list[Problem]
    hashed: list[FileRecord]
    decoded: int = 0


def verify_set(folder: Place, *, deep: bool = False) -> VerifyReport:
    """Verify a set.

    Args:
        folder: the set's folder, or its prefix in object storage.
        deep: decode every sample as well.

    Raises:
        SetError: there is no set in the folder, or it is of another format or version: it cannot be judged.
    """
    started = time.monotonic()
    try:
        manifest = read_set_manifest(folder)
    except DamageError as error:
        problem = Problem("damaged", SET_MANIFEST, None, error.expected, error.found)
        return VerifyReport(str(folder), deep, 0, 0, 0, 0, 0, _since(started), (problem,))
    loaded = load_shards(folder, manifest)
    looked = (
        _look_deep_afar(folder, manifest, loaded.manifests)
        if deep and isinstance(folder, RemotePath)
        else _look(folder, manifest, loaded.manifests, deep=deep)
    )
    problems = loaded.problems + looked.problems
    problems += check_manifests(folder, manifest, loaded.manifests)
    problems += extra_files(folder, manifest, loaded.manifests)
    hashed = _hashed((entry.manifest for entry in manifest.shards), loaded.problems) + looked.hashed
    return VerifyReport(
        folder=str(folder),
        deep=deep,
        shards=len(manifest.shards),
        samples=manifest.stored,
        files=len(hashed),
        bytes=sum(file.bytes for file in hashed),
        decoded=looked.decoded,
        seconds=_since(started),
        problems=sort_problems(problems),
    )


def _hashed(files: Iterable[FileRecord], problems: list[Problem]) -> list[FileRecord]:
    """Return the files that were hashed: not those found missing, unreadable or of another size."""
    unread = {p.path for p in problems if p.kind == "missing" or (p.kind == "damaged" and not _by_hash(p))}
    return [file for file in files if file.path not in unread]


def _by_hash(problem: Problem) -> bool:
    return problem.expected.startswith("SHA-256")


def _look(folder: Place, manifest: SetManifest, shards: dict[str, ShardManifest], *, deep: bool) -> _Looked:
    """Hash the files of shards, and with `deep` decode what is in them: of a folder on a disk alone."""
    files = [file for shard in shards.values() for file in shard.files]
    with progress(sum(file.bytes for file in files), "hashing bytes") as shown:
        damage = check_files(folder, files, shown)
    hashed = _hashed(files, damage)
    if not deep or not isinstance(folder, Path):
        return _Looked(damage, hashed)
    problems, decoded = _look_deep(folder, manifest, shards, damage)
    return _Looked(damage + problems, hashed, decoded)


def _look_deep_afar(folder: RemotePath, manifest: SetManifest, shards: dict[str, ShardManifest]) -> _Looked:
    """Fetch a shard at a time into a scratch folder, and look at it there: each byte travels once."""
    problems: list[Problem] = []
    hashed: list[FileRecord] = []
    decoded = 0
    entries = {entry.name: entry for entry in manifest.shards}
    for name, shard in shards.items():
        with TemporaryDirectory(prefix="textshards-", dir=temporary_folder()) as scratch_name:
            scratch = Path(scratch_name)
            (scratch / SET_MANIFEST).write_bytes(manifest.dump())
            for path in (entries[name].manifest.path, *(file.path for file in shard.files)):
                local = inside(scratch, path)
                local.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    inside(folder, path).download(local)
            looked = _look(scratch, manifest, {name: shard}, deep=True)
            problems += looked.problems
            hashed += looked.hashed
            decoded += looked.decoded
    return _Looked(problems, hashed, decoded)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _look_deep(
    folder: Path, manifest: SetManifest, shards: dict[str, ShardManifest], damage: list[Problem]
) -> tuple[list[Problem], int]:
    """Check the containers of undamaged shards, and every sample of those that can be opened; count these.

    Those are the shards whose files all have their size, and whose manifests are those that their entries
    mean, with an index of what the encoding stores.
    """
    settings = manifest.settings
    changed = {problem.path for problem in damage}
    problems: list[Problem] = []
    for shard in shards.values():
        if changed.isdisjoint(file.path for file in shard.files):
            problems += check_container(folder, shard, settings)
    members = {*member_names(settings.geometry.canvas, settings.encoding)}
    entries = {entry.name: entry for entry in manifest.shards}
    whole = {
        name: shard
        for name, shard in shards.items()
        if set(shard.samples.members) == members
        and not at_odds(entries[name], shard)
        and all(_has_size(folder, file) for file in shard.files)
    }
    opened = ShardSet(folder, names=whole, variants=True)

    def check(numbers: range) -> list[Problem]:
        names = (opened.locate(number)[0].name for number in numbers)
        found = (check_sample(opened, n, whole[name]) for n, name in zip(numbers, names, strict=True))
        return [problem for problems in found for problem in problems]

    count = len(opened)
    batches = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    with (
        progress(count, "decoding samples") as shown,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for batch, found in zip(batches, pool.map(check, batches), strict=True):
            problems += found
            shown.advance(len(batch))
    return problems, count


def _has_size(folder: Path, file: FileRecord) -> bool:
    try:
        return inside(folder, file.path).stat().st_size == file.bytes
    except (OSError, SetError):
        return False
