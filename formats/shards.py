"""The one reader of sets of shards, whatever their container."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import accumulate, chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from formats.codecs import (
    content_size,
    decode_image,
    decode_meta,
    decompress,
    maps_of_planes,
    member_names,
    plane_shapes,
)
from formats.errors import DamageError, SplitError
from formats.manifest import REPAIR, SHARD_FOLDER, SetManifest, ShardManifest
from formats.places import Place, place
from formats.remote_path import RemotePath
from formats.remote_set import OpenedManifests
from formats.sample import Bytes, Meta, Sample, StoredMaps, sample_key
from formats.shard_files import check_size, read_into, read_range
from formats.shard_index import ShardIndex
from formats.spec import EncodingSpec
from formats.storage import checked, inside

ReadRange = Callable[[Place, int, int], bytes]
"""Returns bytes of a file: its path, how many, from which on."""


class ShardSet:
    """A set opened for reading: samples by number, members by name.

    Samples are counted in the order of the manifest (shards by name, keys within): pages as they are first,
    then with `variants` their distorted variants, so that a page has the same number with and without.
    Opening checks the set's manifest, every shard's manifest against it, and every file's size; each member's
    bytes are checked against their CRC-32C at each read. Nothing is rendered, skipped or substituted. A set
    is a sequence of its samples: ``len(opened)``, ``opened[0]``, ``for sample in opened``.

    Args:
        folder: the set's folder, or its prefix in object storage, as a path or as text; in storage, sizes
            show when objects are read.
        splits: the splits to read, or the name of the only one (default: all).
        names: the shards to open, by name (default: all of those splits).
        variants: whether variants are opened too; without, a set is its pages as they are.
        read: reads bytes of a shard's file: path, size, offset.
        again: reads them anew where those of `read` are not what was written: past a cache, for example.

    Raises:
        SetError: no set, another format or version, a shard missing.
        DamageError: a manifest or a file is not what was written.
        UsageError: a split the set does not have.
    """

    def __init__(
        self,
        folder: Place | str,
        splits: Sequence[str] | str | None = None,
        *,
        names: Container[str] | None = None,
        variants: bool = False,
        read: ReadRange | None = None,
        again: ReadRange | None = None,
    ) -> None:
        self.folder, self.read, self._again = place(folder), read or read_range, again
        splits = (splits,) if isinstance(splits, str) else splits
        opened = OpenedManifests(self.folder)
        self.manifest: SetManifest = opened.manifest
        self.settings = self.manifest.settings
        self.canvas = self.settings.geometry.canvas
        self.encoding: EncodingSpec = self.settings.encoding
        self.plane_shapes = plane_shapes(self.canvas, self.encoding)
        """Rows and bytes a row of every plane a sample may have, in the stored order."""
        self.plane_bytes = sum(map(prod, self.plane_shapes.values()))
        """Bytes that a sample's decoded planes take at most."""
        for split in splits or ():
            if split not in self.manifest.splits:
                known = ", ".join(sorted(self.manifest.splits)) or "none"
                raise SplitError(
                    f"split {split!r} of {self.folder}",
                    expected=f"one of: {known}",
                    next_step="name one of these, or build the set with that split (source.splits)",
                )
        entries = [entry for entry in self.manifest.shards if splits is None or entry.split in splits]
        entries = [entry for entry in entries if names is None or entry.name in names]
        chosen = sorted((e for e in entries if variants or not e.variant), key=lambda e: e.variant)
        self.shards = [self._open(manifest) for manifest in opened.shards(chosen)]
        self._starts = list(accumulate((len(shard.keys) for shard in self.shards), initial=0))
        self.pages = sum(len(shard.keys) for shard in self.shards if not shard.variant)

    def _open(self, manifest: ShardManifest) -> ShardIndex:
        members = member_names(self.canvas, self.encoding)
        if manifest.samples.members.keys() != {*members}:
            raise DamageError(
                f"manifest of shard {manifest.name}",
                expected=f"an index of {', '.join(members)}, which the set's encoding stores",
                found=f"one of {', '.join(sorted(manifest.samples.members)) or 'nothing'}",
                next_step=REPAIR,
            )
        if not isinstance(self.folder, RemotePath):
            told = f"{SHARD_FOLDER}/{manifest.name}.json"
            for file in manifest.files:
                check_size(inside(self.folder, file.path, told), file.bytes)
        return ShardIndex(self.folder, manifest)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, number: int) -> Sample:
        """Decode the sample of that number; from the end where it is negative. Raises what `sample` does."""
        return self.sample(number + len(self) if number < 0 else number)

    def __iter__(self) -> Iterator[Sample]:
        """Decode the samples, one after the other."""
        return map(self.sample, range(len(self)))

    @property
    def starts(self) -> NDArray[np.int64]:
        """The number of each shard's first sample, and at the end the number of samples."""
        return np.array(self._starts, np.int64)

    def locate(self, number: int) -> tuple[ShardIndex, int]:
        """Return the shard of a sample and its row there."""
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        shard = bisect_right(self._starts, number) - 1
        return self.shards[shard], number - self._starts[shard]

    def key(self, number: int) -> str:
        """Return a sample's key; of a variant with its number, as in ``train/a.jpg#v2``."""
        shard, row = self.locate(number)
        return sample_key(shard.keys[row], shard.variant)

    def find(self, key: str) -> int | None:
        """Return the number of the sample of that key, see `key`; None where the set has none."""
        number = self.number(key)
        if number is not None:
            return number
        page, _, variant = key.rpartition("#v")
        return self.number(page, int(variant)) if variant.isdecimal() else None

    def number(self, page: str, variant: int = 0) -> int | None:
        """Return the number of a page's variant, 0 for itself; None where the set has none."""
        for shard, start in zip(self.shards, self._starts[:-1], strict=True):
            row = bisect_left(shard.keys, page)
            if shard.variant == variant and shard.keys[row : row + 1] == [page]:
                return start + row
        return None

    def versions(self) -> list[NDArray[np.int64]]:
        """Return for each variant that is open, from 0 on, the number of each page's (pages,); -1: none."""
        number_of = {key: number for number, key in enumerate(chain.from_iterable(self._page_keys()))}
        count = 1 + max((shard.variant for shard in self.shards), default=0)
        numbers = [np.full(self.pages, -1, np.int64) for _ in range(count)]
        for shard, start in zip(self.shards, self._starts[:-1], strict=True):
            pages = np.array([number_of.get(key, -1) for key in shard.keys], np.int64)
            if (pages < 0).any():
                raise DamageError(
                    f"shard {shard.name}",
                    expected="variants of pages that the set has",
                    found=f"one of {shard.keys[int(np.argmin(pages))]!r}",
                    next_step=REPAIR,
                )
            numbers[shard.variant][pages] = start + np.arange(len(pages))
        return numbers

    def _page_keys(self) -> list[Sequence[str]]:
        return [shard.keys for shard in self.shards if not shard.variant]

    def member(self, number: int, name: str) -> bytes:
        """Return one member's checked bytes; empty where it is all zero and not stored.

        Raises:
            DamageError: the bytes are not those that were written.
        """
        shard, row = self.locate(number)
        column = shard.columns[name]
        size, offset, crc = int(column.size[row]), int(column.offset[row]), int(column.crc32c[row])
        told = f"{name} of {shard.keys[row]} in {column.path}"
        data = self.read(column.path, size, offset) if size else b""
        try:
            return checked(data, crc, told, size)
        except DamageError:
            if self._again is None:
                raise
        return checked(self._again(column.path, size, offset), crc, told, size)

    def stored_bytes(self, number: int, names: Sequence[str] | None = None) -> int:
        """Return how many bytes members of a sample take in the shard (default: all)."""
        shard, row = self.locate(number)
        return sum(int(shard.columns[name].size[row]) for name in names or shard.columns)

    def image(self, number: int, out_HWC: Bytes | None = None, *, seen: bool = False) -> Bytes:
        """Decode a page: (H, W, 3) uint8 RGB, into `out_HWC` where given.

        Args:
            number: the sample.
            out_HWC: where it goes: uint8, C-contiguous, of that shape; or (H, W, 4) for a JPEG, see
                `formats.codecs.decode_image`.
            seen: the page has been checked before: a raw one is not compared with its CRC-32C again, which
                takes as long as to read it.

        Raises:
            DamageError: the page is not what was written.
            ValueError: `out_HWC` is another array than that.
        """
        out_HWC = np.empty((*self.canvas, 3), np.uint8) if out_HWC is None else self._room(out_HWC)
        if self.encoding.image == "raw" and self._read_raw(number, out_HWC, seen=seen):
            return out_HWC
        payload = self.member(number, "image")
        try:
            decode_image(payload, self.encoding, out_HWC)
        except DamageError as error:
            raise self._named(error, number) from None
        return out_HWC

    def _room(self, out_HWC: Bytes) -> Bytes:
        """Return an array that a page can be decoded into; into another its bytes would go astray, unseen."""
        channels = (3, 4) if self.encoding.image == "jpeg" else (3,)
        if (
            out_HWC.shape not in [(*self.canvas, count) for count in channels]
            or out_HWC.dtype != np.uint8
            or not (out_HWC.flags.c_contiguous and out_HWC.flags.writeable)
        ):
            raise ValueError(
                f"expected a writable, C-contiguous uint8 array of shape {(*self.canvas, 3)} for the page, "
                f"found {out_HWC.dtype} of shape {out_HWC.shape} and strides {out_HWC.strides}"
            )
        return out_HWC

    def _read_raw(self, number: int, out_HWC: Bytes, *, seen: bool) -> bool:
        """Read a raw page straight to where it goes, where it is of that size; return whether it was."""
        shard, row = self.locate(number)
        column = shard.columns["image"]
        if isinstance(column.path, RemotePath) or int(column.size[row]) != out_HWC.nbytes:
            return False
        found = read_into(column.path, _flat(out_HWC), int(column.offset[row]))
        if not seen or found != out_HWC.nbytes:
            told = f"image of {shard.keys[row]} in {column.path}"
            checked(_flat(out_HWC).toreadonly()[:found], int(column.crc32c[row]), told)
        return True

    def planes(self, number: int, scratch: Bytes | None = None) -> dict[str, Bytes]:
        """Decode a sample's stored planes; see `formats.codecs.map_planes`.

        Args:
            number: the sample.
            scratch: flat uint8 memory of at least `plane_bytes` that the planes are decoded into, so that no
                other is asked for: the planes are views of it.
        """
        scratch = np.empty(self.plane_bytes, np.uint8) if scratch is None else scratch
        shapes = self.plane_shapes
        members = ("maps",) if self.encoding.container == "tar" else tuple(shapes)
        frames = {name: self.member(number, name) for name in members}
        try:
            if self.encoding.container == "tar":
                return cut_planes(_whole_frame(frames["maps"], scratch), shapes)
            return _inflate(frames, shapes, scratch)
        except DamageError as error:
            raise self._named(error, number) from None

    def _named(self, error: DamageError, number: int) -> DamageError:
        """Return an error of a member's content with the sample's name in it."""
        shard, row = self.locate(number)
        return DamageError(
            f"{error.thing} of {shard.keys[row]} in shard {shard.name}",
            expected=error.expected,
            found=error.found,
            next_step=error.next_step or REPAIR,
        )

    def maps(self, number: int) -> StoredMaps:
        """Decode a sample's maps as stored."""
        return maps_of_planes(self.planes(number))

    def meta(self, number: int) -> Meta:
        """Decode a sample's meta data."""
        payload = self.member(number, "meta")
        try:
            return decode_meta(payload)
        except DamageError as error:
            raise self._named(error, number) from None

    def sample(self, number: int) -> Sample:
        """Decode a whole sample.

        Raises:
            IndexError: the set has no such number.
            DamageError: it is not what was written.
        """
        return Sample(self.image(number), self.maps(number), self.meta(number))


