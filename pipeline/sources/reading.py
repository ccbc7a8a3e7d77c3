"""Bytes of annotation files as text lines or JSON, under one written rule each."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from formats.errors import SourceError
from formats.places import Place
from formats.remote_path import RemotePath
from pipeline.sources.image_paths import relative_name
from pipeline.sources.record import Entry, SourceText, UnusableError

PIECE = 1 << 16
"""Bytes of a file that are read at once."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_CP1252_HOLES = {byte: chr(byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


def decode_text(data: bytes) -> str:
    """Decode a text file: UTF-8 (a BOM is dropped), or else Windows-1252, its five holes as in Latin-1.

    The rule cannot fail and changes no digit or comma, so that a wrong guess harms a transcription only.
    """
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return "".join(_CP1252_HOLES.get(byte) or bytes([byte]).decode("cp1252") for byte in data)


def text_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line) of the lines that are not blank; they end in LF, CRLF or CR."""
    for number, line in enumerate(_LINE_END.split(decode_text(data)), start=1):
        if line.strip():
            yield number, line


def parse_json(data: bytes | str) -> Any:
    """Parse JSON; a member name that stands twice in one object is a fault, not the last one wins.

    Raises:
        UnusableError: not JSON, not UTF-8, nested too deeply, or a member name stands twice.
    """
    try:
        return json.loads(data, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UnusableError(f"expected JSON, found a fault: {detail[:200]}") from None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {twice[:200]!a} stands twice in one object")
    return members


def read_bytes(root: Place, file: Place) -> bytes:
    """Read an annotation file that belongs to a whole split.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise broken_file(
            root, file, getattr(error, "strerror", None) or str(error), expected="a readable annotation file"
        ) from None


def read_small(file: Place) -> bytes:
    """Read a file that is most likely small: its size and a buffer would take as long again as its bytes.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(file, RemotePath):
        return file.read_bytes()
    descriptor = os.open(file, os.O_RDONLY)
    try:
        pieces = []
        while piece := os.read(descriptor, PIECE):
            pieces.append(piece)
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def read_json(root: Place, file: Place) -> Any:
    """Read a JSON file that belongs to a whole split.

    Raises:
        SourceError: it cannot be read or is not JSON.
    """
    try:
        return parse_json(read_bytes(root, file))
    except UnusableError as error:
        raise broken_file(root, file, error.reason, expected="a JSON annotation file") from None


def broken_file(
    root: Place, file: Place, found: str, *, expected: str, line: int | None = None
) -> SourceError:
    """Return the error for an annotation file that is broken as a whole."""
    name = relative_name(root, file) + (f":{line}" if line is not None else "")
    return SourceError(
        f"annotations {name} (below {root})",
        expected=expected,
        found=found,
        next_step="mend the file, or name another under source.splits or another source.format",
    )


def make_entry(
    image: str,
    where: str,
    parse: Callable[[], tuple[SourceText, ...]],
    *,
    folder: str | None = None,
    stated_size: tuple[int, int] | None = None,
) -> Entry:
    """Return the entry of one sample; a fault found while parsing its texts becomes its problem."""
    try:
        return Entry(image, where, parse(), folder=folder, stated_size=stated_size)
    except UnusableError as error:
        place = where if error.line is None else f"{where}:{error.line}"
        return Entry(image, place, problem=error.reason, folder=folder, stated_size=stated_size)
