"""What one worker does: make a shard and its manifest, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from formats.codecs import encode_image
from formats.disk import writing
from formats.errors import SampleError
from formats.fingerprint import sha256
from formats.manifest import SHARD_FOLDER, FileRecord, SetSettings, ShardEntry, ShardManifest, Unusable
from formats.members import join_sample
from formats.places import Place
from formats.remote_path import RemotePath
from formats.shard_writer import shard_writer
from formats.storage import write_whole
from pipeline.page import clean_texts, draw_maps, place_page
from pipeline.plan import PlannedSample, PlannedShard
from pipeline.render import Canvas
from pipeline.scratch import shard_scratch
from pipeline.sources.record import SourceRecord

TOGETHER = 16
"""Pages that take each step together. A decoded image drives from the processor's caches what the small work
on polygons and maps needs, which alone takes a third of the time (docs/performance.md)."""
HELD_BYTES = 48 << 20
"""Of encoded pages between two steps: fewer take them together where they are large, or not compressed."""


@dataclass(frozen=True)
class ShardJob:
    """A shard to write into a set's folder or prefix.

    Attributes:
        scratch: a folder of the build's own for what goes up to storage, removed by the build: a worker that
            is stopped removes nothing. Where a worker cannot see it, on another machine, it uses its own.
    """

    folder: Place
    shard: PlannedShard
    settings: SetSettings
    max_pixels: int
    scratch: Path | None = None


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
    with shard_scratch(job.scratch) as scratch:
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
    quarantine = _Quarantine(shard.split)
    canvas = Canvas(settings.geometry.canvas)  # a sample is encoded and written before the next is drawn
    try:
        for samples in _some_at_a_time(shard.samples, settings.geometry.canvas):
            cleaned, placed = [], []
            for planned in samples:
                with quarantine.of(planned.record):
                    cleaned.append((planned, clean_texts(planned.record)))
            for planned, polygons in cleaned:
                with quarantine.of(planned.record):
                    image_HWC, texts = place_page(
                        planned.record,
                        polygons,
                        planned.image_sha256,
                        settings,
                        job.max_pixels,
                        shard.variant,
                    )
                    placed.append((planned, encode_image(image_HWC, settings.encoding), texts))
            for planned, image, texts in placed:
                maps, meta = draw_maps(texts, settings, canvas)
                writer.add(join_sample(image, maps, meta, planned.source, settings.encoding))
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
        quarantined=quarantine.samples,
    )
    data = manifest.dump()
    write_whole(folder / f"{shard.name}.json", data)
    return Shard(manifest, shard_entry(manifest, data))


def _some_at_a_time(
    samples: Sequence[PlannedSample], canvas: tuple[int, int]
) -> Iterator[Sequence[PlannedSample]]:
    pages = min(TOGETHER, max(1, HELD_BYTES // (3 * canvas[0] * canvas[1])))
    return (samples[start : start + pages] for start in range(0, len(samples), pages))


class _Quarantine:
    """The samples of a shard that cannot be used, with their reasons."""

    def __init__(self, split: str) -> None:
        self._split = split
        self._samples: list[Unusable] = []

    @contextmanager
    def of(self, record: SourceRecord) -> Iterator[None]:
        """Take a page into quarantine where it cannot be used."""
        try:
            yield
        except SampleError as error:
            told = (("", error.thing), ("expected ", error.expected), ("found ", error.found))
            reason = ", ".join(f"{word}{text}" for word, text in told if text)
            self._samples.append(Unusable(key=record.key, split=self._split, reason=" ".join(reason.split())))

    @property
    def samples(self) -> list[Unusable]:
        """By key, as the pages are."""
        return sorted(self._samples, key=lambda sample: sample.key)


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
