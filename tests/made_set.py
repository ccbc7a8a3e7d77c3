"""Small sets of shards made by hand, without the pipeline: for the tests of readers and of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from formats.fingerprint import Fingerprint, digest, sha256
from formats.levels import LEVELS_PER_T, ZERO_LEVEL, offset_level, read_tables
from formats.manifest import (
    SET_MANIFEST,
    SHARD_FOLDER,
    FileRecord,
    SetManifest,
    SetSettings,
    ShardEntry,
    ShardManifest,
    shard_inputs,
)
from formats.members import encode_sample
from formats.sample import DistanceMaps, Meta, Sample, Text
from formats.shard_writer import shard_writer
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec

TARGETS = TargetsSpec()


def middle_of(crop: tuple[int, int]) -> NDArray[np.float64]:
    """Return the point (x, y) in the middle of (H, W) pixels."""
    return np.array([(crop[1] - 1) / 2, (crop[0] - 1) / 2])


def make_set(
    folder: Path,
    samples: Sequence[Sample],
    *,
    encoding: EncodingSpec,
    canvas: tuple[int, int],
    targets: TargetsSpec = TARGETS,
    geometry: GeometrySpec | None = None,
    samples_per_shard: int = 256,
) -> Path:
    """Write a whole set into `folder` (made where missing) and return it; splits are those of the samples.

    Samples may come with distance maps for an encoding of planes: they are read at the targets' ratio.
    """
    settings = SetSettings(
        geometry=geometry or GeometrySpec(canvas=canvas),
        targets=targets,
        encoding=encoding,
        layout=LayoutSpec(samples_per_shard=samples_per_shard),
        renderer=1,
    )
    (folder / SHARD_FOLDER).mkdir(parents=True, exist_ok=True)
    splits = sorted({sample.meta.split for sample in samples})
    entries = []
    for split in splits:
        chosen = sorted((s for s in samples if s.meta.split == split), key=lambda s: s.meta.key)
        for start in range(0, len(chosen), samples_per_shard):
            part = chosen[start : start + samples_per_shard]
            entries.append(_write_shard(folder, f"{split}-{start:05d}", part, settings))
    parts = settings.part_digests() | {"source": digest([entry.inputs for entry in entries])}
    manifest = SetManifest(
        fingerprint=Fingerprint(parts).whole,
        parts=parts,
        settings=settings,
        splits={split: sum(sample.meta.split == split for sample in samples) for split in splits},
        shards=entries,
        quarantined=[],
    )
    (folder / SET_MANIFEST).write_bytes(manifest.dump())
    return folder


def _write_shard(folder: Path, name: str, samples: Sequence[Sample], settings: SetSettings) -> ShardEntry:
    encoding, split = settings.encoding, samples[0].meta.split
    writer = shard_writer(folder / SHARD_FOLDER, name, SHARD_FOLDER, settings.geometry.canvas, encoding)
    sources = [digest([sample.meta.key, sha256(sample.image_HWC.tobytes())]) for sample in samples]
    for sample, source in zip(samples, sources, strict=True):
        writer.add(encode_sample(_as_encoded(sample, settings), source, encoding))
    written = writer.finish()
    keyed = [(sample.meta.key, source) for sample, source in zip(samples, sources, strict=True)]
    inputs = shard_inputs(settings.part_digests(), split, keyed)
    manifest = ShardManifest(
        name=name, split=split, inputs=inputs, files=written.files, samples=written.samples, quarantined=[]
    )
    data, path = manifest.dump(), f"{SHARD_FOLDER}/{name}.json"
    (folder / path).write_bytes(data)
    return ShardEntry(
        name=name,
        split=split,
        inputs=inputs,
        samples=len(samples),
        quarantined=0,
        bytes=sum(file.bytes for file in written.files),
        manifest=FileRecord(path=path, bytes=len(data), sha256=sha256(data)),
    )


def _as_encoded(sample: Sample, settings: SetSettings) -> Sample:
    if settings.encoding.maps == "planes" and isinstance(sample.maps, DistanceMaps):
        return replace(sample, maps=sample.maps.target_maps(settings.targets.shrink_ratio))
    return sample


def made_sample(
    number: int,
    canvas: tuple[int, int] = (128, 96),
    seed: int = 0,
    *,
    split: str = "train",
    shrink_ratio: float = 0.4,
) -> Sample:
    """Return a page of its own: some turned rectangles of text on noise, the last of them don't-care.

    Image, polygons and maps agree: texts are darker than the ground, maps follow formats/levels.py exactly.
    Texts of pages with an even number stand so near that their bands overlap.
    """
    H, W = canvas
    rng = np.random.default_rng([seed, number])
    rows = np.arange(14, H - 14, 34) if number % 2 else np.arange(14, H - 14, 18)
    heights = [15.0, 15.0] if number % 2 else [11.0, 22.0]
    polygons = [
        turned_box(W / 2 + rng.uniform(-4, 4), float(y), W * 0.6, heights[row % 2], rng.uniform(-3, 3))
        for row, y in enumerate(rows)
    ]
    care, ignored = polygons[:-1], polygons[-1:]
    image_HWC = rng.integers(180, 240, (H, W, 1)) + rng.integers(-6, 6, (1, 1, 3))
    for polygon_V2 in polygons:
        image_HWC[signed_distance(polygon_V2, canvas) > 1.5] -= 120
    texts = [Text(p, _to_source(p), "care", f"text {i}") for i, p in enumerate(care)]
    texts += [Text(p, _to_source(p), "dont_care") for p in ignored]
    return Sample(
        image_HWC.clip(0, 255).astype(np.uint8),
        distance_maps(care, ignored, canvas, shrink_ratio),
        Meta(
            key=f"pages/{number:05d}.jpg",
            split=split,
            source_size=(2 * H, 2 * W),
            to_canvas_23=np.array([[0.5, 0.0, -0.25], [0.0, 0.5, -0.25]]),
            texts=tuple(texts),
        ),
    )


def _to_source(polygon_V2: NDArray[np.float64]) -> NDArray[np.float64]:
    return (polygon_V2 + 0.25) * 2.0


def turned_box(x: float, y: float, width: float, height: float, degrees: float) -> NDArray[np.float64]:
    """Return the (4, 2) corners of a box about (x, y), turned."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float64)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * [width / 2, height / 2]
    placed: NDArray[np.float64] = corners @ turn.T + [x, y]
    return placed


