"""Manifests as files: read, parsed, and refused where they are not what was written."""

from __future__ import annotations

import json
import shlex
from typing import Any, TypeVar

from pydantic import ValidationError

from formats.errors import DamageError, NoSetError, SetError
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
from formats.places import Place
from formats.remote_path import RemotePath
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
        values: dict[str, Any] = json.loads(data.decode())
        if b"\\u" in data:  # the one way to lone surrogates, which are no text
            json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        found, next_step = _no_json(data, error), f"{REPAIR}; or put the file back from a copy"
        raise DamageError(name, expected="a manifest in JSON", found=found, next_step=next_step) from None
    _check_kind(values, name, wanted)
    if not checksum_holds(data):
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found="its checksum does not hold: it is damaged, or was edited by hand",
            next_step=REPAIR,
        )
    del values["checksum"]
    return values


def _no_json(data: bytes, error: Exception) -> str:
    if not data.strip():
        return "an empty file"
    if data.startswith(CHECKSUM_HEAD) and not data.rstrip().endswith(b"}"):
        return f"that it is cut off after {len(data)} bytes"
    return f"no JSON: {error}"


def _check_kind(values: Any, name: str, wanted: str) -> None:
    """Refuse what is no manifest of this kind, or one of another version; see `load_set_manifest`."""
    known = values if isinstance(values, dict) else {}
    kind, version = known.get("format"), known.get("version")
    if kind is None:
        raise SetError(
            name,
            expected=f"a manifest: JSON of format {wanted!r}",
            found=f"{json.dumps(values)[:60]}, no manifest",
            next_step="check the path; a set's folder holds the manifests that pipeline.build wrote",
        )
    if (kind, version) != (wanted, FORMAT_VERSION):
        raise SetError(
            name,
            expected=f"format {wanted!r}, version {FORMAT_VERSION}",
            found=f"format {kind!r:.60}, version {version!r:.60}",
            next_step="a newer version needs a newer textshards; else build the set again",
        )


def checksum_holds(data: bytes) -> bool:
    """Tell whether a manifest begins with the checksum of its rest."""
    found = data[len(CHECKSUM_HEAD) : _CHECKSUM_END].decode("ascii", "replace")
    return data.startswith(CHECKSUM_HEAD) and sha256(memoryview(data)[_CHECKSUM_END:]) == found


def _validate(kind: type[Manifest], values: dict[str, Any], name: str) -> Manifest:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found=_in_words(error.errors()[0]),
            next_step=REPAIR,
        ) from None


def _in_words(problem: Any) -> str:
    """Return what is wrong with a field, without the words of the validator."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"no field {where}"
    if problem["type"] == "extra_forbidden":
        return f"a field {where} that no manifest has"
    if problem["type"] in ("less_than", "greater_than_equal"):
        return f"{where} {problem['input']!r:.40}, out of range"
    message: str = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {problem['input']!r:.40}, which {message}"


def read_set_manifest(folder: Place, name: str = SET_MANIFEST) -> SetManifest:
    """Read the manifest of the set in a folder.

    Raises:
        NoSetError: there is none.
        SetError: it is of another format or version.
        DamageError: it is damaged.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_set(folder, name, error) from None
    return load_set_manifest(data, str(path))


def _no_set(folder: Place, name: str, error: OSError) -> NoSetError:
    if isinstance(error, PermissionError):
        return NoSetError(
            str(folder / name),
            expected="a set's manifest that you may read",
            found=error.strerror or str(error),
            next_step="mend its permissions, or those of the folders above it",
        )
    partial = (folder / SHARD_FOLDER).is_dir()
    # Of folders only: a listing of a bucket may be long.
    listed = [] if isinstance(folder, RemotePath) else folder.glob(f"*/{SET_MANIFEST}")
    below = sorted(str(path.parent) for path in listed)
    found = error.strerror or str(error)
    next_step = f"run python -m pipeline.build --config FILE --out {shlex.quote(str(folder))}"
    if partial:
        found = "an unfinished build"
    elif below:
        next_step = f"did you mean {' or '.join(below[:3])}?"
    elif not isinstance(folder, RemotePath) and folder.is_dir() and any(folder.iterdir()):
        found = "a folder of other files"
        next_step = "name a set's folder: the one that python -m pipeline.build was given as --out"
    return NoSetError(f"no set of shards in {folder}", expected=name, found=found, next_step=next_step)


def read_shard_manifest(folder: Place, entry: ShardEntry) -> ShardManifest:
    """Read the manifest of a shard that a set's manifest names, and check that it is the one meant.

    Raises:
        SetError: there is none.
        DamageError: it is another than was written.
    """
    path = inside(folder, entry.manifest.path, SET_MANIFEST)
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
