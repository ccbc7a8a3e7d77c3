"""The deep verification of a shard's container: what plain tar and zarr readers go by, against the index."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from formats.checks.problems import Problem
from formats.codecs import plane_shapes
from formats.manifest import SetSettings, ShardManifest
from formats.storage import crc32c, inside
from formats.tar_shard import IMAGE_SUFFIX, member_name


def check_container(folder: Path, shard: ShardManifest, settings: SetSettings) -> Iterator[Problem]:
    """Check a shard's container against its index; all its files must be there."""
    path = shard.files[0].path
    try:
        if settings.encoding.container == "tar":
            yield from _check_tar(inside(folder, path), path, shard, settings)
        else:
            yield from _check_zarr(folder, shard, settings)
    except (OSError, ValueError, KeyError, TypeError, IndexError, tarfile.TarError) as error:
        yield Problem("inconsistent", path, None, f"a {settings.encoding.container} that opens", repr(error))


def _check_tar(path: Path, name: str, shard: ShardManifest, settings: SetSettings) -> Iterator[Problem]:
    suffixes = {
        "image": IMAGE_SUFFIX[settings.encoding.image],
        "maps": "maps.zst",
        "meta": "meta.json",
    }
    expected = [
        (key, (f"{member_name(key)}.{suffix}", column.offset[row], column.bytes[row]))
        for row, key in enumerate(shard.samples.keys)
        for member, suffix in suffixes.items()
        for column in [shard.samples.members[member]]
    ]
    with tarfile.open(path) as tar:
        found = [(info.name, info.offset_data, info.size) for info in tar]
    if len(found) != len(expected):
        yield Problem("inconsistent", name, None, f"{len(expected)} members", str(len(found)))
    for (key, wanted), there in zip(expected, found, strict=False):
        if wanted != there:
            yield Problem("inconsistent", name, key, f"member, offset, size {wanted}", str(there))


def _check_zarr(folder: Path, shard: ShardManifest, settings: SetSettings) -> Iterator[Problem]:
    import zarr  # a quarter of a second

    from formats.zarr_shard import ABSENT

    canvas = settings.geometry.canvas
    shapes = {"image": canvas, **plane_shapes(canvas, settings.encoding)}
    root = shard.files[0].path.partition(".zarr/")[0] + ".zarr"
    group: Any = zarr.open_group(inside(folder, root), mode="r")
    keys = shard.samples.keys
    if list(group.attrs["keys"]) != keys:
        yield Problem("inconsistent", f"{root}/zarr.json", None, "the keys of the index", "others")
    for name, member in shard.samples.members.items():
        path = shard.files[member.file].path
        array = group[name]
        if array.ndim == 1:
            starts = [int(start) for start in group[f"{name}_offsets"][:]]
            rows = list(zip(member.offset, member.bytes, strict=True))
            if [(a, b - a) for a, b in pairwise(starts)] != rows:
                yield Problem("inconsistent", path, None, f"{name}_offsets as in the index", "others")
            continue
        if array.shape[:3] != (len(keys), *shapes[name]):
            yield Problem("inconsistent", path, None, f"an array of {len(keys)} samples", str(array.shape))
        found = _chunk_index(inside(folder, path).read_bytes(), len(keys))
        for key, start, size, there in zip(keys, member.offset, member.bytes, found, strict=True):
            wanted = (start, size) if size else (ABSENT, ABSENT)
            if wanted != there:
                yield Problem("inconsistent", path, key, f"offset, size {wanted}", str(there))


def _chunk_index(data: bytes, chunks: int) -> list[tuple[int, int]]:
    """Parse the index at the end of a file of the sharding-indexed codec: (offset, size) a chunk."""
    index, crc = data[-16 * chunks - 4 : -4], struct.unpack("<I", data[-4:])[0]
    if crc32c(index) != crc:
        raise ValueError("the chunk index does not agree with its CRC-32C")
    return list(struct.iter_unpack("<QQ", index))
