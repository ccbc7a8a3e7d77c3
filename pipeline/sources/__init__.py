"""Annotated pages out of the formats that data sets come in, all as the same record (record.py)."""

from __future__ import annotations

from pipeline.sources import coco, icdar, labelme, mmocr0, mmocr1, paddle, polygons, ufo
from pipeline.sources.gather import ReadSplit, gather
from pipeline.sources.record import Annotations, Rejected, SourceRecord, SourceText
from pipeline.sources.settings import FolderPair, SourceSettings

__all__ = [
    "READERS",
    "Annotations",
    "FolderPair",
    "Rejected",
    "SourceRecord",
    "SourceSettings",
    "SourceText",
    "read_annotations",
]

READERS: dict[str, ReadSplit] = {
    "ufo": ufo.read,
    "icdar": icdar.read,
    "polygons": polygons.read,
    "paddle": paddle.read,
    "labelme": labelme.read,
    "coco": coco.read,
    "mmocr0": mmocr0.read,
    "mmocr1": mmocr1.read,
}


def read_annotations(settings: SourceSettings) -> Annotations:
    """Read all splits of a source; opens annotation files, and of the images only asks whether they exist.

    Raises:
        SourceError: no such root, an annotation file that is broken as a whole, or an image in two splits.
    """
    return gather(settings, READERS[settings.format])
