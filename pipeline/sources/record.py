"""What every dataset format gives: records of usable samples, and a ledger of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formats.places import Place
from formats.sample import Points


@dataclass(frozen=True, eq=False)
class SourceText:
    """One annotated text.

    Attributes:
        polygon_V2: float64 vertices as annotated, in source pixels, read-only; fewer than three where the
            annotation has no place for the text.
        dont_care: whether the annotation says that the text is not to be learnt.
        text: the transcription, if there is one.
    """

    polygon_V2: Points
    dont_care: bool
    text: str | None

    def _identity(self) -> tuple[object, ...]:
        return (self.dont_care, self.text, self.polygon_V2.shape, self.polygon_V2.tobytes())

    def __eq__(self, other: object) -> bool:
        """Arrays are compared by value, so that records can be compared."""
        return isinstance(other, SourceText) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


@dataclass(frozen=True)
class SourceRecord:
    """One page and its texts.

    Attributes:
        key: the image's path below the source root, forward slashes, NFC, with its extension.
        split: the split it belongs to.
        image: the file to open.
        texts: the texts in the order of the annotation.
        annotation: where it was read, `file` or `file:line`, relative to the source root; for messages.
        stated_size: height, width in pixels as the annotation states them; None where it does not.
    """

    key: str
    split: str
    image: Place
    texts: tuple[SourceText, ...]
    annotation: str
    stated_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Rejected:
    """A sample that cannot be used, to be quarantined and counted.

    Attributes:
        key: as in SourceRecord; the name as written, or the place in the annotations (`where: entry`), where
            there is no usable path.
        split: the split it belongs to.
        reason: one line: what was expected and what was found.
        where: `file` or `file:line`, relative to the source root.
    """

    key: str
    split: str
    reason: str
    where: str


@dataclass(frozen=True)
class Annotations:
    """All samples of a source, each tuple sorted by (split, key); no image stands in it twice."""

    records: tuple[SourceRecord, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Entry:
    """What a format's reader yields: a sample before its image has been looked for.

    Attributes:
        image: the image's path as written in the annotation.
        where: `file` or `file:line`, relative to the source root.
        texts: empty where there is a problem.
        problem: why the sample cannot be used; None where it can.
        folder: the folder, relative to the source root, that `image` is relative to; None: `source.images`.
        stated_size: height, width in pixels as the annotation states them.
        unnamed: `image` names no image (the annotation does not say which): it is no path, but which of the
            entries at `where` this is, or `where` again.
    """

    image: str
    where: str
    texts: tuple[SourceText, ...] = ()
    problem: str | None = None
    folder: str | None = None
    stated_size: tuple[int, int] | None = None
    unnamed: bool = False


class UnusableError(Exception):
    """Why one sample's annotation cannot be used; readers turn it into an entry with a problem.

    Args:
        reason: one line: what was expected and what was found.
        line: the line of the annotation file, counted from 1, where there is one.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason)


def read_only(polygon_V2: Points) -> Points:
    """Return the array, frozen; -0.0 becomes 0.0 so that equal polygons have equal bytes."""
    polygon_V2 = np.asarray(polygon_V2, dtype=np.float64) + 0.0
    polygon_V2.flags.writeable = False
    return polygon_V2
