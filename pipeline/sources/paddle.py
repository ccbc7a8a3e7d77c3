"""PaddleOCR `Label.txt`: one line an image, `path<TAB>[{"transcription", "points": [[x, y], ...]}, ...]`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from formats.places import below
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, make_entry, parse_json, read_bytes, text_lines
from pipeline.sources.record import Entry, SourceText
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import json_list, json_object, json_text, make_text, paired_polygon


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; its annotation is one label file.

    Raises:
        SourceError: the file cannot be read, or a line has no image path and tab.
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    name = relative_name(root, file)
    for number, line in text_lines(read_bytes(root, file)):
        image, tab, label = line.partition("\t")
        if not tab or not image.strip():
            raise broken_file(
                root, file, repr(line[:100]), expected="lines of path<TAB>JSON list", line=number
            )
        yield make_entry(image.strip(), f"{name}:{number}", partial(_texts, label, settings.dont_care))


def _texts(label: str, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    items = json_list(parse_json(label), "the label")
    return tuple(_text(item, f"item {index}", dont_care) for index, item in enumerate(items))


def _text(item: Any, what: str, dont_care: tuple[str, ...]) -> SourceText:
    item = json_object(item, what)
    text = json_text(item.get("transcription"), f"{what}.transcription")
    return make_text(paired_polygon(item.get("points"), f"{what}.points"), text, dont_care)
