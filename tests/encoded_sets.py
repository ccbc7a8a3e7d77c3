"""Small sets in every encoding, written by hand: for the tests of what reads, checks and compares sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from made_set import made_sample, make_set

from formats.fingerprint import Fingerprint, sha256
from formats.manifest import SET_MANIFEST, FileRecord, SetManifest, ShardManifest, source_part
from formats.manifest_files import load_shard_manifest, read_set_manifest
from formats.sample import Sample
from formats.spec import EncodingSpec

CANVAS = (96, 64)
KEYS = {
    "train": ["__set__/x.jpg", "a.jpg", "a.png", "b c/ü%2E.tar.gz"],
    "test": ["a/0.jpg", "z" * 120 + "/page.jpg"],
}
"""Keys that a careless naming would skip, collide, split or cut."""
ENCODINGS = [
    EncodingSpec(container=container, maps=maps, image=image)
    for container, maps, image in product(("tar", "zarr"), ("distance", "planes"), ("jpeg", "lz4", "raw"))
    if (container, image) != ("zarr", "lz4")
]


@dataclass(frozen=True)
class MadeSet:
    """A set on disk and the samples it was made of, in the order a reader counts them."""

    folder: Path
    samples: tuple[Sample, ...]
    encoding: EncodingSpec


def made_samples() -> list[Sample]:
    keyed = [(split, key) for split in sorted(KEYS) for key in sorted(KEYS[split])]
    return [
        replace(sample, meta=replace(sample.meta, key=key))
        for number, (split, key) in enumerate(keyed)
        for sample in [made_sample(number, CANVAS, split=split)]
    ]


def write_set(folder: Path, encoding: EncodingSpec, **more: Any) -> MadeSet:
    samples = more.pop("samples", None) or made_samples()
    make_set(folder, samples, encoding=encoding, canvas=CANVAS, **more)
    shards = load_shards(folder)
    rewrite(folder, parts={"source": source_part(shards)})
    return MadeSet(folder, tuple(samples), encoding)


def load_shards(folder: Path) -> list[ShardManifest]:
    paths = [folder / entry.manifest.path for entry in read_set_manifest(folder).shards]
    return [load_shard_manifest(path.read_bytes(), path.name) for path in paths]


def rewrite_shard(folder: Path, shard: ShardManifest) -> None:
    """Put another manifest of a shard in place, and record it in the set's manifest."""
    old, data = read_set_manifest(folder), shard.dump()
    entries = [
        entry.model_copy(
            update={
                "manifest": FileRecord(path=entry.manifest.path, bytes=len(data), sha256=sha256(data)),
            }
        )
        if entry.name == shard.name
        else entry
        for entry in old.shards
    ]
    path = next(entry.manifest.path for entry in entries if entry.name == shard.name)
    (folder / path).write_bytes(data)
    rewrite(folder, shards=entries)


def rewrite(folder: Path, *, parts: dict[str, str] | None = None, **fields: Any) -> SetManifest:
    """Change fields of a set's manifest as a build that errs would, fingerprint and checksum in order."""
    old = read_set_manifest(folder)
    all_parts = {**old.parts, **(parts or {})}
    fields |= {"parts": all_parts, "fingerprint": Fingerprint(all_parts).whole}
    new = old.model_copy(update=fields)
    (folder / SET_MANIFEST).write_bytes(new.dump())
    return new
