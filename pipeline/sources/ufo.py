"""UFO JSON: {"images": {file: {"words": {id: {"points", "transcription", "illegibility"}}}}}."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from formats.places import below
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, make_entry, read_json
from pipeline.sources.record import Entry, SourceText
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import (
    json_flag,
    json_object,
    json_text,
    layout,
    make_text,
    paired_polygon,
    stated_size,
)


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; its annotation is one JSON file.

    Raises:
        SourceError: the file cannot be read, is not JSON, or has no object "images".
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    whole = read_json(root, file)
    images = whole.get("images") if isinstance(whole, dict) else None
    if not isinstance(images, dict):
        raise broken_file(root, file, layout(whole), expected='UFO JSON: {"images": {file: ...}}')
    where = relative_name(root, file)
    for name, page in images.items():
        size = stated_size(page.get("img_h"), page.get("img_w")) if isinstance(page, dict) else None
        yield make_entry(name, where, partial(_texts, page, settings.dont_care), stated_size=size)


def _texts(page: Any, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    words = json_object(json_object(page, "the image's entry").get("words"), "words")
    return tuple(_text(word, f"words.{identifier[:40]}", dont_care) for identifier, word in words.items())


def _text(word: Any, what: str, dont_care: tuple[str, ...]) -> SourceText:
    word = json_object(word, what)
    return make_text(
        paired_polygon(word.get("points"), f"{what}.points"),
        json_text(word.get("transcription"), f"{what}.transcription"),
        dont_care,
        json_flag(word.get("illegibility"), f"{what}.illegibility"),
    )
