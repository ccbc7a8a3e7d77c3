"""What of a set already stands on disk, and may be believed; the lock on its folder; what to sweep away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from formats import folder_lock
from formats.checks.files import NAMED_MANIFESTS, extra_files
from formats.checks.verified import last_verification
from formats.disk import disk_error, writing
from formats.errors import DamageError, SetError, TextshardsError, UsageError
from formats.fingerprint import sha256
from formats.manifest import (
    CHECKSUM_HEAD,
    SET_MANIFEST,
    SHARD_FOLDER,
    SetManifest,
    ShardEntry,
    ShardManifest,
    named_manifest,
)
from formats.manifest_files import checksum_holds, load_set_manifest, load_shard_manifest
from formats.places import Place, name_below
from formats.remote_path import RemotePath
from formats.remote_set import REQUESTS
from formats.storage import PARTIAL, inside
from pipeline.plan import PlannedShard
from pipeline.shard_job import Shard, shard_entry
from pipeline.stat_cache import StatCache


def make_folder(folder: Place) -> None:
    """Make a set's folder; in object storage there is nothing to make, and a build removes nothing.

    Raises:
        UsageError: it cannot be made, or what lies in it is not a build's: a build would remove it.
    """
    if isinstance(folder, RemotePath):
        return
    with writing(folder):
        others = _foreign(folder) if folder.is_dir() else []
        if others:
            raise UsageError(
                f"output folder {folder}",
                expected="an empty folder, or one that holds a set",
                found=f"{', '.join(others[:4])}{', ...' * (len(others) > 4)} that no build has written",
                next_step=f"name another --out, for example {folder / 'set'}",
            )
        (folder / SHARD_FOLDER).mkdir(parents=True, exist_ok=True)


def _foreign(folder: Path) -> list[str]:
    """Return the names of what lies in a folder that is no set's; an empty folder of shards is a build's."""
    if any((folder / name).exists() for name in (folder_lock.LOCK, SET_MANIFEST)):
        return []
    shards = folder / SHARD_FOLDER
    begun = shards.is_dir() and not any(shards.iterdir())
    return sorted({path.name for path in folder.iterdir()} - ({SHARD_FOLDER} if begun else set()))


@contextmanager
def locked(folder: Place) -> Iterator[None]:
    """Hold the folder for one build; the lock goes with the process, however it ends.

    Object storage has no locks. Builds need none there: every name but the pointer's says what its bytes are,
    so that two builders write the same bytes under it, and none removes what another may have written
    (docs/decisions/0015).

    Raises:
        TextshardsError: another build holds it; names that build.
        UsageError: the folder cannot be written to.
    """
    if isinstance(folder, RemotePath):
        yield
        return
    with folder_lock.locked(folder, lambda said: _being_built(folder, said or "a build that has just begun")):
        yield


@contextmanager
def unlocked(folder: Place) -> Iterator[None]:
    """Look at a folder that nobody is building into; writes nothing and keeps nobody from it.

    Raises:
        TextshardsError: see `locked`.
    """
    holder = lock_holder(folder)
    if holder is not None:
        raise _being_built(folder, holder)
    yield


def _being_built(folder: Place, holder: str) -> TextshardsError:
    return TextshardsError(
        f"{folder} is being built by another process",
        found=holder,
        next_step="wait until it has finished, or stop it, then run the command again",
    )


def lock_holder(folder: Place) -> str | None:
    """Return who is building into a folder now, in the words of `locked`; None where nobody is."""
    return None if isinstance(folder, RemotePath) else folder_lock.holder(folder)


def old_manifest(folder: Place) -> SetManifest | None:
    """Return the manifest of the set in a folder; None where there is none, or a damaged one.

    Raises:
        UsageError: it is whole, but of another version, or no set's: not ours to replace; or not to be read.
    """
    path = folder / SET_MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, DamageError):
        return None
    except PermissionError as error:
        raise disk_error(error) from None
    try:
        return load_set_manifest(data, str(path))
    except DamageError:
        return None
    except SetError as error:
        if data.startswith(CHECKSUM_HEAD) and not checksum_holds(data):
            return None
        raise UsageError(
            error.thing,
            expected=f"{error.expected}, or no {SET_MANIFEST}",
            found=error.found,
            next_step=f"name another --out; if nobody needs this {SET_MANIFEST}, remove it",
        ) from None


def standing_shards(
    folder: Place,
    planned: Sequence[PlannedShard] | Sequence[ShardEntry],
    old: SetManifest | None,
    cache: StatCache,
) -> dict[str, Shard]:
    """Return, by name, those of some shards that stand whole on disk: of a plan, or of a set's manifest.

    A shard's manifest must be as it was written, by its own checksum and by the set's manifest where that
    names it. Its files are believed by size and time where the stat cache knows them, else by their SHA-256;
    objects by their size, since storage holds them whole or not at all. None is believed where a verification
    has found damage: a disk that loses bits keeps a file's time.

    Raises:
        UsageError: a file of one may not be read, so that nobody can tell.
    """
    noted = last_verification(folder)
    if noted is not None and not noted.problems.keys() <= {"extra"}:
        cache.distrust(folder / SHARD_FOLDER)
    recorded = {entry.name: entry.manifest.sha256 for entry in old.shards} if old else {}
    with ThreadPoolExecutor(REQUESTS) as pool:
        each = pool.map if isinstance(folder, RemotePath) else map
        found = each(lambda shard: _standing(folder, shard, recorded.get(shard.name), cache), planned)
        return {shard.entry.name: shard for shard in found if shard is not None}


def _standing(
    folder: Place, planned: PlannedShard | ShardEntry, recorded: str | None, cache: StatCache
) -> Shard | None:
    path = folder / SHARD_FOLDER / f"{planned.name}.json"
    try:
        data = path.read_bytes()
        if recorded not in (None, sha256(data)):
            return None
        manifest = load_shard_manifest(data, str(path))
        if (manifest.name, manifest.inputs) != (planned.name, planned.inputs):
            return None
        for file in manifest.files:
            if cache.sha256_of(inside(folder, file.path), file) != file.sha256:
                return None
    except PermissionError as error:  # it may well stand: what cannot be told is no reason to make it again
        raise disk_error(error) from None
    except (OSError, SetError):
        return None
    return Shard(manifest, shard_entry(manifest, data))


def sweep(folder: Place) -> None:
    """Remove what an interrupted build left half-written."""
    for path in half_written(folder):
        remove(path)


def half_written(folder: Place) -> list[Place]:
    """Return what an interrupted build left half-written."""
    if isinstance(folder, RemotePath):
        return []
    places = (folder, folder / SHARD_FOLDER)
    return sorted(path for place in places for path in place.glob(f"*{PARTIAL}"))


def strangers(folder: Place, names: Set[str]) -> list[Place]:
    """Return what lies in a set's folder beside the shards of these names; manifests before their shards."""
    shards: Place = folder / SHARD_FOLDER
    wanted = {f"{name}{suffix}" for name in names for suffix in (".json", ".tar", ".zarr")}
    found = [path for path in shards.iterdir() if path.name not in wanted] if shards.is_dir() else []
    found += [path for path in half_written(folder) if path not in found]
    found += _other_manifests(folder)
    return sorted(found, key=lambda path: (path.suffix != ".json", path.name))


