"""The manifests: what a set holds, under which settings, and where each member's bytes lie.

`manifest.json` names the shards; each shard's own manifest has the index of its samples, column by column,
so that a million samples load as arrays. Both are canonical JSON: writing what was read changes no byte.
Nothing in them depends on host, time or number of workers; `provenance.json` beside them holds that.

Every byte is pinned: files and members by the shard's manifest, that by the set's manifest, and each of them
begins with a checksum of its own rest: the shards of an unfinished build have no other witness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import add
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from formats.fingerprint import (
    OPTIONAL_PARTS,
    PARTS,
    Fingerprint,
    canonical,
    digest,
    digest_pairs,
    sha256,
)
from formats.spec import (
    AS_RECORDED,
    EncodingSpec,
    GeometrySpec,
    LayoutSpec,
    TargetsSpec,
    VariantsSpec,
    semantic,
)

FORMAT_VERSION = 1
DISTORTION_VERSION = 1
"""Part of the fingerprint of variants: moves with every change of a byte pipeline/distortion.py gives."""
SECTIONS = ("geometry", "targets", "encoding", "layout", "variants")
"""Sections of a build configuration that a set records."""
SET_MANIFEST = "manifest.json"
SHARD_FOLDER = "shards"
PROVENANCE = "provenance.json"
QUARANTINE = "quarantine.jsonl"
CHECKSUM_HEAD = b'{"checksum":"'
"""A manifest begins with this and the SHA-256, in 64 digits, of the bytes after those digits."""
REPAIR = "run python -m pipeline.build again: it repairs the set"

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Digest = Annotated[str, Field(pattern=r"^sha256-ts1:[0-9a-f]{64}$")]
Hex256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """A frozen JSON record without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    def dump(self) -> bytes:
        """Return the canonical JSON text."""
        return canonical(self.model_dump(mode="json", context=AS_RECORDED))


