"""Manifests as files: read, parsed, and refused where they are not what was written."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from formats.errors import DamageError, SetError
from formats.fingerprint import sha256
from formats.manifest import (
    CHECKSUM_HEAD,
    FORMAT_VERSION,
    REPAIR,
    SET_MANIFEST,
    SHARD_FOLDER,
    SetManifest,
    ShardEntry,
    ShardManifest,
)
from formats.places import Place, RemotePath
from formats.storage import inside, missing_file

_CHECKSUM_END = len(CHECKSUM_HEAD) + 64


def load_set_manifest(data: bytes, name: str) -> SetManifest:
    """Parse a set's manifest.

    Raises:
        SetError: of another format or a newer version.
        DamageError: not the JSON that was written.
    """
    return _validate(SetManifest, _parse(data, name, "textshards-set"), name)


def load_shard_manifest(data: bytes, name: str) -> ShardManifest:
    """Parse a shard's manifest; see `load_set_manifest`."""
    return _validate(ShardManifest, _parse(data, name, "textshards-shard"), name)


Manifest = TypeVar("Manifest", SetManifest, ShardManifest)


def _parse(data: bytes, name: str, wanted: str) -> dict[str, Any]:
    try:
        values = json.loads(data.decode())
        if b"\\u" in data:  # the one way to lone surrogates, which are no text
            json.dumps(values, ensure_ascii=False).encode()
        found = (values.get("format"), values.get("version")) if isinstance(values, dict) else (None, None)
    except (ValueError, RecursionError) as error:
        raise DamageError(name, expected="a manifest in JSON", found=str(error)) from None
    if found != (wanted, FORMAT_VERSION) or not isinstance(values, dict):
        raise SetError(
            name,
            expected=f"format {wanted!r}, version {FORMAT_VERSION}",
            found=f"format {found[0]!r:.60}, version {found[1]!r:.60}",
            next_step="a newer version needs a newer textshards; else build the set again",
        )
    if not checksum_holds(data):
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found="its checksum does not hold: it is damaged, or was edited by hand",
            next_step=REPAIR,
        )
    del values["checksum"]
    return values


def checksum_holds(data: bytes) -> bool:
    """Tell whether a manifest begins with the checksum of its rest."""
    found = data[len(CHECKSUM_HEAD) : _CHECKSUM_END].decode("ascii", "replace")
    return data.startswith(CHECKSUM_HEAD) and sha256(memoryview(data)[_CHECKSUM_END:]) == found


def _validate(kind: type[Manifest], values: dict[str, Any], name: str) -> Manifest:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole"
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found=f"{where}: {problem['msg']}",
            next_step=REPAIR,
        ) from None


def read_set_manifest(folder: Place, name: str = SET_MANIFEST) -> SetManifest:
    """Read the manifest of the set in a folder.

    Raises:
        SetError: there is none, or it is of another format or version.
        DamageError: it is damaged.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_set(folder, name, error) from None
    return load_set_manifest(data, str(path))


def _no_set(folder: Place, name: str, error: OSError) -> SetError:
    partial = (folder / SHARD_FOLDER).is_dir()
    # Of folders only: a listing of a bucket may be long.
    listed = [] if isinstance(folder, RemotePath) else folder.glob(f"*/{SET_MANIFEST}")
    below = sorted(str(path.parent) for path in listed)
    found, next_step = (
        error.strerror or str(error),
        f"run python -m pipeline.build --config FILE --out {folder}",
    )
    if partial:
        found = "an unfinished build"
    elif below:
        next_step = f"did you mean {' or '.join(below[:3])}?"
    elif not isinstance(folder, RemotePath) and folder.is_dir() and any(folder.iterdir()):
        found = "a folder of other files"
        next_step = "name a set's folder: the one that python -m pipeline.build was given as --out"
    return SetError(f"no set of shards in {folder}", expected=name, found=found, next_step=next_step)


def read_shard_manifest(folder: Place, entry: ShardEntry) -> ShardManifest:
    """Read the manifest of a shard that a set's manifest names, and check that it is the one meant.

    Raises:
        SetError: there is none.
        DamageError: it is another than was written.
    """
    path = inside(folder, entry.manifest.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise missing_file(path, error) from None
    return check_shard_manifest(data, entry, str(path))


def check_shard_manifest(data: bytes, entry: ShardEntry, name: str) -> ShardManifest:
    """Parse a shard's manifest, and check that it is the one that its entry means.

    Raises:
        SetError: of another format or a newer version.
        DamageError: it is another than was written.
    """
    if len(data) != entry.manifest.bytes or sha256(data) != entry.manifest.sha256:
        raise DamageError(
            name,
            expected=f"{entry.manifest.bytes} bytes as recorded in the set's manifest",
            found=f"{len(data)} bytes of another content",
            next_step=REPAIR,
        )
    shard = load_shard_manifest(data, name)
    for field, (expected, found) in at_odds(entry, shard).items():
        raise DamageError(
            name,
            expected=f"{field} {expected}, as the set's manifest says of shard {entry.name}",
            found=f"{field} {found}",
            next_step=REPAIR,
        )
    return shard


def at_odds(entry: ShardEntry, shard: ShardManifest) -> dict[str, tuple[object, object]]:
    """Return the fields in which a shard is another than its entry means, each with what both say."""
    told: dict[str, tuple[object, object]] = {
        "name": (entry.name, shard.name),
        "split": (entry.split, shard.split),
        "variant": (entry.variant, shard.variant),
        "inputs": (entry.inputs, shard.inputs),
        "samples": (entry.samples, len(shard.samples.keys)),
    }
    return {field: pair for field, pair in told.items() if pair[0] != pair[1]}