def _other_manifests(folder: Place) -> list[Place]:
    """Return the manifests that object storage keeps of former versions; see `assemble._publish`."""
    if not isinstance(folder, RemotePath):
        return []
    manifest = old_manifest(folder)
    kept = {named_manifest(manifest)} if manifest else set()
    named = (path for path in folder.iterdir() if fnmatchcase(path.name, NAMED_MANIFESTS))
    return [path for path in named if path.name not in kept]


def orphans(folder: Place, manifest: SetManifest, shards: dict[str, ShardManifest]) -> list[Place]:
    """Return all that lies in a set's folder and that none of its manifests names: see `strangers`.

    Args:
        folder: the set's folder.
        manifest: the set's manifest.
        shards: the manifests of its shards by name; of a shard without one, no file is an orphan.
    """
    found = strangers(folder, {entry.name for entry in manifest.shards})
    extra = (folder / problem.path for problem in extra_files(folder, manifest, shards))
    return found + [path for path in extra if not any(_lies_in(path, whole) for whole in found)]


def _lies_in(path: Place, whole: Place) -> bool:
    try:
        name_below(path, whole)
    except ValueError:
        return False
    return True


def total_bytes(path: Place) -> int:
    """Return the size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(path: Place) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if isinstance(path, RemotePath):
        for file in (path, *path.rglob("*")):
            file.unlink(missing_ok=True)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
