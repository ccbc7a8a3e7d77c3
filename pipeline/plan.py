"""From annotations to a plan: which shard holds which samples, and under which fingerprints.

Samples are assigned by the hash of their key. A shard holds the keys of one split whose hashes begin with the
same bits; one that would hold more than `layout.samples_per_shard` splits in two by the next bit. So a sample
that is added, changed or removed touches its own shard and, at most, makes it split or merge.

Each variant of a shard's pages is a shard of its own, whose inputs say which variant it is and not how many
there are: one variant more leaves all others as they stand.

A shard's name ends in the fingerprint of its inputs: a shard of that name that exists is the shard wanted.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from formats.errors import UsageError
from formats.fingerprint import Fingerprint, digest_pairs
from formats.manifest import Quarantined, SetSettings, shard_inputs, variant_inputs
from pipeline.collector import collector_paused
from pipeline.sources.record import Annotations, Rejected, SourceRecord

NAME_DIGITS = 12
_VARIANT = re.compile(r"(.+)#v[1-9][0-9]*")
_FLOAT64 = np.dtype("<f8")
_LENGTH, _SIZE, _TEXT = struct.Struct("<Q"), struct.Struct("<QQ"), struct.Struct("<I?")


@dataclass(frozen=True)
class PlannedSample:
    """A sample to make: its annotation, its image's SHA-256, the fingerprint of both."""

    record: SourceRecord
    image_sha256: str
    source: str


@dataclass(frozen=True)
class PlannedShard:
    """A shard to have: its name, split, the fingerprint of its inputs, its samples by key, its variant."""

    name: str
    split: str
    inputs: str
    samples: tuple[PlannedSample, ...]
    variant: int = 0


@dataclass(frozen=True)
class Plan:
    """What a set must hold."""

    settings: SetSettings
    fingerprint: Fingerprint
    shards: tuple[PlannedShard, ...]
    rejected: tuple[Rejected, ...]

    @property
    def samples(self) -> int:
        """Number of pages that are planned, rejected ones not counted, nor their variants."""
        return sum(len(shard.samples) for shard in self.shards if not shard.variant)

    @property
    def places(self) -> dict[tuple[str, str], str]:
        """Where the annotation of each planned sample stands, by split and key."""
        return {
            (shard.split, sample.record.key): sample.record.annotation
            for shard in self.shards
            for sample in shard.samples
        }

    @property
    def quarantined(self) -> list[Quarantined]:
        """The rejected samples as manifests list them."""
        return [Quarantined(key=r.key, split=r.split, reason=r.reason, where=r.where) for r in self.rejected]


@collector_paused()
def make_plan(annotations: Annotations, hashes: Mapping[str, str], settings: SetSettings) -> Plan:
    """Plan a set.

    Args:
        annotations: what the source holds.
        hashes: SHA-256 of each record's image, by key.
        settings: what decides the stored bytes.

    Raises:
        UsageError: a page is called as a variant of another would be.
    """
    if settings.variants.count:
        _check_names(annotations)
    samples = [
        PlannedSample(record, hashes[record.key], source_digest(record, hashes[record.key]))
        for record in sorted(annotations.records, key=lambda record: (record.split, record.key))
    ]
    parts = settings.part_digests()
    parts["source"] = digest_pairs((sample.record.key, sample.source) for sample in samples)
    shards = []
    for split, members in groupby(samples, key=lambda sample: sample.record.split):
        hashed = [(hashlib.sha256(sample.record.key.encode()).digest(), sample) for sample in members]
        buckets = _buckets(hashed, settings.layout.samples_per_shard)
        for variant in range(1 + settings.variants.of(split)):
            distorted = variant_inputs(settings.variants, variant) if variant else None
            shards += [_shard(parts, split, prefix, bucket, distorted) for prefix, bucket in buckets.items()]
    shards.sort(key=lambda shard: shard.name)
    return Plan(settings, Fingerprint(parts), tuple(shards), annotations.rejected)


def _check_names(annotations: Annotations) -> None:
    keys = {record.key for record in annotations.records}
    for key in keys:
        if (found := _VARIANT.fullmatch(key)) and found[1] in keys:
            raise UsageError(
                f"image {key!r}",
                expected="a name that no variant has",
                found=f"that of a variant of {found[1]!r}",
                next_step="call it otherwise, or build without variants (variants.count=0)",
            )


def _shard(
    parts: Mapping[str, str],
    split: str,
    prefix: str,
    samples: Sequence[PlannedSample],
    distorted: Mapping[str, Any] | None,
) -> PlannedShard:
    rows = [(sample.record.key, sample.source) for sample in samples]
    inputs = shard_inputs(parts, split, rows, distorted)
    digits = inputs.partition(":")[2][:NAME_DIGITS]
    variant = int(distorted["number"]) if distorted else 0
    name = f"{split}-{prefix or 'all'}-{f'v{variant}-' * bool(variant)}{digits}"
    return PlannedShard(name, split, inputs, tuple(samples), variant)


def _buckets(
    hashed: list[tuple[bytes, PlannedSample]], capacity: int, prefix: str = ""
) -> dict[str, list[PlannedSample]]:
    """Return the samples of each shard by its prefix, given with the hashes of their keys."""
    if len(hashed) <= capacity:
        return {prefix: [sample for _, sample in hashed]} if hashed else {}
    halves: dict[str, list[tuple[bytes, PlannedSample]]] = {"0": [], "1": []}
    byte, bit = divmod(len(prefix), 8)
    for pair in hashed:
        halves["1" if pair[0][byte] & 128 >> bit else "0"].append(pair)
    return {
        name: bucket
        for bit, half in halves.items()
        for name, bucket in _buckets(half, capacity, prefix + bit).items()
    }


def source_digest(record: SourceRecord, image_sha256: str) -> str:
    """Return the fingerprint of what a sample is made of: its key, split, image bytes and annotation.

    Two records with the same fingerprint give the same stored bytes under the same settings.

    The texts go in as binary (count of vertices, float64 coordinates, flag, transcription), since canonical
    JSON of a million polygons takes minutes.
    """
    parts = [_prefixed(word.encode()) for word in (record.key, record.split, image_sha256)]
    parts.append(_SIZE.pack(*(record.stated_size or (0, 0))))
    for text in record.texts:
        polygon_V2 = np.asarray(text.polygon_V2, _FLOAT64)
        words = b"\0" if text.text is None else b"\1" + _prefixed(text.text.encode())
        parts += (_TEXT.pack(len(polygon_V2), text.dont_care), polygon_V2.tobytes(), words)
    return f"sha256-ts1:{hashlib.sha256(b''.join(parts)).hexdigest()}"


def _prefixed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data
