"""A split in parts: a list of label files, a pattern of their names, or several pairs of folders.

Each part is read as if it were the split's only one, so that a format's reader knows nothing of the others;
a page that stands in two parts is settled as one that stands twice in a file is (gather.py).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module

from formats.errors import SourceError
from formats.places import Place, below, name_below
from pipeline.sources.formats import known
from pipeline.sources.patterns import is_pattern, matching
from pipeline.sources.record import Entry
from pipeline.sources.settings import MATCHING_FORMATS, FolderPair, Part, SourceSettings

ReadSplit = Callable[[SourceSettings, str], Iterator[Entry]]


def reader(name: str) -> ReadSplit:
    """Return what yields the entries of one split of a source in that format, whatever parts it has."""
    read_part: ReadSplit = import_module(f"pipeline.sources.{known(name)}").read

    def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
        for part in parts_of(settings, split):
            images = settings.images.replace("{folder}", folder_of(settings.root, part))
            alone = settings.model_copy(update={"splits": {split: part}, "images": images})
            for entry in read_part(alone, split):
                # gather.py knows the split's `images` alone, not the part's.
                elsewhere = images != settings.images and entry.folder is None
                yield replace(entry, folder=alone.images_folder(split)) if elsewhere else entry

    return read


def parts_of(settings: SourceSettings, split: str) -> list[Part]:
    """Return the parts of a split, each once, with the files that match in place of a pattern.

    Raises:
        SourceError: a pattern that nothing matches.
    """
    value = settings.splits[split]
    found: list[Part] = []
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, FolderPair) or settings.format in MATCHING_FORMATS or not is_pattern(part):
            found.append(part)
        else:
            found += _matching(settings.root, split, part)
    return list(dict.fromkeys(found))


def _matching(root: Place, split: str, pattern: str) -> list[str]:
    if below(root, pattern).is_file():  # a name with a bracket in it
        return [pattern]
    try:
        files, found = [file for file in matching(root, pattern) if file.is_file()], "none"
    except (OSError, ValueError, LookupError) as error:
        files, found = [], str(error)
    if not files:
        raise SourceError(
            f"split {split!r}",
            expected=f"label files matching {pattern[:200]!r} below {root}",
            found=found,
            next_step=f"mend source.splits.{split}",
        )
    return [_name(root, file) for file in files]


def folder_of(root: Place, part: Part) -> str:
    """Return the folder of a label file, relative to the root; of a pair of folders, the root itself."""
    if isinstance(part, FolderPair):
        return ""
    return posixpath.dirname(_name(root, below(root, part)))


def _name(root: Place, file: Place) -> str:
    """Return a file as a split would name it."""
    try:
        return name_below(file, root)
    except ValueError:
        return str(file)
