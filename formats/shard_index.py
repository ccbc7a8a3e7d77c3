"""The index of a shard as it is kept in memory: keys, files, and the places of its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.manifest import SHARD_FOLDER, ShardManifest
from formats.packed_keys import PackedKeys
from formats.places import Place
from formats.storage import inside


@dataclass(frozen=True)
class Column:
    """Where one member of every sample of a shard lies; as few bytes a sample as its numbers need."""

    path: Place
    offset: NDArray[np.unsignedinteger]
    size: NDArray[np.unsignedinteger]
    crc32c: NDArray[np.uint32]


class ShardIndex:
    """One shard's keys, its files, and the places of its members."""

    def __init__(self, folder: Place, manifest: ShardManifest) -> None:
        self.name = manifest.name
        self.split = manifest.split
        self.variant = manifest.variant
        self.keys = PackedKeys(manifest.samples.keys)
        self.files = {str(folder / file.path): file for file in manifest.files}
        told = f"{SHARD_FOLDER}/{manifest.name}.json"
        self.columns = {
            name: Column(
                inside(folder, manifest.files[member.file].path, told),
                _compact(member.offset),
                _compact(member.bytes),
                np.array(member.crc32c, np.uint32),
            )
            for name, member in manifest.samples.members.items()
        }


def _compact(numbers: Sequence[int]) -> NDArray[np.unsignedinteger]:
    return np.array(numbers, np.min_scalar_type(max(numbers, default=0)))
