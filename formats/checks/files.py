"""The quick verification: manifests against each other, and every file against its size and SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from formats.checks.problems import Problem
from formats.codecs import member_names
from formats.commands import Progress
from formats.errors import DamageError, SetError
from formats.fingerprint import sha256
from formats.manifest import (
    QUARANTINE,
    SET_MANIFEST,
    SHARD_FOLDER,
    FileRecord,
    SetManifest,
    ShardEntry,
    ShardManifest,
    shard_inputs,
    source_part,
    variant_inputs,
)
from formats.manifest_files import at_odds, load_shard_manifest, read_set_manifest
from formats.places import Place
from formats.remote_path import RemotePath
from formats.remote_set import REQUESTS, read_each
from formats.storage import PARTIAL, inside

NAMED_MANIFESTS = "manifest-*.json"
"""How object storage calls the manifests of a set's versions, each by its fingerprint."""


@dataclass(frozen=True)
class LoadedShards:
    """The shards' manifests that could be read, by the shard's name, and the problems met on the way."""

    manifests: dict[str, ShardManifest]
    problems: list[Problem]


def load_shards(folder: Place, manifest: SetManifest) -> LoadedShards:
    """Read every shard's manifest that a set names and check it against its entry there."""
    loaded = LoadedShards({}, [])
    for entry, read in zip(manifest.shards, read_each(folder, manifest.shards), strict=True):
        path = entry.manifest.path
        try:
            data = read()
        except OSError as error:
            loaded.problems.append(_unreadable(entry.manifest, error))
            continue
        except DamageError as error:
            loaded.problems.append(Problem("damaged", path, None, error.expected, error.found))
            continue
        except SetError as error:
            loaded.problems.append(Problem("inconsistent", SET_MANIFEST, None, error.expected, error.thing))
            continue
        problem = _differs(entry.manifest, len(data), sha256(data))
        if problem is not None:
            loaded.problems.append(problem)
            continue
        try:
            loaded.manifests[entry.name] = load_shard_manifest(data, path)
        except SetError as error:
            loaded.problems.append(Problem("inconsistent", path, None, error.expected, error.found))
    return loaded


def check_files(folder: Place, files: Sequence[FileRecord], shown: Progress) -> list[Problem]:
    """Check the size and the SHA-256 of files, on all cores."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        problems = []
        for record, problem in zip(files, pool.map(lambda file: _check(folder, file), files), strict=True):
            problems += [problem] if problem is not None else []
            shown.advance(record.bytes)
    return problems


def hash_file(path: Place) -> str:
    """Return the SHA-256 of a file or an object, in hexadecimal, read piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    if not isinstance(path, RemotePath):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for piece in path.pieces():
        whole.update(piece)
    return whole.hexdigest()


def check_sizes(folder: Place, files: Iterable[FileRecord]) -> list[Problem]:
    """Check that files are there and of their size: what can be told without reading them."""
    with ThreadPoolExecutor(REQUESTS) as pool:
        each = pool.map if isinstance(folder, RemotePath) else map
        problems = list(each(lambda record: _check(folder, record, hashed=False), files))
    return [problem for problem in problems if problem is not None]


def _check(folder: Place, record: FileRecord, *, hashed: bool = True) -> Problem | None:
    try:
        path = inside(folder, record.path)
        size = path.stat().st_size
        if size != record.bytes or not hashed:
            return _differs(record, size, record.sha256)
        return _differs(record, size, hash_file(path))
    except OSError as error:
        return _unreadable(record, error)
    except DamageError as error:
        return Problem("damaged", record.path, None, error.expected, error.found)
    except SetError as error:
        return Problem("inconsistent", record.path, None, error.expected, error.thing)


def _differs(record: FileRecord, size: int, digest: str) -> Problem | None:
    if size != record.bytes:
        return Problem("damaged", record.path, None, f"{record.bytes} bytes", f"{size} bytes")
    if digest != record.sha256:
        return Problem(
            "damaged", record.path, None, f"SHA-256 {record.sha256[:16]}...", f"SHA-256 {digest[:16]}..."
        )
    return None


def _unreadable(record: FileRecord, error: OSError) -> Problem:
    """Return the problem of a file that cannot be read.

    Raises:
        PermissionError: it may not be: what it holds cannot be told.
    """
    if isinstance(error, PermissionError):
        raise error
    if isinstance(error, FileNotFoundError):
        return Problem("missing", record.path)
    return Problem("damaged", record.path, None, "a file that can be read", error.strerror or str(error))


