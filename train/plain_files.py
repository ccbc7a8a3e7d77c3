"""Detections and ground truth as the competitions exchange them: a folder or a zip of text files.

A ground truth ``gt_NAME.txt`` goes with the detections ``res_NAME.txt``; prefixes, and a picture's suffix
before ``.txt``, may be left out. A line is ``x1,y1,x2,y2,x3,y3,x4,y4`` (ICDAR 2015) or any number of points
(curved text), then, in a ground truth, ``,transcription``, in detections an optional score. ``###`` marks
don't-care texts, among polygons ``*`` too. Total-Text's own ground truth (``x: [[...]], y: [[...]], ...``) is
read as well; there ``#`` marks them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from formats.errors import UsageError
from formats.image_header import without_image_suffix
from formats.sample import Points
from formats.storage import write_whole
from train.boxes import Detections
from train.metrics import PageTruth

DONT_CARE = "###"
PREFIXES = ("poly_gt_", "gt_", "res_")
MAX_BYTES = 1 << 24
TOTAL_TEXT = re.compile(
    r"x:\s*\[\[([^\]]*)\]\]\s*,\s*y:\s*\[\[([^\]]*)\]\]\s*,\s*ornt:\s*\[[^\]]*\]\s*,"
    r"\s*transcriptions:\s*\[(.*?)\][ \t]*(?=[\r\n]+x:|\s*$)",
    re.DOTALL,
)
"""A text of Total-Text's ground truth; its numbers may run over several lines."""


@dataclass(frozen=True)
class Row:
    """One line: its points (V, 2), and the fields behind them; no field where nothing stands there."""

    polygon_V2: Points
    rest: tuple[str, ...]


def read_truths(path: Path, *, quads: bool) -> dict[str, PageTruth]:
    """Read ground truth files by name; `quads`: the first eight numbers are the outline.

    Raises:
        UsageError: no such files, or a line that is not of the format; names file and line.
    """
    pages = {}
    for key, name, data in _files(path):
        if not quads and data.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"x:"):
            pages[key] = _total_text(_text(data), name)
            continue
        rows = [_row(line, quads, True, where) for line, where in _lines(data, name)]
        words = tuple(_unquoted(",".join(row.rest)) if row.rest else None for row in rows)
        ignored_G = np.array([word == DONT_CARE or (word == "*" and not quads) for word in words], bool)
        pages[key] = PageTruth(tuple(row.polygon_V2 for row in rows), ignored_G, words)
    return pages


def read_detections(path: Path, *, quads: bool) -> dict[str, Detections]:
    """Read detection files by name; see `read_truths`.

    They are in the order of their lines; where every line of a file has a score, the best first.
    """
    pages = {}
    for key, name, data in _files(path):
        rows = [_row(line, quads, False, where) for line, where in _lines(data, name)]
        given = [_number(row.rest[0]) if row.rest else None for row in rows]
        scores = np.array([score or 0.0 for score in given], np.float64)
        # As officially, matching goes by confidence where there is one; stable: equal ones keep their order.
        order = range(len(rows)) if None in given else np.argsort(-scores, kind="stable").tolist()
        polygons = tuple(rows[index].polygon_V2 for index in order)
        pages[key] = Detections(polygons, scores[list(order)])
    return pages


def detection_lines(found: Detections) -> str:
    """Return detections as lines of coordinates, without scores, as ICDAR takes them.

    Its program refuses a coordinate with a fraction, so that they are whole pixels: scored from these lines
    a page may differ in the third digit from the boxes as they were found.
    """
    rounded = [np.rint(polygon_V2).astype(int).reshape(-1).tolist() for polygon_V2 in found.polygons]
    return "".join(",".join(map(str, row)) + "\n" for row in rounded)


def result_names(names: Sequence[str], places: Sequence[str] = ()) -> list[str]:
    """Return a name for the results of each page: without an image's suffix, unless others would have it too.

    Args:
        names: of the pages.
        places: what errors call each; by default its name.

    Raises:
        UsageError: two of the names are equal.
    """
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(
            f"pages called {twice[0]!r}",
            expected="names that differ: results are written by name",
            found=", ".join(
                place for place, name in zip(places or names, names, strict=True) if name == twice[0]
            ),
            next_step="rename one of them, or write their results into two folders",
        )
    short = [without_image_suffix(name) for name in names]
    counts = Counter(short)
    chosen = [one if counts[one] == 1 else name for one, name in zip(short, names, strict=True)]
    return chosen if len(set(chosen)) == len(chosen) else list(names)


