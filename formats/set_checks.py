"""A whole verification: the files of a set, its manifests, and on demand every sample."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from formats.codecs import member_names
from formats.commands import progress
from formats.container_checks import check_container
from formats.errors import DamageError, SetError
from formats.file_checks import check_files, check_manifests, extra_files, load_shards
from formats.manifest import SET_MANIFEST, FileRecord, SetManifest, ShardManifest
from formats.manifest_files import at_odds, read_set_manifest
from formats.places import Place, RemotePath
from formats.problems import Problem, VerifyReport, sort_problems
from formats.sample_checks import check_sample
from formats.shards import ShardSet
from formats.storage import inside

BATCH = 16
"""Samples that a thread takes at once: a million tasks of one each would fill a gigabyte."""


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
        return VerifyReport(str(folder), deep, 0, 0, 0, 0, _since(started), (problem,))
    loaded = load_shards(folder, manifest)
    files = [file for shard in loaded.manifests.values() for file in shard.files]
    problems = loaded.problems + (
        _look_deep_afar(folder, manifest, loaded.manifests)
        if deep and isinstance(folder, RemotePath)
        else _look(folder, manifest, loaded.manifests, deep=deep)
    )
    problems += check_manifests(folder, manifest, loaded.manifests)
    problems += extra_files(folder, manifest, loaded.manifests)
    return _report(folder, deep, manifest, files, started, problems)


def _look(
    folder: Place, manifest: SetManifest, shards: dict[str, ShardManifest], *, deep: bool
) -> list[Problem]:
    """Hash the files of shards, and with `deep` decode what is in them: of a folder on a disk alone."""
    files = [file for shard in shards.values() for file in shard.files]
    with progress(sum(file.bytes for file in files), "hashing bytes") as shown:
        damage = check_files(folder, files, shown)
    if not deep or not isinstance(folder, Path):
        return damage
    return damage + _look_deep(folder, manifest, shards, damage)


def _look_deep_afar(
    folder: RemotePath, manifest: SetManifest, shards: dict[str, ShardManifest]
) -> list[Problem]:
    """Fetch a shard at a time into a scratch folder, and look at it there: each byte travels once."""
    problems: list[Problem] = []
    entries = {entry.name: entry for entry in manifest.shards}
    for name, shard in shards.items():
        with TemporaryDirectory(prefix="textshards-") as scratch_name:
            scratch = Path(scratch_name)
            (scratch / SET_MANIFEST).write_bytes(manifest.dump())
            for path in (entries[name].manifest.path, *(file.path for file in shard.files)):
                local = inside(scratch, path)
                local.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    inside(folder, path).download(local)
            problems += _look(scratch, manifest, {name: shard}, deep=True)
    return problems


def _report(
    folder: Place,
    deep: bool,
    manifest: SetManifest,
    files: list[FileRecord],
    started: float,
    problems: list[Problem],
) -> VerifyReport:
    every = [entry.manifest for entry in manifest.shards] + files
    return VerifyReport(
        folder=str(folder),
        deep=deep,
        shards=len(manifest.shards),
        samples=manifest.stored,
        files=len(every),
        bytes=sum(file.bytes for file in every),
        seconds=_since(started),
        problems=sort_problems(problems),
    )


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _look_deep(
    folder: Path, manifest: SetManifest, shards: dict[str, ShardManifest], damage: list[Problem]
) -> list[Problem]:
    """Check the containers of undamaged shards, and every sample of those that can be opened.

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
    return problems


def _has_size(folder: Path, file: FileRecord) -> bool:
    try:
        return inside(folder, file.path).stat().st_size == file.bytes
    except (OSError, SetError):
        return False
