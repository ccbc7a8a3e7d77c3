"""What lies in a folder of labelled pages: images by name, and files that may be annotations."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath

from formats.errors import UsageError
from formats.image_header import IMAGE_SUFFIXES

Kinds = dict[PurePosixPath, dict[PurePosixPath, str]]
"""What the label files of each folder seem to be."""
LABEL_SUFFIXES = (".txt", ".json", ".jsonl")


@dataclass
class Folder:
    """A folder, looked through once; all paths are relative to it, with forward slashes.

    Attributes:
        root: the folder.
        images: the images' paths, sorted.
        labels: the paths of text and JSON files by their folder, sorted.
        kinds: what the label files of each folder seem to be, once `recognise` has looked at them.
        undecided: label files, without suffix, or folders of them, that fit several folders of images.
    """

    root: Path
    images: list[PurePosixPath] = field(default_factory=list)
    labels: dict[PurePosixPath, list[PurePosixPath]] = field(default_factory=lambda: defaultdict(list))
    kinds: Kinds = field(default_factory=dict)
    undecided: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the images by file name."""
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        for image in self.images:
            self._by_name[image.name].append(image)

    def image_folder_of(self, names: Iterable[str], label: PurePosixPath) -> tuple[str, bool] | None:
        """Return the folder that images named in a label file are relative to; None where none can be told.

        The second value tells that only the names' last parts are found, in other folders than they say.
        """
        whole: Counter[str] = Counter()
        last: Counter[str] = Counter()
        label = label.with_suffix("")
        for name in names:
            written = PurePosixPath(name.replace("\\", "/"))
            for image in self._by_name.get(written.name, ()):
                last[folder_text(image.parent)] += 1
                parts = written.parts
                if image.parts[-len(parts) :] == parts:
                    whole[folder_text(PurePosixPath(*image.parts[: -len(parts)]))] += 1
        for found, only_names in ((whole, False), (last, True)):
            if found:
                nearest = self.nearest(found, label)
                return None if nearest is None else (nearest, only_names)
        return None

    def nearest(self, fitting: Mapping[str, int], label: PurePosixPath) -> str | None:
        """Return the folder of images with which labels go: the most that fit, of equals the nearest by name.

        Where names do not tell either, None: the labels of one folder are not drawn on the pages of another.
        `undecided` then holds the folders.

        Args:
            fitting: number of fitting images by folder.
            label: the label file without its suffix, or the folder of label files.
        """

        def rank(folder: str) -> tuple[int, int, int]:
            parts = PurePosixPath(folder).parts
            pairs = zip(parts, label.parts, strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            return fitting[folder], shared, len(_words(folder) & _words(str(label)))

        best = max(map(rank, fitting))
        first, *others = sorted(folder for folder in fitting if rank(folder) == best)
        if others:
            self.undecided[str(label)] = [first, *others]
            return None
        return first


def look_through(root: Path) -> Folder:
    """Walk through a folder; hidden files and folders are passed over, links to folders not followed.

    Raises:
        UsageError: it is no folder, or holds no image of a known kind.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing there"
        raise UsageError(f"--init {root}", expected="a folder of labelled pages", found=found)
    images, labels = [], defaultdict(list)
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = PurePosixPath(Path(parent).relative_to(root).as_posix())
        for name in sorted(name for name in files if not name.startswith(".")):
            suffix = PurePosixPath(name).suffix.lower()
            if suffix in IMAGE_SUFFIXES:
                images.append(below / name)
            elif suffix in LABEL_SUFFIXES:
                labels[below].append(below / name)
    if not images:
        raise UsageError(
            f"--init {root}",
            expected=f"pages below it: files ending in {', '.join(IMAGE_SUFFIXES)}",
            found=f"none among {sum(map(len, labels.values()))} label files",
            next_step="name the folder that holds the images and their labels",
        )
    return Folder(root, sorted(images), labels)


def _words(path: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[0-9]+", path.lower()))


def folder_text(folder: PurePosixPath) -> str:
    """Return a folder as settings name it: the root itself is an empty text."""
    return "" if folder == PurePosixPath(".") or not folder.parts else str(folder)
