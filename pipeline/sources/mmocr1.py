"""MMOCR 1.x JSON: {"data_list": [{"img_path", "height", "width", "instances": [{"polygon", "ignore"}]}]}."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from formats.places import below
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, make_entry, read_json
from pipeline.sources.record import Entry, SourceText
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import (
    flat_polygon,
    json_flag,
    json_list,
    json_object,
    json_text,
    layout,
    make_text,
    shown,
    stated_size,
)


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; its annotation is one JSON file.

    Raises:
        SourceError: the file cannot be read, is not JSON, or has no list "data_list" of objects.
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    whole = read_json(root, file)
    pages = whole.get("data_list") if isinstance(whole, dict) else None
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise broken_file(
            root, file, layout(whole), expected='MMOCR 1.x JSON: {"data_list": [{"img_path", "instances"}]}'
        )
    where = relative_name(root, file)
    return (_entry(page, index, where, settings.dont_care) for index, page in enumerate(pages))


def _entry(page: dict[str, Any], index: int, where: str, dont_care: tuple[str, ...]) -> Entry:
    image = page.get("img_path")
    if not isinstance(image, str):
        problem = f"img_path: expected a string, found {shown(image)}"
        return Entry(f"data_list[{index}]", where, problem=problem, unnamed=True)
    size = stated_size(page.get("height"), page.get("width"))
    return make_entry(image, where, lambda: _texts(page.get("instances"), dont_care), stated_size=size)


def _texts(instances: Any, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    items = json_list(instances, "instances")
    return tuple(_text(item, f"instances[{index}]", dont_care) for index, item in enumerate(items))


def _text(item: Any, what: str, dont_care: tuple[str, ...]) -> SourceText:
    item = json_object(item, what)
    polygon = json_list(item.get("polygon"), f"{what}.polygon")
    return make_text(
        flat_polygon(polygon, f"{what}.polygon"),
        json_text(item.get("text"), f"{what}.text"),
        dont_care,
        json_flag(item.get("ignore"), f"{what}.ignore"),
    )
