"""One object with all shards' manifests, so that a set in object storage opens in one round trip.

`index.zst` is a Zstandard frame of the shards' manifests, byte for byte, in the order of the set's manifest.
It adds nothing: each manifest in it is checked as its own file would be, by the size and the SHA-256 that the
set's manifest records. Where it is absent, or belongs to another version of the set, readers read the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from formats.codecs import compress, content_size, decompress
from formats.errors import DamageError
from formats.fingerprint import sha256
from formats.manifest import ShardEntry, ShardManifest

INDEX = "index.zst"
LEVEL = 3


def pack_index(shards: Iterable[ShardManifest]) -> bytes:
    """Return the index of a set's shards, given in the order of its manifest."""
    return compress(b"".join(shard.dump() for shard in shards), LEVEL)


def unpack_index(data: bytes, entries: Sequence[ShardEntry]) -> dict[str, bytes]:
    """Return the bytes of shards' manifests by the shard's name: of those that are as the entries record.

    Args:
        data: the index.
        entries: all shards of the set's manifest, in its order.
    """
    whole = sum(entry.manifest.bytes for entry in entries)
    try:
        if content_size(data) != whole:
            return {}
        content = decompress(data, np.empty(whole, np.uint8)).tobytes()
    except (ValueError, DamageError):
        return {}
    found, start = {}, 0
    for entry in entries:
        part = content[start : start + entry.manifest.bytes]
        start += entry.manifest.bytes
        if sha256(part) == entry.manifest.sha256:
            found[entry.name] = part
    return found
