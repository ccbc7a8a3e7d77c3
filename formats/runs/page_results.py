"""What a validation found on each page: `pages.jsonl` in a run's folder, for whoever looks at them later.

The first line is the heading: ``format``, ``step``, ``protocol``, ``monitor`` and ``value`` (what made this
validation the best). Each line after it is a page: ``key``, ``hmean``, ``precision``, ``recall``, ``found``
(polygons as [x, y] in pixels of the source image, to a tenth), ``scores`` of these, ``matched`` and
``ignored`` (indices into ``found``: those that are a text's, and those that count neither way), ``missed``
(indices of the page's texts).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from formats.errors import DamageError
from formats.storage import write_whole

PAGES = "pages.jsonl"
_FORMAT = "textshards-pages"

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class PageResult:
    """One page; see the head of this file."""

    key: str
    hmean: float
    precision: float
    recall: float
    found: tuple[Polygon, ...]
    scores: tuple[float, ...]
    matched: tuple[int, ...]
    ignored: tuple[int, ...]
    missed: tuple[int, ...]


@dataclass(frozen=True)
class PageResults:
    """The pages of one validation.

    Attributes:
        step: optimizer step of the weights that were judged.
        protocol: whose scores these are.
        monitor: the metric by which a run calls a validation its best.
        value: that metric's; None where it was not measured.
        pages: what was found, by key.
    """

    step: int
    protocol: str
    monitor: str
    value: float | None
    pages: dict[str, PageResult]


def write_page_results(path: Path, results: PageResults) -> None:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    heading = {
        "format": _FORMAT,
        "step": results.step,
        "protocol": results.protocol,
        "monitor": results.monitor,
        "value": results.value,
    }
    lines: Iterable[dict[str, Any]] = (heading, *(asdict(page) for page in results.pages.values()))
    write_whole(path, b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines))


def read_heading(path: Path) -> tuple[int, str, float | None] | None:
    """Return step, monitor and value of a file's heading; None where there is none, or it is another's."""
    try:
        with path.open("rb") as file:
            heading = json.loads(file.readline())
        return int(heading["step"]), str(heading["monitor"]), heading["value"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_page_results(path: Path) -> PageResults | None:
    """Read the file; None where there is none.

    Raises:
        DamageError: it is not what a run writes.
    """
    try:
        first, *rest = path.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    except ValueError:
        raise DamageError(str(path), expected="a heading and a line a page", found="an empty file") from None
    try:
        heading = json.loads(first)
        if heading["format"] != _FORMAT:
            raise ValueError(f"format {heading['format']!r:.40}")
        pages = [_page(json.loads(line)) for line in rest]
        return PageResults(
            int(heading["step"]),
            str(heading["protocol"]),
            str(heading["monitor"]),
            None if heading["value"] is None else float(heading["value"]),
            {page.key: page for page in pages},
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamageError(str(path), expected="pages as train.run writes them", found=repr(error)) from None


def _page(record: dict[str, Any]) -> PageResult:
    found = tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in record["found"])
    matched, ignored, missed = (tuple(map(int, record[name])) for name in ("matched", "ignored", "missed"))
    hmean, precision, recall = (float(record[name]) for name in ("hmean", "precision", "recall"))
    scores = tuple(map(float, record["scores"]))
    page = PageResult(str(record["key"]), hmean, precision, recall, found, scores, matched, ignored, missed)
    if len(scores) != len(found) or not all(0 <= index < len(found) for index in (*matched, *ignored)):
        raise ValueError(f"page {page.key!r:.60}: scores or indices beyond its boxes")
    return page
