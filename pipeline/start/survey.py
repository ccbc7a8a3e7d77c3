"""What pages and texts measure, and which canvas suits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from formats.errors import SampleError
from formats.spec import TargetsSpec
from pipeline.images import image_size
from pipeline.kernels.measure import shorter_side
from pipeline.polygons import clean_polygon
from pipeline.sources.record import SourceRecord, SourceText

MIN_SIZE = float(TargetsSpec.model_fields["min_size"].default)
LONG_SIDES = (640, 960, 1280, 1600, 2048)
"""Canvases considered, by their longer side."""
ACCEPTED_LOSS = 0.02
"""Share of texts that may fall below the minimum size before a larger canvas is taken."""
_PAGES = 400
_HEADER = 1 << 18
"""Bytes of an image that are read for its size; where they do not reach, the whole file is."""
_TURNED = 0.1
"""Share of pages of the other orientation from which on a canvas is square."""


@dataclass(frozen=True)
class Survey:
    """Measures of some of a source's pages.

    Attributes:
        pages: number of pages looked at.
        sizes_N2: (pages, 2) int64 height, width in source pixels.
        texts: for each page the shorter sides of its texts that are to be learnt, source pixels.
        transcriptions: how often each short transcription stands in the labels.
        other_sizes: keys of pages of another size than their labels state, which a build refuses.
    """

    pages: int
    sizes_N2: NDArray[np.int64]
    texts: tuple[NDArray[np.float64], ...]
    transcriptions: Counter[str]
    other_sizes: tuple[str, ...] = ()

    def lost(self, canvas: tuple[int, int], min_size: float = MIN_SIZE) -> float:
        """Return the share of texts that fall below the minimum size on a canvas (height, width)."""
        scales = np.min(np.array(canvas) / self.sizes_N2, axis=1)
        sides = [texts * scale for texts, scale in zip(self.texts, scales, strict=True)]
        everything = np.concatenate(sides) if sides else np.empty(0)
        return float((everything < min_size).mean()) if len(everything) else 0.0

    def canvases(self) -> list[tuple[int, int]]:
        """Return the canvases considered, height and width, the smallest first: shaped like the pages."""
        height, width = self.sizes_N2.T
        upright = float((height > width).mean())
        shape = 1.0
        if not _TURNED < upright < 1 - _TURNED:
            # Nine pages in ten then have their longer side on the canvas's.
            shape = float(np.quantile(self.sizes_N2.min(1) / self.sizes_N2.max(1), 0.9))
        found = []
        for longer in LONG_SIDES:
            shorter = min(longer, max(32, int(np.ceil(longer * shape / 32 - 1e-9)) * 32))
            found.append((longer, shorter) if upright >= 0.5 else (shorter, longer))
        return found

    def canvas(self) -> tuple[int, int]:
        """Return the smallest canvas on which few enough texts are lost, else the one that loses least."""
        canvases = self.canvases()
        fitting = [canvas for canvas in canvases if self.lost(canvas) <= ACCEPTED_LOSS]
        return fitting[0] if fitting else min(canvases, key=lambda canvas: (self.lost(canvas), canvas))


def survey(records: Sequence[SourceRecord]) -> Survey:
    """Measure up to 400 pages, evenly spread over a source; no pixel is decoded.

    Pages whose header cannot be read, and texts that cannot be measured, are left to the build to name.
    """
    step = max(1, len(records) // _PAGES)
    sizes, texts, transcriptions, other_sizes = [], [], Counter[str](), list[str]()
    for record in records[::step][:_PAGES]:
        size = _size(record)
        if size is None:
            continue
        sizes.append(size)
        other_sizes += [record.key] * (record.stated_size not in (None, size))
        texts.append(np.array([side for text in record.texts if (side := _side(text)) is not None]))
        transcriptions.update(text.text for text in record.texts if text.text and len(text.text) <= 3)
    sizes_N2 = np.array(sizes, np.int64).reshape(-1, 2)
    return Survey(len(sizes), sizes_N2, tuple(texts), transcriptions, tuple(other_sizes))


def _size(record: SourceRecord) -> tuple[int, int] | None:
    try:
        with Path(str(record.image)).open("rb") as file:
            head = file.read(_HEADER)
            try:
                return image_size(head)
            except SampleError:
                return image_size(head + file.read())
    except (OSError, SampleError):
        return None


def _side(text: SourceText) -> float | None:
    if text.dont_care:
        return None
    try:
        cleaned = clean_polygon(text.polygon_V2)
    except SampleError:
        return None
    return None if cleaned.problem is not None else float(shorter_side(cleaned.polygon_V2))
