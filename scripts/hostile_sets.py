"""Hostile cases for what reads sets: manifests and data whose checksums all hold, and that are wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile_cases import Ground
from hostile_values import Rng, altered, json_bytes, mutated, written
from made_set import made_sample, make_set

from formats.checks.sets import verify_set
from formats.checks.verified import last_verification
from formats.diff import compare_paths
from formats.diff_text import as_json, human_text
from formats.errors import DamageError
from formats.fingerprint import canonical, sha256
from formats.manifest import CHECKSUM_HEAD
from formats.manifest_files import load_set_manifest, load_shard_manifest, read_set_manifest
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from formats.storage import crc32c
from pipeline.stat_cache import STAT_CACHE, StatCache

ENCODINGS = {
    "tar": EncodingSpec(container="tar"),
    "tar_lz4": EncodingSpec(container="tar", image="lz4", maps="planes"),
    "zarr": EncodingSpec(container="zarr"),
    "zarr_raw": EncodingSpec(container="zarr", image="raw", maps="planes"),
}


def lay_sets(folder: Path) -> None:
    """Write the sets that cases change copies of."""
    for name, encoding in ENCODINGS.items():
        samples = [made_sample(number, (96, 64)) for number in range(2)]
        make_set(folder / "sets" / name, samples, encoding=encoding, canvas=(96, 64))


def sealed(values: Any) -> bytes:
    """Return values as a manifest whose checksum holds, canonical where they can be."""
    plain = (
        {key: value for key, value in values.items() if key != "checksum"} if isinstance(values, dict) else {}
    )
    try:
        body = canonical(plain)
    except (ValueError, RecursionError):
        body = written(plain)
    rest = b'",' + body[1:]
    return CHECKSUM_HEAD + sha256(rest).encode() + rest


def manifest_case(rng: Rng, ground: Ground) -> str:
    """Load a manifest that is damaged, or wrong under a checksum that holds."""
    folder = ground.folder / "sets" / str(rng.choice(list(ENCODINGS)))
    whole = bool(rng.random() < 0.5)
    path = folder / ("manifest.json" if whole else read_set_manifest(folder).shards[0].manifest.path)
    data, kind = path.read_bytes(), rng.integers(4)
    if kind == 0:
        data = mutated(rng, data)
    elif kind == 1:
        data = json_bytes(rng, json.loads(data))
    else:
        values = json.loads(data)
        for _ in range(rng.integers(1, 3)):
            values = altered(rng, values)
        data = sealed(values)
    (load_set_manifest if whole else load_shard_manifest)(data, "fuzz").dump()
    return "used"


def set_case(rng: Rng, ground: Ground) -> str:
    """Read, verify and compare a set that is wrong under checksums that hold."""
    pristine = ground.folder / "sets" / str(rng.choice(list(ENCODINGS)))
    folder = ground.folder / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine, folder)
    if rng.random() < 0.5:
        _change_data(rng, folder)
    else:
        _change_manifest(rng, folder)
    verify_set(folder, deep=True).human_text()
    compared = compare_paths(pristine, folder)
    json.dumps(as_json(compared)), human_text(compared)
    return read_all(folder)


def read_all(folder: Path) -> str:
    """Decode every sample; a damaged one is as good as a whole one, as long as it is said."""
    opened, damaged = ShardSet(folder), 0
    for number in range(len(opened)):
        for read in (opened.image, opened.maps, opened.meta):
            try:
                read(number)
            except DamageError:
                damaged += 1
    return "DamageError" if damaged else "used"


def _change_manifest(rng: Rng, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = manifest["shards"][0]
    if rng.random() < 0.3:
        (folder / "manifest.json").write_bytes(sealed(altered(rng, manifest)))
        return
    path = folder / entry["manifest"]["path"]
    shard = json.loads(path.read_bytes())
    place = str(rng.choice(["samples", "files", "members", "quarantined", "name"]))
    if place == "members":
        members = shard["samples"]["members"]
        name = str(rng.choice(list(members)))
        members[name] = altered(rng, members[name])
    else:
        shard[place] = altered(rng, shard[place])
    _store(folder, manifest, shard)


def _store(folder: Path, manifest: Any, shard: Any) -> None:
    data = sealed(shard)
    entry = manifest["shards"][0]
    (folder / entry["manifest"]["path"]).write_bytes(data)
    entry["manifest"] |= {"bytes": len(data), "sha256": sha256(data)}
    (folder / "manifest.json").write_bytes(sealed(manifest))


def _change_data(rng: Rng, folder: Path) -> None:
    """Change a member's bytes, or the container around it, and mend every checksum."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    shard = json.loads((folder / manifest["shards"][0]["manifest"]["path"]).read_bytes())
    members = shard["samples"]["members"]
    name, row = str(rng.choice(list(members))), int(rng.integers(2))
    number = members[name]["file"] if rng.random() < 0.8 else int(rng.integers(len(shard["files"])))
    file = shard["files"][number]
    data = bytearray((folder / file["path"]).read_bytes())
    start, size = members[name]["offset"][row], members[name]["bytes"][row]
    if rng.random() < 0.7 and number == members[name]["file"]:
        changed = mutated(rng, bytes(data[start : start + size]))[:size].ljust(size, b"\0")
        data[start : start + size] = changed
    else:
        data = bytearray(mutated(rng, bytes(data)))
    for member in members.values():
        if member["file"] == number:
            places = zip(member["offset"], member["bytes"], strict=True)
            member["crc32c"] = [crc32c(bytes(data[at : at + length])) for at, length in places]
    (folder / file["path"]).write_bytes(data)
    file |= {"bytes": len(data), "sha256": sha256(bytes(data))}
    _store(folder, manifest, shard)


def note_case(rng: Rng, ground: Ground) -> str:
    """Read the notes beside a set: what is damaged there must cost time only."""
    folder = ground.folder / "notes"
    folder.mkdir(exist_ok=True)
    plain = {"/a": [1, 2, "x", 4], "time": "2026-11-23T04:10:00Z", "deep": True, "problems": {"missing": 1}}
    body = json_bytes(rng, plain)
    cached = sha256(body).encode() + b"\n" + body if rng.random() < 0.3 else mutated(rng, body)
    (folder / STAT_CACHE).write_bytes(cached)
    (folder / ".verified.json").write_bytes(body)
    cache = StatCache(folder)
    page = ground.root / "train/page_0.jpg"
    assert cache.image(page).sha256 == sha256(page.read_bytes())
    last_verification(folder)
    return "used"


CASES: dict[str, Callable[[np.random.Generator, Ground], str]] = {
    "manifest": manifest_case,
    "set": set_case,
    "note": note_case,
}
WEIGHTS = {"manifest": 3, "set": 2, "note": 1}