class VariantRecord(Record):
    """A record that names a variant; of pages as they are, which have number 0, it says nothing."""

    variant: Count = 0

    @model_serializer(mode="wrap")
    def _without_zero(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if not self.variant:
            values.pop("variant", None)
        return values


class FileRecord(Record):
    """A file of the set: path below the set's folder, size, SHA-256."""

    path: str
    bytes: Count
    sha256: Hex256


class Unusable(Record):
    """A sample that could not be used, as its shard lists it: its key and why.

    Where its annotation stands is not among it: a line's number is in no fingerprint, and shards of one
    fingerprint have the same bytes.
    """

    key: str
    split: str
    reason: str


class Quarantined(Unusable):
    """A sample that could not be used, as the set lists it: also where its annotation stands."""

    where: str


class MemberIndex(Record):
    """Where one member of every sample lies: columns, one row a sample. Size 0: all zero, not stored."""

    file: Count
    offset: list[Count]
    bytes: list[Count]
    crc32c: list[Annotated[int, Field(ge=0, lt=1 << 32)]]


class SampleTable(Record):
    """The samples of a shard, column by column, sorted by key.

    Attributes:
        keys: the samples' keys.
        sources: fingerprint of each sample's image bytes and annotation.
        texts: by status ("care", "too_small", ...), how many texts each sample has; statuses that occur.
        members: by member name, where its bytes lie.
    """

    keys: list[str]
    sources: list[Digest]
    texts: dict[str, list[Count]]
    members: dict[str, MemberIndex]

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        columns: dict[str, int] = {"sources": len(self.sources)}
        columns |= {f"texts.{status}": len(column) for status, column in self.texts.items()}
        for name, member in self.members.items():
            columns |= {
                f"members.{name}.{part}": len(getattr(member, part)) for part in ("offset", "bytes", "crc32c")
            }
        for name, length in columns.items():
            if length != len(self.keys):
                raise ValueError(f"column {name} has {length} rows, keys has {len(self.keys)}")
        if any(a >= b for a, b in zip(self.keys, self.keys[1:], strict=False)):
            raise ValueError("keys are not sorted and unique")
        return self


class Sealed(Record):
    """A record whose JSON begins with its own checksum."""

    def dump(self) -> bytes:
        """Return the canonical JSON text, its checksum in front."""
        rest = b'",' + super().dump()[1:]
        return CHECKSUM_HEAD + sha256(rest).encode() + rest


class ShardManifest(Sealed, VariantRecord):
    """One shard: what it was made of, its files, its samples."""

    format: Literal["textshards-shard"] = "textshards-shard"
    version: Literal[1] = 1
    name: str
    split: str
    inputs: Digest
    files: list[FileRecord]
    samples: SampleTable
    quarantined: list[Quarantined | Unusable]
    """Sets older than `Unusable` have `where` here too."""

    @model_validator(mode="after")
    def _within_files(self) -> Self:
        for name, member in self.samples.members.items():
            if member.file >= len(self.files):
                raise ValueError(f"member {name} lies in file {member.file} of {len(self.files)}")
            end = max(map(add, member.offset, member.bytes), default=0)
            if end > self.files[member.file].bytes:
                raise ValueError(f"member {name} ends at byte {end}, beyond {self.files[member.file].path}")
        return self


class ShardEntry(VariantRecord):
    """A shard as the set's manifest names it."""

    name: str
    split: str
    inputs: Digest
    samples: Count
    quarantined: Count
    bytes: Count
    manifest: FileRecord


class SetSettings(Record):
    """What decides the stored bytes and what they mean, besides the sources."""

    geometry: GeometrySpec
    targets: TargetsSpec
    encoding: EncodingSpec
    layout: LayoutSpec
    variants: VariantsSpec = VariantsSpec()
    renderer: Count

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if not self.variants.count:
            values.pop("variants", None)
        return values

    def part_digests(self) -> dict[str, str]:
        """Return the fingerprint of every part but `source`; `variants` only where there are any."""
        variants = {"version": DISTORTION_VERSION, **semantic(self.variants)}
        return {
            "geometry": digest(semantic(self.geometry)),
            "targets": digest({"renderer": self.renderer, **semantic(self.targets)}),
            "encoding": digest({"version": FORMAT_VERSION, **semantic(self.encoding)}),
            "layout": digest(semantic(self.layout)),
        } | ({"variants": digest(variants)} if self.variants.count else {})


class SetManifest(Sealed):
    """A set of shards."""

    format: Literal["textshards-set"] = "textshards-set"
    version: Literal[1] = 1
    fingerprint: Digest
    parts: dict[str, Digest]
    settings: SetSettings
    splits: dict[str, Count]
    shards: list[ShardEntry]
    quarantined: list[Quarantined]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.parts) - set(OPTIONAL_PARTS) != set(PARTS):
            raise ValueError(f"parts are {sorted(self.parts)}, not {sorted(PARTS)}")
        if Fingerprint(self.parts).whole != self.fingerprint:
            raise ValueError("the fingerprint is not that of its parts")
        told = self.settings.part_digests()
        for part in {*self.parts, *told} - {"source"}:
            if self.parts.get(part) != told.get(part):
                raise ValueError(f"part {part} is not the fingerprint of the settings beside it")
        if any(a.name >= b.name for a, b in zip(self.shards, self.shards[1:], strict=False)):
            raise ValueError("shards are not sorted and unique")
        samples: Counter[str] = Counter()
        for shard in self.shards:
            samples[shard.split] += 0 if shard.variant else shard.samples
        if samples != self.splits:
            raise ValueError(f"splits are {self.splits}, the shards hold {dict(samples)}")
        return self

    @property
    def stored(self) -> int:
        """Number of stored samples: pages as they are, and their variants."""
        return sum(shard.samples for shard in self.shards)


def named_manifest(manifest: SetManifest) -> str:
    """Return the name of a set's manifest in object storage, beside the pointer `manifest.json`."""
    return f"manifest-{manifest.fingerprint.partition(':')[2]}.json"


def variant_inputs(variants: VariantsSpec, number: int) -> dict[str, Any]:
    """Return what the fingerprint of a shard of variants holds of them: not how many others there are."""
    return {"number": number, "settings": digest({"version": DISTORTION_VERSION, **variants.drawn()})}


def shard_inputs(
    parts: Mapping[str, str],
    split: str,
    samples: list[tuple[str, str]],
    variant: Mapping[str, Any] | None = None,
) -> str:
    """Return the fingerprint of everything that decides a shard's bytes.

    Args:
        parts: fingerprints of geometry, targets and encoding.
        split: the shard's split.
        samples: (key, source fingerprint) of each sample, sorted by key.
        variant: what `variant_inputs` gives; None for pages as they are.
    """
    semantic_parts = {part: parts[part] for part in ("geometry", "targets", "encoding")}
    inputs = {"parts": semantic_parts, "split": split, "samples": digest_pairs(samples)}
    return digest(inputs if variant is None else inputs | {"variant": dict(variant)})


def source_part(shards: Iterable[ShardManifest]) -> str:
    """Return the part `source` of a set without quarantined samples: of every key and its source, in order.

    A sample that was quarantined only when it was rendered belongs to the part, but stands in no table.
    """
    rows = sorted(
        (shard.split, key, source)
        for shard in shards
        if not shard.variant
        for key, source in zip(shard.samples.keys, shard.samples.sources, strict=True)
    )
    return digest_pairs((key, source) for _, key, source in rows)
