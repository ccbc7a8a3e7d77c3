"""Which sources a folder's label files could make: guesses by names and by looks, for the readers to try."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

from formats.errors import SourceError
from pipeline.sources.cocotext import sets_of
from pipeline.sources.pairs import gt_names
from pipeline.sources.reading import text_lines
from pipeline.sources.settings import SPLIT_NAME, FolderPair, Part
from pipeline.start.folder import Folder, Kinds, folder_text
from pipeline.start.sniff import kind_of

Splits = dict[str, Part | tuple[Part, ...]]

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
_TEXT_A_PAGE = frozenset({"icdar", "polygons"})
_A_PAGE = _TEXT_A_PAGE | {"labelme"}
"""Formats with a file a page."""


def kinds_of(folder: Folder) -> Kinds:
    """Return what each folder's label files seem to be; of many alike only some are opened."""
    kinds: Kinds = {}
    for parent, files in folder.labels.items():
        opened = {file: kind_of(folder.root / file) for file in files[:_LOOKED_AT]}
        found = {kind for kind in opened.values() if kind is not None}
        rest = files[_LOOKED_AT:]
        if len(found) == 1 and found <= _A_PAGE:
            opened.update(dict.fromkeys(rest, found.pop()))
        else:
            opened.update({file: kind_of(folder.root / file) for file in rest})
        kinds[parent] = {file: kind for file, kind in opened.items() if kind is not None}
    return kinds


def candidates(folder: Folder, kinds: Kinds) -> Iterator[tuple[str, Splits]]:
    """Yield formats and splits that may read the folder's labels."""
    whole: dict[str, list[PurePosixPath]] = defaultdict(list)
    a_page: dict[str, dict[PurePosixPath, None]] = defaultdict(dict)
    for parent, files in kinds.items():
        for file, kind in files.items():
            if kind in _A_PAGE:
                a_page[kind][parent] = None
            else:
                whole[kind].append(file)
    # One file holds the splits of COCO-Text, under names of its own.
    for place in whole.pop("cocotext", ()):
        yield "cocotext", dict.fromkeys(_sets(folder, place), str(place))
    for kind, places in whole.items():
        for splits in _arranged({place: str(place) for place in places}):
            yield _listed_kind(folder, splits) if kind == "list" else kind, splits
    patterns: dict[PurePosixPath, Part] = {
        parent: f"{parent}/*.json".removeprefix("./") for parent in a_page.get("labelme", ())
    }
    yield from (("labelme", splits) for splits in _arranged(patterns))
    # A folder in which quadrilaterals and polygons mix is one of polygons.
    text_kind = "polygons" if "polygons" in a_page else "icdar"
    parents = dict.fromkeys(parent for kind in sorted(_TEXT_A_PAGE) for parent in a_page.get(kind, ()))
    pairs: dict[PurePosixPath, Part] = {
        parent: pair for parent in parents if (pair := _paired(folder, parent)) is not None
    }
    yield from ((text_kind, splits) for splits in _arranged(pairs))


def _sets(folder: Folder, place: PurePosixPath) -> list[str]:
    try:
        found = sets_of(folder.root, folder.root / place)
    except SourceError:
        found = []
    return [name for name in found if SPLIT_NAME.fullmatch(name)] or ["train"]


def _arranged(parts: Mapping[PurePosixPath, Part]) -> Iterator[Splits]:
    """Yield parts under the splits' names that their places speak of: all together, and one by one."""
    named: dict[str, list[Part]] = defaultdict(list)
    for place, part in parts.items():
        named[split_name(place)].append(part)
    if len(parts) > 1:
        above = {name: parent for name, same in named.items() if (parent := _above(same)) is not None}
        together: Splits = {name: tuple(same) if len(same) > 1 else same[0] for name, same in named.items()}
        yield together
        if above:
            yield together | above
    for name, same in named.items():
        for part in same:
            yield {name: part}


def _above(parts: Sequence[Part]) -> FolderPair | None:
    """Return the one pair of folders in which several pairs lie, each at the same place below both."""
    above = set()
    for part in parts:
        if not isinstance(part, FolderPair):
            return None
        images, gt = PurePosixPath(part.images).parts, PurePosixPath(part.gt).parts
        while images and gt and images[-1] == gt[-1]:
            images, gt = images[:-1], gt[:-1]
        above.add((images, gt))
    if len(parts) < 2 or len(above) > 1:
        return None
    images, gt = above.pop()
    return FolderPair(images="/".join(images), gt="/".join(gt) or ".")


def split_name(place: PurePosixPath) -> str:
    """Return the split that a path speaks of, by the word nearest its end; "train" where of none."""
    for part in reversed(place.parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return "train"


def _listed_kind(folder: Folder, splits: Splits) -> str:
    """Return how the annotation files are written that lists of `image<TAB>annotation` lines name."""
    kinds: Counter[str] = Counter()
    listings = [name for part in splits.values() for name in (part if isinstance(part, tuple) else (part,))]
    for listing in listings:
        for _, line in islice(text_lines((folder.root / str(listing)).read_bytes()), _LOOKED_AT):
            kinds[kind_of(folder.root / line.partition("\t")[2].strip()) or ""] += 1
    return "polygons" if kinds["polygons"] > kinds["icdar"] else "icdar"


def _paired(folder: Folder, labels: PurePosixPath) -> FolderPair | None:
    """Return a folder of labels with the folder of images that it goes with; None: none, or several."""
    known = {file.name for file in folder.labels[labels]}
    fitting: Counter[str] = Counter()
    for image in folder.images:
        if any(name.name in known for name in gt_names(PurePosixPath(image.name))):
            fitting[folder_text(image.parent)] += 1
    images = folder.nearest(fitting, labels) if fitting else None
    return None if images is None else FolderPair(images=images, gt=str(labels))
