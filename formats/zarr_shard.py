"""A shard as a Zarr v3 group that plain zarr reads, one file an array, written in one pass.

Maps (and raw pages) are arrays of shape (N, H, W) sharded into one file, an inner chunk a sample. JPEG pages
and meta data are one long byte array each, its offsets beside: page i is ``image[offsets[i]:offsets[i+1]]``.
The data files are laid out here after the Zarr v3 sharding-indexed codec (chunks, then 16 bytes of offset and
length a chunk, then CRC-32C), so that samples stream through; zarr itself writes all metadata.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BytesCodec, ZstdCodec

from formats.codecs import compress, plane_shapes
from formats.fingerprint import sha256
from formats.manifest import FileRecord
from formats.members import EncodedSample, HashingFile, SampleIndex, Written, place
from formats.spec import EncodingSpec
from formats.storage import crc32c, partial_name

RAGGED_CHUNK = 1 << 16
"""Inner chunk of the long byte arrays, at most: what a plain reader reads at least."""
ABSENT = (1 << 64) - 1


class ShardFile:
    """One array's data file in the sharding-indexed layout."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        self.file = HashingFile(path)
        self.chunks: list[tuple[int, int]] = []

    def add_chunk(self, payload: bytes) -> tuple[int, int, int]:
        """Append a chunk; an empty payload stands for one that is all zero and not stored."""
        placed = place(self.file, payload)
        self.chunks.append(placed[:2] if payload else (ABSENT, ABSENT))
        return placed

    def cut_chunks(self) -> tuple[int, int]:
        """Pad a long byte array to whole inner chunks and index them; return (length, size of a chunk)."""
        length = self.file.offset
        chunk = min(RAGGED_CHUNK, max(length, 1))
        self.file.write(bytes(-length % chunk))
        self.chunks = [(start, chunk) for start in range(0, self.file.offset, chunk)]
        return length, chunk

    def end(self, path: str) -> FileRecord:
        """Write the chunk index and close."""
        index = b"".join(struct.pack("<QQ", *chunk) for chunk in self.chunks)
        self.file.write(index + struct.pack("<I", crc32c(index)))
        return self.file.record(path)


class ZarrWriter:
    """Writes one Zarr shard; see `formats.tar_shard.TarWriter`."""

    def __init__(
        self, folder: Path, name: str, prefix: str, canvas: tuple[int, int], encoding: EncodingSpec
    ) -> None:
        self._final = folder / f"{name}.zarr"
        self._partial = folder / partial_name(f"{name}.zarr")
        self._prefix = f"{prefix}/{name}.zarr"
        self._canvas, self._encoding = canvas, encoding
        self._planes = plane_shapes(canvas, encoding)
        self._ragged = ["meta"] if encoding.image == "raw" else ["image", "meta"]
        members = ["image", *self._planes, "meta"]
        shutil.rmtree(self._partial, ignore_errors=True)
        self._files = {member: ShardFile(self._partial / self._data_path(member)) for member in members}
        self._index = SampleIndex({member: number for number, member in enumerate(members)})

    def _data_path(self, member: str) -> str:
        dimensions = 1 if member in self._ragged else 4 if member == "image" else 3
        return f"{member}/c/{'/'.join('0' * dimensions)}"

    def add(self, sample: EncodedSample) -> None:
        """Append a sample; they must come sorted by key."""
        payloads = {"image": sample.image, "meta": sample.meta}
        for name in self._planes:
            plane = sample.planes.get(name)
            if plane is None or not plane.any():
                payloads[name] = b""
            else:
                payloads[name] = compress(plane.tobytes(), self._encoding.zstd_level)
        places = {member: self._append(member, payload) for member, payload in payloads.items()}
        self._index.add(sample, places)

    def _append(self, member: str, payload: bytes) -> tuple[int, int, int]:
        file = self._files[member]
        return place(file.file, payload) if member in self._ragged else file.add_chunk(payload)

    def finish(self) -> Written:
        """Write indexes and metadata, give the group its name and return the samples' index."""
        table = self._index.table()
        cuts = {member: self._files[member].cut_chunks() for member in self._ragged}
        records = [file.end(f"{self._prefix}/{self._data_path(m)}") for m, file in self._files.items()]
        self._describe(len(table.keys), cuts)
        records += [self._hash(path) for path in self._other_files(records)]
        shutil.rmtree(self._final, ignore_errors=True)
        self._partial.replace(self._final)
        return Written(records, table)

    def _describe(self, samples: int, cuts: dict[str, tuple[int, int]]) -> None:
        group = zarr.create_group(self._partial, attributes={"keys": self._index.keys})
        H, W = self._canvas
        for name, shape in self._planes.items():
            self._array(group, name, (samples, *shape), (1, *shape), compressed=True)
        if self._encoding.image == "raw":
            self._array(group, "image", (samples, H, W, 3), (1, H, W, 3), compressed=False)
        for name, (length, chunk) in cuts.items():
            self._array(group, name, (length,), (chunk,), compressed=False)
            sizes = [places[name][1] for places in self._index.places]
            offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
            group.create_array(f"{name}_offsets", data=offsets.astype(np.int64), compressors=None)

    def _array(
        self,
        group: zarr.Group,
        name: str,
        shape: tuple[int, ...],
        chunk: tuple[int, ...],
        *,
        compressed: bool,
    ) -> None:
        compressors: Any = ZstdCodec(level=self._encoding.zstd_level, checksum=True) if compressed else None
        whole = tuple(-(-max(side, 1) // inner) * inner for side, inner in zip(shape, chunk, strict=True))
        group.create_array(
            name,
            shape=shape,
            chunks=chunk,
            shards=whole,
            dtype="uint8",
            compressors=compressors,
            serializer=BytesCodec(endian=None),
            fill_value=0,
        )

    def _other_files(self, known: list[FileRecord]) -> list[Path]:
        paths = {record.path for record in known}
        found = sorted(path for path in self._partial.rglob("*") if path.is_file())
        return [path for path in found if self._set_path(path) not in paths]

    def _set_path(self, path: Path) -> str:
        return f"{self._prefix}/{path.relative_to(self._partial).as_posix()}"

    def _hash(self, path: Path) -> FileRecord:
        data = path.read_bytes()
        return FileRecord(path=self._set_path(path), bytes=len(data), sha256=sha256(data))

    def abandon(self) -> None:
        """Remove what was written."""
        for file in self._files.values():
            file.file.close()
        shutil.rmtree(self._partial, ignore_errors=True)
