"""In which format a folder's labels are written: by their look, then by what the readers make of them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from formats.errors import SourceError, UsageError
from pipeline.sources import FORMATS, Annotations, FolderPair, SourceSettings, read_annotations, reader
from pipeline.sources.pairs import gt_names
from pipeline.sources.reading import text_lines
from pipeline.start.folder import Folder
from pipeline.start.sniff import kind_of

Splits = dict[str, str | FolderPair]

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
_LOOKED_AT = 12
"""Files of a folder of many that are opened to see what they hold."""
_NAMES = 200


@dataclass(frozen=True)
class Recognised:
    """Settings under which a folder's labels can be read, and what comes of it."""

    settings: SourceSettings
    annotations: Annotations

    @property
    def rank(self) -> tuple[int, int, int]:
        """How well these settings fit: pages found, few refused, few splits."""
        found = self.annotations
        return len(found.records), -len(found.rejected), -len(self.settings.splits)


def recognise(folder: Folder) -> list[Recognised]:
    """Return the readings of a folder under which pages are found, the best first.

    Raises:
        UsageError: no label file of a known format, or none that names a page of the folder.
    """
    kinds = _kinds(folder)
    tried = [_tried(folder, label_format, splits) for label_format, splits in _candidates(folder, kinds)]
    found = sorted(
        (reading for reading in tried if reading is not None and reading.annotations.records),
        key=lambda reading: reading.rank,
        reverse=True,
    )
    if not found:
        seen = Counter(kind for files in kinds.values() for kind in files.values())
        raise UsageError(
            f"--init {folder.root}",
            expected=f"labels of its {len(folder.images)} pages in one of the formats {', '.join(FORMATS)}",
            found=", ".join(f"{count} files like {kind}" for kind, count in sorted(seen.items())) or "none",
            next_step="docs/sources.md shows each format; write source.format, root and splits by hand",
        )
    return found


def _kinds(folder: Folder) -> dict[PurePosixPath, dict[PurePosixPath, str]]:
    """Return what each folder's label files seem to be; of many alike only some are opened."""
    kinds: dict[PurePosixPath, dict[PurePosixPath, str]] = {}
    for parent, files in folder.labels.items():
        opened = {file: kind_of(folder.root / file) for file in files[:_LOOKED_AT]}
        per_page = {kind for kind in opened.values() if kind is not None}
        rest = files[_LOOKED_AT:]
        if len(per_page) == 1 and per_page <= {"icdar", "polygons", "labelme"}:
            opened.update(dict.fromkeys(rest, per_page.pop()))
        else:
            opened.update({file: kind_of(folder.root / file) for file in rest})
        kinds[parent] = {file: kind for file, kind in opened.items() if kind is not None}
    return kinds


def _candidates(
    folder: Folder, kinds: dict[PurePosixPath, dict[PurePosixPath, str]]
) -> Iterator[tuple[str, Splits]]:
    whole: dict[str, list[PurePosixPath]] = defaultdict(list)
    page: dict[str, Counter[PurePosixPath]] = defaultdict(Counter)
    for parent, files in kinds.items():
        for file, kind in files.items():
            if kind in ("icdar", "polygons", "labelme"):
                page[kind][parent] += 1
            else:
                whole[kind].append(file)
    for kind, files_of_kind in whole.items():
        for splits in _splits_of(files_of_kind):
            yield _listed_kind(folder, splits) if kind == "list" else kind, splits
    for kind, parents in page.items():
        if kind == "labelme":
            yield from ((kind, splits) for splits in _splits_of(list(parents), "/*.json"))
            continue
        pairs = {parent: pair for parent in parents if (pair := _paired(folder, parent)) is not None}
        for named in _named(list(pairs)):
            # A folder in which quadrilaterals and polygons mix is one of polygons.
            yield "polygons" if "polygons" in page else kind, {name: pairs[p] for name, p in named.items()}


def _listed_kind(folder: Folder, splits: Splits) -> str:
    """Return how the annotation files are written that lists of `image<TAB>annotation` lines name."""
    kinds: Counter[str] = Counter()
    for listing in splits.values():
        for _, line in islice(text_lines((folder.root / str(listing)).read_bytes()), _LOOKED_AT):
            kinds[kind_of(folder.root / line.partition("\t")[2].strip()) or ""] += 1
    return "polygons" if kinds["polygons"] > kinds["icdar"] else "icdar"


def _splits_of(places: list[PurePosixPath], suffix: str = "") -> Iterator[Splits]:
    for named in _named(places):
        yield {name: f"{place}{suffix}".removeprefix("./") for name, place in named.items()}


def _named(places: list[PurePosixPath]) -> Iterator[dict[str, PurePosixPath]]:
    """Yield places under names of splits: together where each has a name of its own, and one by one."""
    if not places:
        return
    named: dict[str, list[PurePosixPath]] = defaultdict(list)
    for place in places:
        named[split_name(place)].append(place)
    if all(len(same) == 1 for same in named.values()):
        yield {name: same[0] for name, same in named.items()}
    for name, same in named.items():
        if len(named) > 1 or len(same) > 1:
            yield from ({name: place} for place in same)


def split_name(place: PurePosixPath) -> str:
    """Return the split that a path speaks of, by the word nearest its end; "train" where of none."""
    for part in reversed(place.parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return "train"


def _paired(folder: Folder, labels: PurePosixPath) -> FolderPair | None:
    """Return a folder of labels with the folder of images that most of them go with."""
    known = {file.name for file in folder.labels[labels]}
    fitting: Counter[PurePosixPath] = Counter()
    for image in folder.images:
        if any(name.name in known for name in gt_names(PurePosixPath(image.name))):
            fitting[image.parent] += 1
    if not fitting:
        return None
    images = min(fitting, key=lambda parent: (-fitting[parent], len(parent.parts), parent))
    return FolderPair(images="" if images == PurePosixPath(".") else str(images), gt=str(labels))


def _tried(folder: Folder, label_format: str, splits: Splits) -> Recognised | None:
    settings = SourceSettings.model_validate(
        {"format": label_format, "root": folder.root, "splits": splits, "dont_care": _DONT_CARE}
    )
    plain = _read(settings)
    if plain is not None and not plain.annotations.rejected:
        return plain
    if any(isinstance(value, FolderPair) for value in splits.values()):
        return plain
    located = _located(folder, settings)
    readings = [plain, _read(located) if located is not None else None]
    return max((reading for reading in readings if reading), key=lambda r: r.rank, default=None)


_DONT_CARE = SourceSettings.model_fields["dont_care"].default


def _read(settings: SourceSettings) -> Recognised | None:
    try:
        return Recognised(settings, read_annotations(settings))
    except SourceError:
        return None


def _located(folder: Folder, settings: SourceSettings) -> SourceSettings | None:
    """Return the settings with the folder in which the images that the labels name were found."""
    found: dict[str, tuple[str, bool]] = {}
    for split in settings.splits:
        try:
            entries = islice(reader(settings.format)(settings, split), _NAMES)
            place = folder.image_folder_of(entry.image for entry in entries if not entry.unnamed)
        except SourceError:
            return None
        if place is not None:
            found[split] = place
    if not found:
        return None
    templates = Counter(_template(images, split) for split, (images, _) in found.items())
    only_names = any(names for _, names in found.values())
    return settings.model_copy(
        update={
            "images": templates.most_common(1)[0][0],
            "image_path": "name" if only_names else "full",
        }
    )


def _template(images: str, split: str) -> str:
    parts = PurePosixPath(images).parts if images else ()
    return "/".join("{split}" if part == split else part for part in parts)
