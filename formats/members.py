"""What passes between a worker and a shard's writer: encoded samples in, the index of what was written."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from formats.codecs import encode_image, encode_meta, map_planes
from formats.manifest import FileRecord, MemberIndex, SampleTable
from formats.sample import Bytes, DistanceMaps, Meta, Sample, StoredMaps, TargetMaps
from formats.spec import EncodingSpec
from formats.storage import crc32c


@dataclass(frozen=True)
class EncodedSample:
    """A sample as bytes, but for its planes, which each container frames in its own way.

    Attributes:
        key: the sample's key.
        source: fingerprint of its image bytes and annotation.
        image: the encoded page.
        planes: uint8 planes by name, as `formats.codecs.map_planes` gives them.
        meta: canonical JSON.
        texts: number of texts by status.
    """

    key: str
    source: str
    image: bytes
    planes: Mapping[str, Bytes]
    meta: bytes
    texts: Mapping[str, int]


def encode_sample(sample: Sample, source: str, encoding: EncodingSpec) -> EncodedSample:
    """Encode a sample as the set's encoding says; `source` is the fingerprint of what it was made of.

    Raises:
        ValueError: the sample's maps are not of the kind that `encoding.maps` names.
    """
    image = encode_image(sample.image_HWC, encoding)
    return join_sample(image, sample.maps, sample.meta, source, encoding)


def join_sample(
    image: bytes, maps: StoredMaps, meta: Meta, source: str, encoding: EncodingSpec
) -> EncodedSample:
    """Encode the rest of a sample whose image is encoded; see `encode_sample`."""
    kind = DistanceMaps if encoding.maps == "distance" else TargetMaps
    if not isinstance(maps, kind):
        raise ValueError(f"encoding.maps is {encoding.maps}, the sample has {type(maps).__name__}")
    return EncodedSample(
        key=meta.key,
        source=source,
        image=image,
        planes=map_planes(maps),
        meta=encode_meta(meta),
        texts=Counter(text.status for text in meta.texts),
    )


class HashingFile:
    """A file that knows the SHA-256 and the length of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._sha256 = hashlib.sha256()
        self.offset = 0

    def write(self, data: bytes) -> int:
        """Append bytes; return the offset they start at."""
        start = self.offset
        self._file.write(data)
        self._sha256.update(data)
        self.offset += len(data)
        return start

    def close(self) -> None:
        """Close the file without asking whether it is whole."""
        with suppress(OSError):  # of a full disk, what was not yet written
            self._file.close()

    def record(self, path: str) -> FileRecord:
        """Flush, close and describe the file under its path in the set."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return FileRecord(path=path, bytes=self.offset, sha256=self._sha256.hexdigest())


@dataclass
class SampleIndex:
    """Collects the rows of a shard's sample table while it is written."""

    files: Mapping[str, int]
    keys: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    texts: list[Mapping[str, int]] = field(default_factory=list)
    places: list[dict[str, tuple[int, int, int]]] = field(default_factory=list)

    def add(self, sample: EncodedSample, places: dict[str, tuple[int, int, int]]) -> None:
        """Add a sample whose members lie at (offset, bytes, crc32c)."""
        if self.keys and sample.key <= self.keys[-1]:
            raise ValueError(f"samples must come sorted by key: {sample.key!r} after {self.keys[-1]!r}")
        self.keys.append(sample.key)
        self.sources.append(sample.source)
        self.texts.append(sample.texts)
        self.places.append(places)

    def table(self) -> SampleTable:
        """Return the columns."""
        statuses = sorted({status for row in self.texts for status in row})
        return SampleTable(
            keys=self.keys,
            sources=self.sources,
            texts={status: [row.get(status, 0) for row in self.texts] for status in statuses},
            members={name: self._member(name, file) for name, file in self.files.items()},
        )

    def _member(self, name: str, file: int) -> MemberIndex:
        rows = [places[name] for places in self.places]
        return MemberIndex(
            file=file,
            offset=[row[0] for row in rows],
            bytes=[row[1] for row in rows],
            crc32c=[row[2] for row in rows],
        )


@dataclass(frozen=True)
class Written:
    """What a shard's writer returns: its files, in the order the index counts them, and its samples."""

    files: list[FileRecord]
    samples: SampleTable


def place(file: HashingFile, payload: bytes) -> tuple[int, int, int]:
    """Append a member to a file; return (offset, bytes, crc32c)."""
    return file.write(payload), len(payload), crc32c(payload)
