"""Annotated pages out of the formats that data sets come in, all as the same record (record.py)."""

from __future__ import annotations

from pipeline.sources.formats import FORMATS
from pipeline.sources.gather import gather
from pipeline.sources.hold_out import hold_out
from pipeline.sources.parts import reader
from pipeline.sources.record import Annotations, Rejected, SourceRecord, SourceText
from pipeline.sources.settings import FolderPair, SourceSettings

__all__ = [
    "FORMATS",
    "Annotations",
    "FolderPair",
    "Rejected",
    "SourceRecord",
    "SourceSettings",
    "SourceText",
    "read_annotations",
    "reader",
]


def read_annotations(settings: SourceSettings) -> Annotations:
    """Read all splits of a source; opens annotation files, and of the images only asks whether they exist.

    Raises:
        SourceError: no such root, an annotation file that is broken as a whole, or an image in two splits.
    """
    return hold_out(gather(settings, reader(settings.format)), settings.hold_out)
