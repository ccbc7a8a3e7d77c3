"""The manifests: what a set holds, under which settings, and where each member's bytes lie.

`manifest.json` names the shards; each shard's own manifest has the index of its samples, column by column,
so that a million samples load as arrays. Both are canonical JSON: writing what was read changes no byte.
Nothing in them depends on host, time or number of workers; `provenance.json` beside them holds that.

Every byte is pinned: files and members by the shard's manifest, that by the set's manifest, and each of them
begins with a checksum of its own rest: the shards of an unfinished build have no other witness.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import add
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from formats.errors import DamageError, SetError
from formats.fingerprint import PARTS, Fingerprint, canonical, digest, digest_pairs, sha256
from formats.places import Place, RemotePath
from formats.spec import AS_RECORDED, EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec, semantic
from formats.storage import inside, missing_file

FORMAT_VERSION = 1
SET_MANIFEST = "manifest.json"
SHARD_FOLDER = "shards"
PROVENANCE = "provenance.json"
QUARANTINE = "quarantine.jsonl"
CHECKSUM_HEAD = b'{"checksum":"'
"""A manifest begins with this and the SHA-256, in 64 digits, of the bytes after those digits."""
REPAIR = "run python -m pipeline.build again: it repairs the set"
_CHECKSUM_END = len(CHECKSUM_HEAD) + 64

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Digest = Annotated[str, Field(pattern=r"^sha256-ts1:[0-9a-f]{64}$")]
Hex256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """A frozen JSON record without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    def dump(self) -> bytes:
        """Return the canonical JSON text."""
        return canonical(self.model_dump(mode="json", context=AS_RECORDED))


class FileRecord(Record):
    """A file of the set: path below the set's folder, size, SHA-256."""

    path: str
    bytes: Count
    sha256: Hex256


class Quarantined(Record):
    """A sample that could not be used: its key, why, and where its annotation stands."""

    key: str
    split: str
    reason: str
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


class ShardManifest(Sealed):
    """One shard: what it was made of, its files, its samples."""

    format: Literal["textshards-shard"] = "textshards-shard"
    version: Literal[1] = 1
    name: str
    split: str
    inputs: Digest
    files: list[FileRecord]
    samples: SampleTable
    quarantined: list[Quarantined]

    @model_validator(mode="after")
    def _within_files(self) -> Self:
        for name, member in self.samples.members.items():
            if member.file >= len(self.files):
                raise ValueError(f"member {name} lies in file {member.file} of {len(self.files)}")
            end = max(map(add, member.offset, member.bytes), default=0)
            if end > self.files[member.file].bytes:
                raise ValueError(f"member {name} ends at byte {end}, beyond {self.files[member.file].path}")
        return self


class ShardEntry(Record):
    """A shard as the set's manifest names it."""

    name: str
    split: str
    inputs: Digest
    samples: Count
    quarantined: Count
    bytes: Count
    manifest: FileRecord


class SetSettings(Record):
    """What decides the stored bytes, besides the sources."""

    geometry: GeometrySpec
    targets: TargetsSpec
    encoding: EncodingSpec
    layout: LayoutSpec
    renderer: Count

    def part_digests(self) -> dict[str, str]:
        """Return the fingerprint of every part but `source`."""
        return {
            "geometry": digest(semantic(self.geometry)),
            "targets": digest({"renderer": self.renderer, **semantic(self.targets)}),
            "encoding": digest({"version": FORMAT_VERSION, **semantic(self.encoding)}),
            "layout": digest(semantic(self.layout)),
        }


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
        if set(self.parts) != set(PARTS):
            raise ValueError(f"parts are {sorted(self.parts)}, not {sorted(PARTS)}")
        if Fingerprint(self.parts).whole != self.fingerprint:
            raise ValueError("the fingerprint is not that of its parts")
        for part, value in self.settings.part_digests().items():
            if self.parts[part] != value:
                raise ValueError(f"part {part} is not the fingerprint of the settings beside it")
        if any(a.name >= b.name for a, b in zip(self.shards, self.shards[1:], strict=False)):
            raise ValueError("shards are not sorted and unique")
        samples: Counter[str] = Counter()
        for shard in self.shards:
            samples[shard.split] += shard.samples
        if samples != self.splits:
            raise ValueError(f"splits are {self.splits}, the shards hold {dict(samples)}")
        return self


def named_manifest(manifest: SetManifest) -> str:
    """Return the name of a set's manifest in object storage, beside the pointer `manifest.json`."""
    return f"manifest-{manifest.fingerprint.partition(':')[2]}.json"


def shard_inputs(parts: Mapping[str, str], split: str, samples: list[tuple[str, str]]) -> str:
    """Return the fingerprint of everything that decides a shard's bytes.

    Args:
        parts: fingerprints of geometry, targets and encoding.
        split: the shard's split.
        samples: (key, source fingerprint) of each sample, sorted by key.
    """
    semantic_parts = {part: parts[part] for part in ("geometry", "targets", "encoding")}
    return digest({"parts": semantic_parts, "split": split, "samples": digest_pairs(samples)})