def _flat(array: Bytes) -> memoryview:
    # NumPy's stubs say of arrays of one axis that they are no buffers.
    return memoryview(array.reshape(-1))  # type: ignore[arg-type]


def _whole_frame(frame: bytes, scratch: Bytes) -> Bytes:
    """Decode a frame into the beginning of `scratch`, as much as it says it holds."""
    try:
        size = content_size(frame)
    except ValueError as error:
        raise DamageError("maps", expected="a Zstandard frame", found=str(error)) from None
    return decompress(frame, scratch[:size], checked=True)


def _inflate(
    frames: dict[str, bytes], shapes: dict[str, tuple[int, int]], scratch: Bytes
) -> dict[str, Bytes]:
    """Decode a frame a plane; a plane without frame is all zero, the overlap then left out."""
    planes, start = {}, 0
    for name, (rows, columns) in shapes.items():
        out = scratch[start : start + rows * columns]
        start += out.size
        if frames[name]:
            decompress(frames[name], out, checked=True)
        elif name == "overlap":
            continue
        else:
            out.fill(0)
        planes[name] = out.reshape(rows, columns)
    return planes


def cut_planes(content: Bytes, shapes: dict[str, tuple[int, int]]) -> dict[str, Bytes]:
    """Cut a frame's content into planes; a frame without overlap plane is shorter by just that.

    Raises:
        DamageError: it is of another size.
    """
    sizes = {name: rows * columns for name, (rows, columns) in shapes.items()}
    if len(content) == sum(sizes.values()) - sizes.get("overlap", 0):
        sizes.pop("overlap", None)
    if len(content) != sum(sizes.values()):
        raise DamageError("maps", expected=f"{sum(sizes.values())} bytes of planes", found=str(len(content)))
    planes, start = {}, 0
    for name, size in sizes.items():
        planes[name] = content[start : start + size].reshape(shapes[name])
        start += size
    return planes
