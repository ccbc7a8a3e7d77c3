"""Detections and ground truth as the competitions exchange them: a folder or a zip of text files.

A ground truth ``gt_NAME.txt`` goes with the detections ``res_NAME.txt``; both prefixes may be left out. A
line is ``x1,y1,x2,y2,x3,y3,x4,y4`` (ICDAR 2015) or any number of points (curved text), then, in a ground
truth, ``,transcription``, in detections an optional score. ``###`` and ``*`` mark don't-care texts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from formats.errors import UsageError
from formats.sample import Points
from formats.storage import write_whole
from train.boxes import Detections
from train.metrics import PageTruth

DONT_CARE = frozenset({"###", "*"})
PREFIXES = ("gt_", "res_")
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Row:
    """One line: its points (V, 2) and what stands behind them."""

    polygon_V2: Points
    rest: str | None


def read_truths(path: Path, *, quads: bool) -> dict[str, PageTruth]:
    """Read ground truth files by name; `quads`: the first eight numbers are the outline.

    Raises:
        UsageError: no such files, or a line that is not of the format; names file and line.
    """
    pages = {}
    for name, text in _files(path):
        rows = [_row(line, quads, True, where) for line, where in _lines(text, name)]
        words = [row.rest or "" for row in rows]
        ignored_G = np.array([word in DONT_CARE for word in words], bool)
        pages[_key(name)] = PageTruth(tuple(row.polygon_V2 for row in rows), ignored_G, tuple(words))
    return pages


def read_detections(path: Path, *, quads: bool) -> dict[str, Detections]:
    """Read detection files by name, in the order of their lines; see `read_truths`."""
    pages = {}
    for name, text in _files(path):
        rows = [_row(line, quads, False, where) for line, where in _lines(text, name)]
        scores = np.array([_number(row.rest or "") or 0.0 for row in rows], np.float64)
        pages[_key(name)] = Detections(tuple(row.polygon_V2 for row in rows), scores)
    return pages


def detection_lines(found: Detections) -> str:
    """Return detections as lines of coordinates, whole pixels, without scores, as ICDAR takes them."""
    rounded = [np.rint(polygon_V2).astype(int).reshape(-1).tolist() for polygon_V2 in found.polygons]
    return "".join(",".join(map(str, row)) + "\n" for row in rounded)


def write_detections(folder: Path, pages: Mapping[str, Detections]) -> None:
    """Write ``res_NAME.txt`` files, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in pages.items():
        write_whole(folder / f"res_{name}.txt", detection_lines(found).encode())


def _files(path: Path) -> Iterator[tuple[str, str]]:
    files = _zipped(path) if path.is_file() else _in_folder(path)
    found = False
    for name, data in files:
        found = True
        try:
            yield name, data.decode("utf-8-sig")
        except UnicodeDecodeError:
            # Some published annotations are Latin-1; only their transcriptions differ.
            yield name, data.decode("latin-1")
    if not found:
        raise UsageError(str(path), expected="a folder or a zip of .txt files", found="none")


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.glob("*.txt")):
        yield file.name, file.read_bytes()


def _zipped(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                name = PurePosixPath(info.filename).name
                if name.endswith(".txt") and not name.startswith("."):
                    if info.file_size > MAX_BYTES:
                        raise UsageError(f"{info.filename} in {path}", expected=f"at most {MAX_BYTES} bytes")
                    yield name, archive.read(info)
    except (zipfile.BadZipFile, OSError) as error:
        raise UsageError(str(path), expected="a folder or a zip of .txt files", found=str(error)) from None


def _key(name: str) -> str:
    stem = name.removesuffix(".txt")
    for prefix in PREFIXES:
        stem = stem.removeprefix(prefix)
    return stem


def _lines(text: str, name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield line.strip(), f"{name}, line {number}"


def _row(line: str, quads: bool, annotated: bool, where: str) -> Row:
    fields = line.split(",")
    numbers = [_number(field) for field in fields]
    count = 8 if quads else _coordinates(numbers, annotated)
    values = numbers[:count]
    if len(values) < count or None in values or count < 6:
        raise UsageError(
            where,
            expected="8 numbers" if quads else "at least 3 points, x,y each",
            found=line[:80],
            next_step="for curved text: --protocol polygon" if quads else "",
        )
    rest = ",".join(fields[count:]).strip() if len(fields) > count else None
    return Row(np.array(values, np.float64).reshape(-1, 2), rest)


def _coordinates(numbers: list[float | None], annotated: bool) -> int:
    """Return how many leading fields are coordinates; an annotated line ends with a transcription."""
    leading = numbers.index(None) if None in numbers else len(numbers) - annotated
    return leading // 2 * 2


def _number(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
