"""What kind of annotation a file seems to hold; the formats' own readers have the last word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipeline.sources.icdar import parse_line
from pipeline.sources.reading import parse_json, text_lines
from pipeline.sources.record import UnusableError
from pipeline.sources.text_fields import leading_numbers

_LOOKED_AT = 1 << 16
_QUADRILATERAL = 8
_MANY = 0.3
"""Share of lines with five vertices or more that makes polygons: a text may begin with numbers."""


def kind_of(file: Path) -> str | None:
    """Return the format a file seems to be written in: a `source.format`, "list", or None.

    "icdar" and "polygons" mean a page's own annotation file; "list" a file of `image<TAB>annotation` lines.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(_LOOKED_AT)
    except OSError:
        return None
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _json_kind(file, head)
    return _text_kind(head)


def _json_kind(file: Path, head: bytes) -> str | None:
    first = re.split(rb"[\r\n]", head.lstrip(b"\xef\xbb\xbf \t\r\n"), maxsplit=1)[0]
    try:
        line = parse_json(first)
    except UnusableError:
        line = None
    if isinstance(line, dict) and "file_name" in line and "annotations" in line:
        return "mmocr0"
    try:
        return _object_kind(parse_json(file.read_bytes()))
    except (UnusableError, OSError):
        return None


def _object_kind(whole: Any) -> str | None:
    if not isinstance(whole, dict):
        return None
    if isinstance(whole.get("images"), dict):
        return "ufo"
    if isinstance(whole.get("imgs"), dict) and isinstance(whole.get("anns"), dict):
        return "cocotext"
    if isinstance(whole.get("images"), list) and isinstance(whole.get("annotations"), list):
        return "coco"
    if isinstance(whole.get("data_list"), list):
        return "mmocr1"
    return "labelme" if isinstance(whole.get("shapes"), list) else None


def _text_kind(head: bytes) -> str | None:
    # What the cut may have torn is left out, but for a file of one line.
    lines = [line for _, line in text_lines(head)]
    lines = lines[:-1] if len(head) == _LOOKED_AT and len(lines) > 1 else lines
    if not lines:
        return None
    if all("\t" in line for line in lines):
        labels = [line.partition("\t")[2].lstrip() for line in lines]
        return "paddle" if labels[0].startswith("[") else "list"
    many = sum(len(leading_numbers(line.split(","))) >= _QUADRILATERAL + 2 for line in lines)
    if many > _MANY * len(lines):
        return "polygons"
    if sum(map(_of_icdar, lines)) * 2 >= len(lines):
        return "icdar"
    numbers = [len(leading_numbers(line.split(","))) for line in lines]
    return "polygons" if min(numbers) >= 1 and max(numbers) >= 6 else None


def _of_icdar(line: str) -> bool:
    """Tell whether a line is ICDAR's; where most are, the others are damaged: they change no format."""
    try:
        parse_line(line, ())
    except UnusableError:
        return False
    return True
