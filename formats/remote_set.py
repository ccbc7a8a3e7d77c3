"""Opening a set in object storage: the set's manifest and the index of its shards, asked for at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from formats.manifest import SET_MANIFEST, SetManifest, ShardEntry, ShardManifest
from formats.manifest_files import check_shard_manifest, read_set_manifest, read_shard_manifest
from formats.places import Place
from formats.remote_path import RemotePath
from formats.set_index import INDEX, unpack_index
from formats.storage import inside, missing_file

REQUESTS = 32
"""Requests to object storage at once: they wait, and use no core."""


class OpenedManifests:
    """A set's manifest, and those of its shards: from a folder as they are asked for, from storage ahead.

    From storage this takes one round trip where the index stands beside the manifest and belongs to it; else
    the shards' manifests are read by themselves, many at once.

    Args:
        folder: the set's folder or prefix.
        name: of its manifest: another than `manifest.json` for a former version in object storage.

    Raises:
        SetError: there is no set, or it is damaged or of another version.
        StorageError: storage that does not answer.
    """

    def __init__(self, folder: Place, name: str = SET_MANIFEST) -> None:
        self.folder = folder
        self._indexed: dict[str, bytes] = {}
        if not isinstance(folder, RemotePath):
            self.manifest: SetManifest = read_set_manifest(folder, name)
            return
        with ThreadPoolExecutor(2) as pool:
            index = pool.submit(_index_of, folder)
            self.manifest = read_set_manifest(folder, name)
            self._indexed = unpack_index(index.result(), self.manifest.shards)

    def shards(self, entries: Sequence[ShardEntry]) -> Iterator[ShardManifest]:
        """Yield the manifests of shards, each checked against its entry.

        Raises:
            SetError: one is missing, damaged, or not the one meant.
        """
        if not isinstance(self.folder, RemotePath):
            yield from (read_shard_manifest(self.folder, entry) for entry in entries)
            return
        missing = [entry for entry in entries if entry.name not in self._indexed]
        read = dict(zip((entry.name for entry in missing), read_each(self.folder, missing), strict=True))
        for entry in entries:
            path = self.folder / entry.manifest.path
            try:
                data = self._indexed[entry.name] if entry.name in self._indexed else read[entry.name]()
            except FileNotFoundError as error:
                raise missing_file(path, error) from None
            yield check_shard_manifest(data, entry, str(path))

    def shard(self, entry: ShardEntry) -> ShardManifest:
        """Return the manifest of one shard; see `shards`."""
        return next(self.shards([entry]))


def read_each(folder: Place, entries: Sequence[ShardEntry]) -> Iterator[Callable[[], bytes]]:
    """Yield for each shard what returns its manifest's bytes, or raises why it cannot: OSError or SetError.

    From object storage they are read many at once, ahead of being asked for.
    """
    if not isinstance(folder, RemotePath):
        yield from (partial(_read_manifest, folder, entry) for entry in entries)
        return
    with ThreadPoolExecutor(REQUESTS) as pool:
        yield from [pool.submit(_read_manifest, folder, entry).result for entry in entries]


def _read_manifest(folder: Place, entry: ShardEntry) -> bytes:
    return inside(folder, entry.manifest.path, SET_MANIFEST).read_bytes()


def _index_of(folder: RemotePath) -> bytes:
    try:
        return (folder / INDEX).read_bytes()
    except FileNotFoundError:
        return b""
