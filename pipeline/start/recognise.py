"""In which format a folder's labels are written: by their look, then by what the readers make of them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath

from formats.errors import SourceError, UsageError
from formats.places import below
from pipeline.sources import FORMATS, Annotations, SourceSettings, read_annotations, reader
from pipeline.sources.coco import categories_of
from pipeline.sources.parts import folder_of, parts_of
from pipeline.sources.patterns import is_pattern
from pipeline.sources.settings import FolderPair, Part
from pipeline.start.candidates import Splits, candidates, kinds_of
from pipeline.start.folder import Folder

_NAMES = 200
"""Names of a label file that are looked for among the images."""


@dataclass(frozen=True)
class Recognised:
    """Settings under which a folder's labels can be read, and what comes of it."""

    settings: SourceSettings
    annotations: Annotations

    @property
    def pages(self) -> dict[str, int]:
        """Number of pages that can be used, by split."""
        return dict(Counter(record.split for record in self.annotations.records))

    @property
    def share_rejected(self) -> float:
        """Share of the pages that cannot be used."""
        found = self.annotations
        return len(found.rejected) / max(1, len(found.records) + len(found.rejected))

    @property
    def parts(self) -> list[tuple[str, Part]]:
        """The label files or pairs of folders, each with its split."""
        return [(split, part) for split in self.settings.splits for part in parts_of(self.settings, split)]

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """How well these settings fit: pages found, few refused, few splits, few parts."""
        found = self.annotations
        return len(found.records), -len(found.rejected), -len(self.settings.splits), -len(self.parts)

    def unread(self, folder: Folder) -> list[PurePosixPath]:
        """Return the label files that are not read; of a folder in which none is, the folder."""
        found = self.annotations
        rows = [row.annotation for row in found.records] + [row.where for row in found.rejected]
        read = {re.sub(r":[0-9]+$", "", row) for row in rows} | {str(part) for _, part in self.parts}
        unread: list[PurePosixPath] = []
        for parent, files in folder.kinds.items():
            left = [file for file in files if str(file) not in read]
            unread += left if len(left) < len(files) or len(left) == 1 else [parent]
        return sorted(unread)

    def left_out(self, folder: Folder) -> list[PurePosixPath]:
        """Return the folder's images that stand in no label file that is read, in order."""
        read = {row.key for rows in (self.annotations.records, self.annotations.rejected) for row in rows}
        return [image for image in folder.images if unicodedata.normalize("NFC", str(image)) not in read]


def recognise(folder: Folder) -> list[Recognised]:
    """Return the readings of a folder under which pages are found, the best first.

    Raises:
        UsageError: no label file of a known format, or none that names a page of the folder.
    """
    folder.kinds = kinds = kinds_of(folder)
    tried = [_tried(folder, label_format, splits) for label_format, splits in candidates(folder, kinds)]
    found = sorted(
        (reading for reading in tried if reading is not None and reading.annotations.records),
        key=lambda reading: reading.rank,
        reverse=True,
    )
    if not found:
        seen = Counter(kind for files in kinds.values() for kind in files.values())
        told = ", ".join(f"{count} files like {kind}" for kind, count in sorted(seen.items())) or "none"
        raise UsageError(
            f"--init {folder.root}",
            expected=f"labels of its {len(folder.images)} pages in one of the formats {', '.join(FORMATS)}",
            found="; ".join([told, *undecided(folder)]),
            next_step="docs/sources.md shows each format; write source.format, root and splits by hand",
        )
    return found


def undecided(folder: Folder) -> list[str]:
    """Return in words which labels fit the images of several folders as well."""
    return [
        f"{label} fits the images in {' and in '.join(name or '.' for name in images)} equally well"
        for label, images in sorted(folder.undecided.items())
    ]


def _tried(folder: Folder, label_format: str, splits: Splits) -> Recognised | None:
    settings = SourceSettings.model_validate(
        {"format": label_format, "root": folder.root, "splits": splits, "dont_care": _DONT_CARE}
    )
    if label_format == "coco":
        settings = _with_categories(settings)
    plain = _read(settings)
    if plain is not None and not plain.annotations.rejected:
        return plain
    located = _located(folder, settings)
    readings = [plain, _read(located) if located is not None else None]
    return max((reading for reading in readings if reading), key=lambda r: r.rank, default=None)


_DONT_CARE = SourceSettings.model_fields["dont_care"].default


def _with_categories(settings: SourceSettings) -> SourceSettings:
    """Return the settings with all categories as texts where there are several: a person strikes some out."""
    try:
        files = [str(part) for split in settings.splits for part in parts_of(settings, split)]
        named = [categories_of(settings.root, below(settings.root, file)) for file in files]
        found = list(dict.fromkeys(chain.from_iterable(named)))
    except SourceError:
        return settings
    return settings.model_copy(update={"categories": tuple(found)}) if len(found) > 1 else settings


def _read(settings: SourceSettings) -> Recognised | None:
    try:
        return Recognised(settings, read_annotations(settings))
    except SourceError:
        return None


def _located(folder: Folder, settings: SourceSettings) -> SourceSettings | None:
    """Return the settings with the folder in which the images that the labels name were found."""
    words: Counter[str] = Counter()
    only_names = False
    try:
        for split in settings.splits:
            for part in parts_of(settings, split):
                place = None if isinstance(part, FolderPair) else _images_of(folder, settings, split, part)
                if place is None:
                    continue
                images, last_parts = place
                only_names |= last_parts
                words.update(_ways_to_say(images, split, folder_of(settings.root, part)))
    except SourceError:
        return None
    if not words:
        return None
    return settings.model_copy(
        update={"images": words.most_common(1)[0][0], "image_path": "name" if only_names else "full"}
    )


def _images_of(folder: Folder, settings: SourceSettings, split: str, part: Part) -> tuple[str, bool] | None:
    alone = settings.model_copy(update={"splits": {split: part}})
    entries = islice(reader(settings.format)(alone, split), _NAMES)
    label = PurePosixPath(str(part)) if not is_pattern(str(part)) else PurePosixPath(str(part)).parent / "-"
    return folder.image_folder_of((entry.image for entry in entries if not entry.unnamed), label)


def _ways_to_say(images: str, split: str, beside: str) -> Iterator[str]:
    """Yield how `source.images` can mean a folder, so that it fits the other label files too."""
    parts = PurePosixPath(images).parts if images else ()
    yield "/".join("{split}" if part == split else part for part in parts)
    inside = PurePosixPath(images).parts[: len(PurePosixPath(beside).parts)]
    if beside and inside == PurePosixPath(beside).parts:
        yield "/".join(["{folder}", *parts[len(inside) :]])
    elif images == beside:
        yield "{folder}"
