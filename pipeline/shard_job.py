"""What one worker does: make a shard and its manifest, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from formats.disk import writing
from formats.errors import SampleError
from formats.fingerprint import sha256
from formats.manifest import SHARD_FOLDER, FileRecord, Quarantined, SetSettings, ShardEntry, ShardManifest
from formats.members import encode_sample
from formats.places import Place, RemotePath
from formats.shard_writer import shard_writer
from formats.storage import write_whole
from pipeline.page import make_sample
from pipeline.plan import PlannedShard
from pipeline.render import Canvas


@dataclass(frozen=True)
class ShardJob:
    """A shard to write into a set's folder or prefix."""

    folder: Place
    shard: PlannedShard
    settings: SetSettings
    max_pixels: int


@dataclass(frozen=True)
class Shard:
    """A shard that stands on disk: its manifest, and its line in the set's manifest."""

    manifest: ShardManifest
    entry: ShardEntry


def write_shard(job: ShardJob) -> Shard:
    """Write a shard, then its manifest; samples that cannot be used are listed there with their reason.

    Raises:
        TextshardsError: an image is not the one that was planned, or the disk is full or at fault.
    """
    if not isinstance(job.folder, RemotePath):
        with writing(job.folder):
            return _write(job, job.folder)
    with TemporaryDirectory(prefix="textshards-") as name, writing(Path(name)):
        scratch = Path(name)
        (scratch / SHARD_FOLDER).mkdir()
        shard = _write(job, scratch)
        _upload(scratch, job.folder, shard)
        return shard


def _upload(scratch: Path, folder: RemotePath, shard: Shard) -> None:
    """Write a shard's objects under their final names, its manifest last: until then nobody asks for them."""
    for file in shard.manifest.files:
        (folder / file.path).upload(scratch / file.path)
    path = shard.entry.manifest.path
    (folder / path).upload(scratch / path)


def _write(job: ShardJob, place: Path) -> Shard:
    shard, settings = job.shard, job.settings
    folder = place / SHARD_FOLDER
    writer = shard_writer(folder, shard.name, SHARD_FOLDER, settings.geometry.canvas, settings.encoding)
    quarantined = []
    canvas = Canvas(settings.geometry.canvas)  # a sample is encoded and written before the next is made
    try:
        for planned in shard.samples:
            try:
                sample = make_sample(
                    planned.record, planned.image_sha256, settings, job.max_pixels, shard.variant, canvas
                )
            except SampleError as error:
                quarantined.append(
                    _quarantined(planned.record.key, shard.split, error, planned.record.annotation)
                )
                continue
            writer.add(encode_sample(sample, planned.source, settings.encoding))
        written = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    manifest = ShardManifest(
        name=shard.name,
        split=shard.split,
        variant=shard.variant,
        inputs=shard.inputs,
        files=written.files,
        samples=written.samples,
        quarantined=quarantined,
    )
    data = manifest.dump()
    write_whole(folder / f"{shard.name}.json", data)
    return Shard(manifest, shard_entry(manifest, data))


def _quarantined(key: str, split: str, error: SampleError, where: str) -> Quarantined:
    told = (("", error.thing), ("expected ", error.expected), ("found ", error.found))
    reason = ", ".join(f"{word}{text}" for word, text in told if text)
    return Quarantined(key=key, split=split, reason=" ".join(reason.split()), where=where)


def shard_entry(manifest: ShardManifest, data: bytes) -> ShardEntry:
    """Return a shard's line in the set's manifest, from its own and the bytes of that."""
    return ShardEntry(
        name=manifest.name,
        split=manifest.split,
        variant=manifest.variant,
        inputs=manifest.inputs,
        samples=len(manifest.samples.keys),
        quarantined=len(manifest.quarantined),
        bytes=sum(file.bytes for file in manifest.files),
        manifest=FileRecord(
            path=f"{SHARD_FOLDER}/{manifest.name}.json", bytes=len(data), sha256=sha256(data)
        ),
    )
