"""A small set made by hand, on a disk and in object storage, byte for byte the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from made_set import made_sample, make_set

from formats.manifest_files import read_set_manifest, read_shard_manifest
from formats.remote_path import RemotePath
from formats.set_index import INDEX, pack_index
from formats.spec import EncodingSpec

CANVAS = (128, 96)


@dataclass(frozen=True)
class StoredSet:
    """The same set twice: in a folder and at a URL."""

    folder: Path
    place: RemotePath


def stored_set(
    root: Path, url: str, *, count: int = 12, container: str = "tar", index: bool = True, per_shard: int = 3
) -> StoredSet:
    """Make a set of `count` pages below a folder, and put its files below a URL, the manifest last."""
    folder = make_set(
        root / "set",
        [made_sample(number, CANVAS) for number in range(count)],
        encoding=EncodingSpec.model_validate({"container": container}),
        canvas=CANVAS,
        samples_per_shard=per_shard,
    )
    place = RemotePath(url)
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.name == "manifest.json"
    )
    for path in files:
        (place / path.relative_to(folder).as_posix()).upload(path)
    if index:
        manifest = read_set_manifest(folder)
        shards = (read_shard_manifest(folder, entry) for entry in manifest.shards)
        (place / INDEX).write_bytes(pack_index(shards))
    return StoredSet(folder, place)