def extra_files(folder: Place, manifest: SetManifest, shards: dict[str, ShardManifest]) -> Iterator[Problem]:
    """Find files in the folder of shards that no manifest names, and half-written ones anywhere.

    Files of a shard whose manifest cannot be read are not called extra, nor in object storage those of a
    former version: no build removes them there, since somebody may be reading it.
    """
    known = {entry.manifest.path for entry in manifest.shards}
    known |= {file.path for shard in shards.values() for file in shard.files}
    unread = {entry.name for entry in manifest.shards} - set(shards)
    kept = _former_shards(folder) - set(shards) if isinstance(folder, RemotePath) else set()
    for name in _files_of_shards(folder):
        shard = PurePosixPath(name).parts[1].rpartition(".")[0]
        if name not in known and shard not in unread | kept:
            yield Problem("extra", name)
    if not isinstance(folder, RemotePath):  # an object is never half-written
        for path in sorted(folder.glob(f"*{PARTIAL}")):
            yield Problem("extra", path.name)


def _former_shards(folder: RemotePath) -> set[str]:
    """Return the names of all shards of the versions of a set whose manifests object storage keeps."""
    names: set[str] = set()
    for path in folder.iterdir():
        if fnmatchcase(path.name, NAMED_MANIFESTS):
            with suppress(SetError, FileNotFoundError):  # without a manifest its shards are named by none
                names.update(entry.name for entry in read_set_manifest(folder, path.name).shards)
    return names


def _files_of_shards(folder: Place) -> list[str]:
    if isinstance(folder, RemotePath):
        return sorted(str(path.relative_to(folder)) for path in (folder / SHARD_FOLDER).rglob("*"))
    paths = sorted((folder / SHARD_FOLDER).rglob("*"))
    return [path.relative_to(folder).as_posix() for path in paths if not path.is_dir()]


def check_manifests(
    folder: Place, manifest: SetManifest, shards: dict[str, ShardManifest]
) -> Iterator[Problem]:
    """Check what the manifests say against each other and against the settings."""
    for entry in manifest.shards:
        if entry.name in shards:
            yield from _check_entry(manifest, entry, shards[entry.name])
    if len(shards) < len(manifest.shards):
        return
    keys = Counter((shard.variant, key) for shard in shards.values() for key in shard.samples.keys)
    for (_, key), count in keys.items():
        if count > 1:
            yield Problem("inconsistent", SET_MANIFEST, key, "every key once", f"in {count} shards")
    quarantined = [row for shard in shards.values() for row in shard.quarantined]
    listed = {(row.split, row.key, row.reason) for row in manifest.quarantined}
    for row in (row for row in quarantined if (row.split, row.key, row.reason) not in listed):
        yield Problem("inconsistent", SET_MANIFEST, row.key, "every quarantined sample", "not listed")
    if not quarantined and source_part(shards.values()) != manifest.parts["source"]:
        expected = f"part source {manifest.parts['source'][:27]}..."
        yield Problem("inconsistent", SET_MANIFEST, None, expected, "other samples in the shards")
    yield from _check_quarantine(folder, manifest)


def _check_entry(manifest: SetManifest, entry: ShardEntry, shard: ShardManifest) -> Iterator[Problem]:
    told = at_odds(entry, shard) | {
        "quarantined": (entry.quarantined, len(shard.quarantined)),
        "bytes": (entry.bytes, sum(file.bytes for file in shard.files)),
    }
    if not shard.quarantined:
        rows = list(zip(shard.samples.keys, shard.samples.sources, strict=True))
        variants = manifest.settings.variants
        variant = variant_inputs(variants, entry.variant) if entry.variant else None
        told["inputs of its samples"] = (
            entry.inputs,
            shard_inputs(manifest.parts, entry.split, rows, variant),
        )
    encoding = manifest.settings.encoding
    members = member_names(manifest.settings.geometry.canvas, encoding)
    told["members"] = (sorted(members), sorted(shard.samples.members))
    for name, (expected, found) in told.items():
        if expected != found:
            yield Problem("inconsistent", entry.manifest.path, None, f"{name} {expected}", str(found))


def _check_quarantine(folder: Place, manifest: SetManifest) -> Iterator[Problem]:
    path = folder / QUARANTINE
    if path.exists() and path.read_bytes() != b"".join(row.dump() + b"\n" for row in manifest.quarantined):
        expected = f"the {len(manifest.quarantined)} rows of {SET_MANIFEST}"
        yield Problem("inconsistent", QUARANTINE, None, expected, "others")
