"""Images paired with annotation files of their own, by a list file or by two folders."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath

from formats.errors import SourceError
from formats.image_header import IMAGE_SUFFIXES
from formats.places import Place, below
from formats.remote_path import RemotePath
from pipeline.sources.image_paths import Inside, check_file, image_path, locate, relative_name
from pipeline.sources.reading import broken_file, make_entry, read_bytes, read_small, text_lines
from pipeline.sources.record import Entry, SourceText, UnusableError
from pipeline.sources.settings import FolderPair, SourceSettings

GT_NAMES = ("{stem}.txt", "gt_{stem}.txt", "{name}.txt", "gt_{name}.txt", "poly_gt_{stem}.txt")

ParseText = Callable[[bytes], tuple[SourceText, ...]]


def read_pairs(settings: SourceSettings, split: str, parse: ParseText) -> Iterator[Entry]:
    """Yield an entry for each image of a split whose annotation is a text file of its own.

    Raises:
        SourceError: the list or a folder cannot be read, or a line of the list is no `image<TAB>annotation`.
    """
    value = settings.splits[split]
    if isinstance(value, FolderPair):
        folder = posixpath.join(settings.images_folder(split), value.images)
        return _folder_entries(settings.root, folder, below(settings.root, value.gt), parse)
    return _list_entries(settings, str(value), parse)


def _list_entries(settings: SourceSettings, value: str, parse: ParseText) -> Iterator[Entry]:
    root = settings.root
    list_file, within = below(root, value), Inside(root)
    list_name = relative_name(root, list_file)
    for number, line in text_lines(read_bytes(root, list_file)):
        image, tab, gt = (part.strip() for part in line.partition("\t"))
        if not (tab or gt) or not image or not gt:
            raise broken_file(
                root, list_file, repr(line[:100]), expected="lines of image<TAB>annotation file", line=number
            )
        try:
            gt_file = locate(root, image_path("", gt), within)
        except UnusableError as error:
            yield Entry(image, f"{list_name}:{number}", problem=f"its annotation: {error.reason}")
            continue
        yield _pair_entry(root, image, gt_file, parse, None)


def _pair_entry(
    root: Place,
    image: str,
    gt_file: Place,
    parse: ParseText,
    within: Inside | None,
    folder: str | None = None,
) -> Entry:
    """Return the entry of an image and its annotation file; without `within`, `locate` found that file."""

    def texts() -> tuple[SourceText, ...]:
        try:
            if within is not None:
                check_file(root, gt_file, within)
            data = read_small(gt_file)
        except UnusableError as error:
            raise UnusableError(f"its annotation: {error.reason}") from None
        except OSError as error:
            raise UnusableError(f"its annotation cannot be read: {error.strerror}") from None
        return parse(data)

    return make_entry(image, relative_name(root, gt_file), texts, folder=folder)


def _folder_entries(root: Place, images_folder: str, gt_folder: Place, parse: ParseText) -> Iterator[Entry]:
    images = [name for name in _files(root / images_folder) if name.suffix.lower() in IMAGE_SUFFIXES]
    # By their NFC: one system spells names in NFC, another in NFD, and data travels.
    gts: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for file in _files(gt_folder):
        if file.suffix.lower() == ".txt":
            gts[_composed(file)].append(file)
    named = {
        image: [gt for name in gt_names(_composed(image)) for gt in gts.get(name, ())] for image in images
    }
    within = Inside(root)
    claims = Counter(gt for found in named.values() for gt in found)
    for image, found in named.items():
        problem = _pairing_problem(found, claims)
        if problem is None:
            yield _pair_entry(root, str(image), gt_folder / found[0], parse, within, images_folder)
        else:
            yield Entry(str(image), relative_name(root, gt_folder), problem=problem, folder=images_folder)
    for gt in sorted({*chain.from_iterable(gts.values())} - set(claims)):
        name = relative_name(root, gt_folder / gt)
        yield Entry(
            name,
            name,
            problem=f"no image of this annotation in {images_folder or 'the source root'!r}",
            unnamed=True,
        )


def _composed(name: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(unicodedata.normalize("NFC", str(name)))


def gt_names(image: PurePosixPath) -> Iterable[PurePosixPath]:
    """Return the names that the annotation file of an image may have, in its own folder."""
    names = (pattern.format(stem=image.stem, name=image.name) for pattern in GT_NAMES)
    return (image.with_name(name) for name in dict.fromkeys(names))


def _pairing_problem(found: list[PurePosixPath], claims: Counter[PurePosixPath]) -> str | None:
    if not found:
        return f"expected an annotation file named {' or '.join(GT_NAMES)}, found none"
    if len(found) > 1:
        return f"expected one annotation file, found {' and '.join(map(str, found))}"
    if claims[found[0]] > 1:
        return f"expected an annotation file of its own, found {found[0]} belonging to several images"
    return None


def _files(folder: Place) -> list[PurePosixPath]:
    names: list[PurePosixPath] = []
    if isinstance(folder, RemotePath):
        return _objects(folder)

    def failed(error: OSError) -> None:
        raise SourceError(
            f"folder {folder}",
            expected="a readable folder",
            found=error.strerror or str(error),
            next_step="mend source.root or source.splits",
        )

    try:
        for parent, folders, files in os.walk(folder, onerror=failed):
            folders.sort()
            below = Path(parent).relative_to(folder).as_posix()
            names += [PurePosixPath(below) / file for file in files]
    except ValueError as error:  # a name with a null byte
        failed(OSError(0, str(error)))
    return sorted(names)


def _objects(folder: RemotePath) -> list[PurePosixPath]:
    names = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    if names:
        return names
    raise SourceError(
        f"folder {folder}",
        expected="a prefix with objects below it",
        found="none",
        next_step="mend source.root or source.splits",
    )