def source_part(shards: Iterable[ShardManifest]) -> str:
    """Return the part `source` of a set without quarantined samples: of every key and its source, in order.

    A sample that was quarantined only when it was rendered belongs to the part, but stands in no table.
    """
    rows = sorted(
        (shard.split, key, source)
        for shard in shards
        for key, source in zip(shard.samples.keys, shard.samples.sources, strict=True)
    )
    return digest_pairs((key, source) for _, key, source in rows)


def load_set_manifest(data: bytes, name: str) -> SetManifest:
    """Parse a set's manifest.

    Raises:
        SetError: of another format or a newer version.
        DamageError: not the JSON that was written.
    """
    return _validate(SetManifest, _parse(data, name, "textshards-set"), name)


def load_shard_manifest(data: bytes, name: str) -> ShardManifest:
    """Parse a shard's manifest; see `load_set_manifest`."""
    return _validate(ShardManifest, _parse(data, name, "textshards-shard"), name)


Manifest = TypeVar("Manifest", SetManifest, ShardManifest)


def _parse(data: bytes, name: str, wanted: str) -> dict[str, Any]:
    try:
        values = json.loads(data.decode())
        if b"\\u" in data:  # the one way to lone surrogates, which are no text
            json.dumps(values, ensure_ascii=False).encode()
        found = (values.get("format"), values.get("version")) if isinstance(values, dict) else (None, None)
    except (ValueError, RecursionError) as error:
        raise DamageError(name, expected="a manifest in JSON", found=str(error)) from None
    if found != (wanted, FORMAT_VERSION) or not isinstance(values, dict):
        raise SetError(
            name,
            expected=f"format {wanted!r}, version {FORMAT_VERSION}",
            found=f"format {found[0]!r:.60}, version {found[1]!r:.60}",
            next_step="a newer version needs a newer textshards; else build the set again",
        )
    if not checksum_holds(data):
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found="its checksum does not hold: it is damaged, or was edited by hand",
            next_step=REPAIR,
        )
    del values["checksum"]
    return values


def checksum_holds(data: bytes) -> bool:
    """Tell whether a manifest begins with the checksum of its rest."""
    found = data[len(CHECKSUM_HEAD) : _CHECKSUM_END].decode("ascii", "replace")
    return data.startswith(CHECKSUM_HEAD) and sha256(memoryview(data)[_CHECKSUM_END:]) == found


def _validate(kind: type[Manifest], values: dict[str, Any], name: str) -> Manifest:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole"
        raise DamageError(
            name,
            expected="a manifest as it was written",
            found=f"{where}: {problem['msg']}",
            next_step=REPAIR,
        ) from None


def read_set_manifest(folder: Place, name: str = SET_MANIFEST) -> SetManifest:
    """Read the manifest of the set in a folder.

    Raises:
        SetError: there is none, or it is of another format or version.
        DamageError: it is damaged.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_set(folder, name, error) from None
    return load_set_manifest(data, str(path))


def _no_set(folder: Place, name: str, error: OSError) -> SetError:
    partial = (folder / SHARD_FOLDER).is_dir()
    # Of folders only: a listing of a bucket may be long.
    listed = [] if isinstance(folder, RemotePath) else folder.glob(f"*/{SET_MANIFEST}")
    below = sorted(str(path.parent) for path in listed)
    build = f"run python -m pipeline.build --config FILE --out {folder}"
    return SetError(
        f"no set of shards in {folder}",
        expected=name,
        found="an unfinished build" if partial else (error.strerror or str(error)),
        next_step=f"did you mean {' or '.join(below[:3])}?" if below and not partial else build,
    )


def read_shard_manifest(folder: Place, entry: ShardEntry) -> ShardManifest:
    """Read the manifest of a shard that a set's manifest names, and check that it is the one meant.

    Raises:
        SetError: there is none.
        DamageError: it is another than was written.
    """
    path = inside(folder, entry.manifest.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise missing_file(path, error) from None
    return check_shard_manifest(data, entry, str(path))


def check_shard_manifest(data: bytes, entry: ShardEntry, name: str) -> ShardManifest:
    """Parse a shard's manifest, and check that it is the one that its entry means.

    Raises:
        SetError: of another format or a newer version.
        DamageError: it is another than was written.
    """
    if len(data) != entry.manifest.bytes or sha256(data) != entry.manifest.sha256:
        raise DamageError(
            name,
            expected=f"{entry.manifest.bytes} bytes as recorded in the set's manifest",
            found=f"{len(data)} bytes of another content",
            next_step=REPAIR,
        )
    shard = load_shard_manifest(data, name)
    told = (entry.name, entry.split, entry.inputs, entry.samples)
    if told != (shard.name, shard.split, shard.inputs, len(shard.samples.keys)):
        raise DamageError(
            name,
            expected=f"shard {entry.name} of {entry.samples} samples, as the set's manifest says",
            found=f"shard {shard.name} of {len(shard.samples.keys)} samples",
            next_step=REPAIR,
        )
    return shard
