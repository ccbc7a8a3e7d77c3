"""What of a set already stands on disk, and may be believed; the lock on its folder; what to sweep away."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from formats.errors import SetError, TextshardsError
from formats.fingerprint import sha256
from formats.manifest import (
    SHARD_FOLDER,
    SetManifest,
    ShardManifest,
    load_shard_manifest,
    read_set_manifest,
)
from formats.storage import PARTIAL, crc32c, inside
from pipeline.plan import PlannedShard
from pipeline.stat_cache import StatCache

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one build; the lock goes with the process, however it ends.

    Raises:
        TextshardsError: another build holds it; names that build.
    """
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TextshardsError(
                f"{folder} is being built by another process",
                found=file.read().strip() or "a build that has just begun",
                next_step="wait until it has finished, or stop it, then run the command again",
            ) from None
        file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def old_manifest(folder: Path) -> SetManifest | None:
    """Return the manifest of the set in a folder, or None where there is none that can be read."""
    try:
        return read_set_manifest(folder)
    except SetError:
        return None


def standing_shard(
    folder: Path, planned: PlannedShard, old: SetManifest | None, cache: StatCache
) -> ShardManifest | None:
    """Return the manifest of a planned shard that stands whole on disk, or None.

    Its files are believed by size and time where the stat cache knows them, else by their SHA-256. A
    manifest that the set's manifest names must have the hash recorded there; one of an unfinished build must
    agree with every member's CRC-32C.
    """
    path = folder / SHARD_FOLDER / f"{planned.name}.json"
    try:
        data = path.read_bytes()
        manifest = load_shard_manifest(data, str(path))
    except (OSError, SetError):
        return None
    if manifest.inputs != planned.inputs or manifest.dump() != data:
        return None
    if not all(_holds(inside(folder, file.path), file.sha256, cache) for file in manifest.files):
        return None
    recorded = {entry.name: entry.manifest.sha256 for entry in old.shards} if old else {}
    if planned.name in recorded:
        return manifest if recorded[planned.name] == sha256(data) else None
    return manifest if _members_hold(folder, manifest) else None


def _holds(path: Path, expected: str, cache: StatCache) -> bool:
    try:
        return cache.sha256(path) == expected
    except OSError:
        return False


def _members_hold(folder: Path, manifest: ShardManifest) -> bool:
    for member in manifest.samples.members.values():
        content = memoryview(inside(folder, manifest.files[member.file].path).read_bytes())
        rows = zip(member.offset, member.bytes, member.crc32c, strict=True)
        if any(crc32c(content[start : start + size]) != crc for start, size, crc in rows):
            return False
    return True


def sweep(folder: Path) -> None:
    """Remove what an interrupted build left half-written."""
    for path in half_written(folder):
        remove(path)


def half_written(folder: Path) -> list[Path]:
    """Return what an interrupted build left half-written."""
    places = (folder, folder / SHARD_FOLDER)
    return sorted(path for place in places for path in place.glob(f"*{PARTIAL}"))


def strangers(folder: Path, names: Set[str]) -> list[Path]:
    """Return what lies in a set's folder beside the shards of these names; manifests before their shards."""
    shards = folder / SHARD_FOLDER
    wanted = {f"{name}{suffix}" for name in names for suffix in (".json", ".tar", ".zarr")}
    found = [path for path in shards.iterdir() if path.name not in wanted] if shards.is_dir() else []
    found += [path for path in half_written(folder) if path not in found]
    return sorted(found, key=lambda path: (path.suffix != ".json", path.name))


def total_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
