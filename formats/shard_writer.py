"""The writer of a shard, by container."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from formats.members import EncodedSample, Written
from formats.spec import EncodingSpec
from formats.tar_shard import TarWriter


class ShardWriter(Protocol):
    """What both containers' writers do."""

    def add(self, sample: EncodedSample) -> None:
        """Append a sample; they must come sorted by key."""

    def finish(self) -> Written:
        """Give the shard its name and return its index."""

    def abandon(self) -> None:
        """Remove what was written."""


def shard_writer(
    folder: Path, name: str, prefix: str, canvas: tuple[int, int], encoding: EncodingSpec
) -> ShardWriter:
    """Return the writer of the encoding's container.

    Args:
        folder: where the shard goes.
        name: the shard's name, without extension.
        prefix: the folder's path in the set, for the manifest.
        canvas: height, width of every sample.
        encoding: how samples are encoded.
    """
    if encoding.container == "tar":
        return TarWriter(folder, name, prefix, encoding)
    from formats.zarr_shard import ZarrWriter  # zarr takes a quarter of a second to import

    return ZarrWriter(folder, name, prefix, canvas, encoding)