def signed_distance(polygon_V2: NDArray[np.float64], canvas: tuple[int, int]) -> NDArray[np.float64]:
    """Return (H, W) distances to the nearest edge in pixels, above 0 inside (even-odd), in float64."""
    return _distance_in(polygon_V2, slice(0, canvas[0]), slice(0, canvas[1]))


def _distance_in(polygon_V2: NDArray[np.float64], rows: slice, columns: slice) -> NDArray[np.float64]:
    y_HW, x_HW = np.mgrid[rows, columns].astype(np.float64)
    nearest = np.full(x_HW.shape, np.inf)
    inside = np.zeros(x_HW.shape, bool)
    for (ax, ay), (bx, by) in zip(polygon_V2, np.roll(polygon_V2, -1, axis=0), strict=True):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x_HW - ax) * dx + (y_HW - ay) * dy) / max(dx * dx + dy * dy, 1e-300), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(x_HW - ax - along * dx, y_HW - ay - along * dy))
        crosses = (ay > y_HW) != (by > y_HW)
        if dy:
            inside ^= crosses & (x_HW < ax + (y_HW - ay) / dy * dx)
    return np.where(inside, nearest, -nearest)


def area_over_length(polygon_V2: NDArray[np.float64]) -> float:
    """Return A / L of a polygon, in pixels."""
    x, y = polygon_V2.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return float(area / np.hypot(*(np.roll(polygon_V2, -1, axis=0) - polygon_V2).T).sum())


def distance_maps(
    care: Sequence[NDArray[np.float64]],
    ignored: Sequence[NDArray[np.float64]],
    canvas: tuple[int, int],
    shrink_ratio: float = 0.4,
) -> DistanceMaps:
    """Return the stored form of a page by the plain formula, in float64, text by text."""
    T = offset_level(shrink_ratio)
    magnitude = read_tables(shrink_ratio).magnitude
    greatest, nearest = np.zeros(canvas, np.uint8), np.full(canvas, 255, np.uint8)
    for polygon_V2 in care:
        unit = area_over_length(polygon_V2)
        block = _block(polygon_V2, 1.2 * T * unit, canvas)
        q_HW = _distance_in(polygon_V2, *block) / unit
        level_HW = np.clip(np.floor(q_HW * LEVELS_PER_T / T) + ZERO_LEVEL, 0, 255).astype(np.uint8)
        np.maximum(greatest[block], level_HW, out=greatest[block])
        near_HW = np.where(magnitude[level_HW] < LEVELS_PER_T, magnitude[level_HW], 255).astype(np.uint8)
        np.minimum(nearest[block], near_HW, out=nearest[block])
    own = magnitude[greatest]
    overlap_HW = own - np.minimum(own, nearest)
    prob_mask_HW = np.ones(canvas, np.uint8)
    for polygon_V2 in ignored:
        block = _block(polygon_V2, 1.0, canvas)
        prob_mask_HW[block][_distance_in(polygon_V2, *block) >= 0] = 0
    return DistanceMaps(greatest, overlap_HW if overlap_HW.any() else None, prob_mask_HW)


def _block(polygon_V2: NDArray[np.float64], reach: float, canvas: tuple[int, int]) -> tuple[slice, slice]:
    low = np.floor(polygon_V2.min(axis=0) - reach).astype(int)
    high = np.ceil(polygon_V2.max(axis=0) + reach).astype(int) + 1
    (x, y), (right, bottom) = np.clip([low, high], 0, [canvas[1], canvas[0]]).tolist()
    return slice(y, bottom), slice(x, right)
