"""Three pages with their texts as annotated: whether labels were read aright is seen at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from formats.errors import SampleError, UsageError
from formats.pictures.palette import IGNORED, TEXT
from formats.pictures.picture import contact_sheet, draw_polygons
from formats.sample import Bytes
from pipeline.images import read_image
from pipeline.sources.record import SourceRecord

SHOWN = 3
HEIGHT, WIDTH = 1000, 720
"""What a page fits into, in pixels."""


def preview(records: Sequence[SourceRecord], max_pixels: int) -> Bytes:
    """Return a contact sheet, (?, ?, 3) uint8 RGB, of three pages spread over a source.

    Raises:
        UsageError: of the pages tried none can be decoded.
    """
    with_texts = [record for record in records if record.texts] or list(records)
    tiles: list[Bytes] = []
    names: list[str] = []
    faults: list[SampleError] = []
    for record in _spread(with_texts):
        try:
            page_HWC = read_image(record.image.read_bytes(), max_pixels=max_pixels, name=record.key)
        except SampleError as error:
            faults.append(error)
            continue
        tiles.append(_tile(page_HWC, record))
        names.append(f"{record.key} · {len(record.texts)} texts")
        if len(tiles) == SHOWN:
            break
    if not tiles:
        raise UsageError(
            "a preview",
            expected="pages that can be decoded",
            found=str(faults[0].found if faults else "none"),
        )
    return contact_sheet(tiles, names, columns=SHOWN)


def _spread(records: list[SourceRecord]) -> list[SourceRecord]:
    """Return the records in an order that begins a sixth in, half way and five sixths in."""
    first = [len(records) * (2 * i + 1) // (2 * SHOWN) for i in range(SHOWN)]
    chosen = dict.fromkeys([*first, *range(len(records))])
    return [records[i] for i in chosen]


def _tile(page_HWC: Bytes, record: SourceRecord) -> Bytes:
    scale = min(HEIGHT / page_HWC.shape[0], WIDTH / page_HWC.shape[1])
    size = (max(1, round(page_HWC.shape[1] * scale)), max(1, round(page_HWC.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small_HWC = np.asarray(cv2.resize(page_HWC, size, interpolation=how), np.uint8)
    placed = [((text.polygon_V2 + 0.5) * scale - 0.5, text.dont_care) for text in record.texts]
    drawn_HWC = draw_polygons(small_HWC, [polygon for polygon, ignored in placed if not ignored], TEXT, 2.0)
    ignored = [polygon for polygon, ignored in placed if ignored]
    return draw_polygons(drawn_HWC, ignored, IGNORED, 2.0, dashed=True, hatched=True)
