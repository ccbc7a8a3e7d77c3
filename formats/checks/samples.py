"""The deep verification of a sample: it decodes, and image, maps, polygons and index agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.checks.problems import Problem
from formats.codecs import decode_meta, encode_meta
from formats.errors import TextshardsError
from formats.levels import offset_level, read_tables
from formats.manifest import SetSettings, ShardManifest
from formats.places import name_below
from formats.sample import (
    STATUSES,
    DistanceMaps,
    Meta,
    Points,
    StoredMaps,
    TargetMaps,
    Text,
    Variant,
    projected,
)
from formats.shards import ShardSet

ROUNDING = 1.0
"""Pixels that a map may reach beyond a polygon's box: centres of pixels, and float32 in the renderer."""


@dataclass(frozen=True)
class Finding:
    """What a check expected and what it found instead."""

    expected: str
    found: str


def check_sample(opened: ShardSet, number: int, manifest: ShardManifest) -> list[Problem]:
    """Decode a sample and check all that must hold of it.

    Args:
        opened: the set.
        number: the sample, as the set counts.
        manifest: its shard's manifest.
    """
    shard, row = opened.locate(number)
    key = shard.keys[row]
    problems: list[Problem] = []
    try:
        opened.image(number)
    except TextshardsError as error:
        problems.append(_damaged(opened, number, "image", error))
    try:
        maps: StoredMaps | None = opened.maps(number)
    except TextshardsError as error:
        problems.append(_damaged(opened, number, "maps", error))
        maps = None
    try:
        payload = opened.member(number, "meta")
        meta = decode_meta(payload)
    except TextshardsError as error:
        return [*problems, _damaged(opened, number, "meta", error)]
    texts = {status: column[row] for status, column in manifest.samples.texts.items() if column[row]}
    findings = list(check_meta(meta, key, shard.split, texts, shard.variant))
    if not findings and encode_meta(meta) != payload:
        findings.append(Finding("meta in canonical JSON", "another text of the same record"))
    if maps is not None:
        findings += check_maps(maps, meta, opened.settings)
    path = _path(opened, number, "meta")
    return problems + [Problem("inconsistent", path, key, f.expected, f.found) for f in findings]


def _damaged(opened: ShardSet, number: int, member: str, error: TextshardsError) -> Problem:
    path = _path(opened, number, member)
    return Problem("damaged", path, opened.key(number), error.expected, f"{member}: {error.found}")


def _path(opened: ShardSet, number: int, member: str) -> str:
    shard, _ = opened.locate(number)
    column = shard.columns.get(member) or next(
        column for name, column in shard.columns.items() if name not in ("image", "meta")
    )
    return name_below(column.path, opened.folder)


def check_meta(
    meta: Meta, key: str, split: str, texts: dict[str, int], variant: int = 0
) -> Iterator[Finding]:
    """Check a page's meta data against the index.

    Args:
        meta: as decoded.
        key: the sample's key in the index.
        split: the shard's split.
        texts: number of texts by status, as the index has them; those that are not 0.
        variant: which one the shard holds.
    """
    counts = dict(Counter(text.status for text in meta.texts))
    for name, expected, found in (
        ("key", key, meta.key),
        ("split", split, meta.split),
        ("texts", texts, counts),
        ("variant", variant, meta.variant.number if meta.variant else 0),
    ):
        if expected != found:
            yield Finding(f"{name} {expected} as in the index", str(found))
    if set(counts) - set(STATUSES):
        yield Finding(f"statuses among {', '.join(STATUSES)}", ", ".join(sorted(counts)))
    matrix_23 = meta.to_canvas_23
    if not np.isfinite(matrix_23).all() or abs(np.linalg.det(matrix_23[:, :2])) < 1e-12:
        yield Finding("a matrix that can be inverted", str(matrix_23.tolist()))
        return
    if meta.variant is not None and not np.isfinite(meta.variant.matrix_33).all():
        yield Finding("a homography", str(meta.variant.matrix_33.tolist()))
        return
    for number, text in enumerate(meta.texts):
        yield from _check_polygon(number, text, matrix_23, meta.variant)


def _check_polygon(number: int, text: Text, matrix_23: Points, variant: Variant | None) -> Iterator[Finding]:
    care = not text.ignored
    if care and (len(text.polygon_V2) < 3 or not np.isfinite(text.polygon_V2).all()):
        yield Finding(f"text {number}: three finite vertices or more", f"{text.polygon_V2.tolist()}")
    elif care and len(text.source_V2):
        moved_V2 = text.source_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]
        reach = 1e-3
        if variant is not None:
            moved_V2 = projected(variant.matrix_33, moved_V2)
            reach += variant.elastic
        beyond = [moved_V2.min(0) - text.polygon_V2.min(0), text.polygon_V2.max(0) - moved_V2.max(0)]
        if np.max(beyond) > reach:
            yield Finding(
                f"text {number}: its polygon where the matrix takes its source",
                f"{np.max(beyond):.3g} pixels beyond",
            )