def box_records(found: Detections) -> list[dict[str, Any]]:
    """Return detections as plain values: "polygon", in pixels to the hundredth, and "score"."""
    return [
        {"polygon": polygon_V2.round(2).tolist(), "score": round(float(score), 4)}
        for polygon_V2, score in zip(found.polygons, found.scores, strict=True)
    ]


def write_detections(folder: Path, pages: Mapping[str, Detections]) -> None:
    """Write ``res_NAME.txt`` files, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in pages.items():
        write_whole(folder / f"res_{name}.txt", detection_lines(found).encode())


def _files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield the key of a page, the name of its file, and the file's bytes."""
    names: dict[str, str] = {}
    for name, data in _zipped(path) if path.is_file() else _in_folder(path):
        key = _key(PurePosixPath(name).name)
        if key in names:
            raise UsageError(f"{name} in {path}", expected="one file a page", found=f"{names[key]} besides")
        names[key] = name
        yield key, name, data
    if not names:
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
                    yield info.filename, archive.read(info)
    # RuntimeError: encrypted, or packed in a way that Python does not know.
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, zlib.error) as error:
        raise UsageError(str(path), expected="a folder or a zip of .txt files", found=str(error)) from None


def _key(name: str) -> str:
    stem = name.removesuffix(".txt")
    for prefix in PREFIXES:
        stem = stem.removeprefix(prefix)
    while (shorter := without_image_suffix(stem)) != stem:
        stem = shorter
    return stem


def _lines(data: bytes, name: str) -> Iterator[tuple[str, str]]:
    # Only a line feed ends a line: transcriptions hold other characters that str.splitlines ends one at.
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        text = _text(line).replace("\r", "")
        if text.strip():
            yield text, f"{name}, line {number}"


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Some published annotations are Latin-1; only their transcriptions differ.
        return data.decode("latin-1")


def _unquoted(word: str) -> str:
    """Return a transcription without the quotation marks, and their escapes, that some formats write."""
    inner = word.strip()
    if len(inner) >= 2 and inner[0] == inner[-1] == '"':
        return inner[1:-1].replace("\\\\", "\\").replace('\\"', '"')
    return word


def _total_text(text: str, name: str) -> PageTruth:
    polygons, words = [], []
    end = 0
    for found in TOTAL_TEXT.finditer(text):
        xs, ys = ([_number(field) for field in found[axis].split()] for axis in (1, 2))
        if text[end : found.start()].strip() or None in xs + ys or len(xs) != len(ys) or not xs:
            break
        polygons.append(np.array([xs, ys], np.float64).T)
        words.append(found[3].strip().removeprefix("u").strip("'\""))
        end = found.end()
    if text[end:].strip():
        raise UsageError(
            f"{name}, after text {len(words)}",
            expected="x: [[...]], y: [[...]], ornt: [...], transcriptions: [...]",
            found=text[end : end + 80].strip(),
        )
    return PageTruth(tuple(polygons), np.array([word == "#" for word in words], bool), tuple(words))


def _row(line: str, quads: bool, annotated: bool, where: str) -> Row:
    fields = line.split(",")
    numbers = [_number(field) for field in fields]
    leading = numbers.index(None) if None in numbers else len(numbers)
    # An annotated line ends with a transcription, which may be a number.
    count = 8 if quads else min(leading, len(numbers) - annotated) // 2 * 2
    if leading < count or count < 6 or (quads and not annotated and leading > 9):
        raise UsageError(
            where,
            expected="8 numbers" if quads else "at least 3 points, x,y each",
            found=line[:80],
            next_step="for curved text: --protocol polygon, or --outline polygon" if quads else "",
        )
    return Row(np.array(numbers[:count], np.float64).reshape(-1, 2), tuple(fields[count:]))


def _number(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in field else None