def check_maps(maps: StoredMaps, meta: Meta, settings: SetSettings) -> Iterator[Finding]:
    """Check a sample's maps for themselves, and against the texts they were made of."""
    ratio = settings.targets.shrink_ratio
    read = maps.target_maps(ratio)
    if isinstance(maps, DistanceMaps) and maps.overlap_HW is not None:
        magnitude_HW = read_tables(ratio).magnitude[maps.distance_HW]
        yield from _none(
            maps.overlap_HW > magnitude_HW, "overlap at most the magnitude of the distance level"
        )
    yield from _none((read.prob_HW > read.thresh_mask_HW) != 0, "prob only inside thresh_mask")
    yield from _none((read.thresh_HW > 0) & (read.thresh_mask_HW == 0), "thresh only inside thresh_mask")
    yield from _check_against_texts(read, meta, settings)


def _check_against_texts(read: TargetMaps, meta: Meta, settings: SetSettings) -> Iterator[Finding]:
    shape = settings.geometry.canvas
    T = offset_level(settings.targets.shrink_ratio)
    care = [text for text in meta.texts if not text.ignored]
    ignored = [text for text in meta.texts if text.ignored]
    boxes = [Box.around(text.polygon_V2, ROUNDING) for text in care]
    grown = [Box.around(text.polygon_V2, T * _unit(text.polygon_V2) + ROUNDING) for text in care]
    outside = [Box.around(text.polygon_V2, ROUNDING) for text in ignored]
    yield from _none((read.prob_HW == 1) & ~covered(boxes, shape), "prob only inside texts to learn")
    yield from _none((read.thresh_mask_HW == 1) & ~covered(grown, shape), "thresh_mask only around them")
    yield from _none((read.prob_mask_HW == 0) & ~covered(outside, shape), "prob_mask 0 only in ignored texts")
    if settings.targets.empty_shrink == "ignore":
        whole = [box for box, text in zip(boxes, care, strict=True) if _lies_on(text.polygon_V2, shape)]
        empty = sum(not box.cut(read.prob_HW).any() for box in whole)
        if empty:
            yield Finding("prob in every text to learn", f"none in {empty} of {len(whole)}")


def _lies_on(polygon_V2: Points, shape: tuple[int, int]) -> bool:
    """Tell whether a polygon lies wholly on the canvas; of one that reaches out, the shrunk part may not."""
    height, width = shape
    return bool((polygon_V2 >= -0.5).all() and (polygon_V2 <= [width - 0.5, height - 0.5]).all())


def _none(wrong_HW: NDArray[np.bool_], expected: str) -> Iterator[Finding]:
    count = int(np.count_nonzero(wrong_HW))
    if count:
        row, column = np.argwhere(wrong_HW)[0]
        yield Finding(expected, f"{count} pixels elsewhere, the first at row {row}, column {column}")


@dataclass(frozen=True)
class Box:
    """Rows and columns of the canvas that a polygon's upright box covers, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, polygon_V2: Points, margin: float) -> Box:
        """Return the box of a polygon and `margin` pixels more on each side; empty without finite points."""
        points_V2 = polygon_V2[np.isfinite(polygon_V2).all(axis=1)].clip(-1e6, 1e6)
        if not len(points_V2):
            return cls(0, 0, 0, 0)
        left, top = np.floor(points_V2.min(0) - margin).clip(0)
        right, bottom = np.ceil(points_V2.max(0) + margin).clip(-1) + 1
        return cls(int(top), int(bottom), int(left), int(right))

    def cut(self, plane_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of a plane inside the box."""
        return plane_HW[self.top : self.bottom, self.left : self.right]


def covered(boxes: list[Box], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (H, W) where any of the boxes lies."""
    inside_HW = np.zeros(shape, bool)
    for box in boxes:
        inside_HW[box.top : box.bottom, box.left : box.right] = True
    return inside_HW


def _unit(polygon_V2: Points) -> float:
    """Return A / L, the polygon's unit of length in pixels (formats/levels.py)."""
    x, y = polygon_V2.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2.0
    length = np.linalg.norm(np.roll(polygon_V2, -1, axis=0) - polygon_V2, axis=1).sum()
    return float(area / length) if length else 0.0
