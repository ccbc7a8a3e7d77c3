"""COCO-style JSON: {"images": [...], "annotations": [...]}, as MMOCR 0.x and COCO-Text use it for texts.

https://cocodataset.org/#format-data. A segmentation in several parts is several texts with one transcription:
what lies between the parts is not text. An annotation without a segmentation is its box. Of several
categories the settings say which are texts.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from formats.errors import SourceError
from formats.places import Place, below
from formats.sample import Points
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, make_entry, read_json
from pipeline.sources.record import Entry, SourceText, UnusableError
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import (
    box_polygon,
    coordinate,
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

TEXT_FIELDS = ("transcription", "text", "utf8_string")


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; its annotation is one JSON file.

    Annotations of an image that the file does not list make one entry with a problem an image id. Of an id
    that several images have nobody knows whose annotations they are: each of these has a problem.

    Raises:
        SourceError: the file cannot be read, is not JSON, or is not laid out as COCO's; its annotations are
            of several categories and the settings do not say which are texts, or of none that they name.
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    whole = read_json(root, file)
    images = _members(whole, "images")
    annotations = _members(whole, "annotations")
    if images is None or annotations is None:
        raise broken_file(
            root,
            file,
            layout(whole),
            expected='COCO JSON: {"images": [{"id", "file_name"}], "annotations": [...]}',
        )
    of_image: dict[Hashable, list[dict[str, Any]]] = defaultdict(list)
    for annotation in _of_categories(annotations, _members(whole, "categories"), settings, file):
        of_image[_identifier(annotation.get("image_id"))].append(annotation)
    where = relative_name(root, file)
    named: dict[Hashable, list[str]] = defaultdict(list)
    for image in images:
        named[_identifier(image.get("id"))].append(shown(image.get("file_name")))
    for index, image in enumerate(images):
        identifier = _identifier(image.get("id"))
        own, names = of_image.get(identifier, []), list(dict.fromkeys(named[identifier]))
        what = f"images[{index}]"
        if len(names) > 1 and own and isinstance(image.get("file_name"), str):
            found = f"{shown(identifier)}, that of {' and '.join(names[:4])}"
            problem = f"{what}: expected an id of its own, found {found}"
            yield Entry(image["file_name"], where, problem=problem)
        else:
            yield image_entry(image, own, where, settings.dont_care, what)
    for identifier in [identifier for identifier in of_image if identifier not in named]:
        problem = f"{len(of_image[identifier])} annotations of an image id that is not among the images"
        yield Entry(f"image_id {shown(identifier)}", where, problem=problem, unnamed=True)


def categories_of(root: Place, file: Place) -> list[str]:
    """Return the names of the categories that a file's annotations are of, the most frequent first.

    Raises:
        SourceError: as for `read`.
    """
    whole = read_json(root, file)
    found = _category_names(_members(whole, "annotations") or [], _members(whole, "categories"))
    return [name for name, _ in Counter(found).most_common()]


def _category_names(
    annotations: Sequence[dict[str, Any]], categories: Sequence[dict[str, Any]] | None
) -> list[str]:
    """Return the name of each annotation's category: its number where the file has no name for it."""
    names = {_identifier(row.get("id")): row.get("name") for row in categories or ()}
    numbers = [annotation.get("category_id") for annotation in annotations]
    return [str(names.get(_identifier(number)) or number) for number in numbers]


def _of_categories(
    annotations: list[dict[str, Any]],
    categories: list[dict[str, Any]] | None,
    settings: SourceSettings,
    file: Place,
) -> list[dict[str, Any]]:
    """Return the annotations that are texts."""
    of_each = _category_names(annotations, categories)
    found, wanted = Counter(of_each), settings.categories
    if wanted is None and len(found) < 2:
        return annotations
    known = {*found, *(str(row.get("name")) for row in categories or ())}
    if wanted is None or not known.intersection(wanted):
        raise SourceError(
            relative_name(settings.root, file),
            expected="annotations of one category, or source.categories with those that are texts"
            if wanted is None
            else f"a category that source.categories names: {', '.join(wanted)}",
            found=", ".join(f"{shown(name)} ({count})" for name, count in found.most_common(8)) or "none",
            next_step=f"set source.categories={json.dumps([name for name, _ in found.most_common(1)])}, "
            "with the names of all that are texts",
        )
    return [row for row, name in zip(annotations, of_each, strict=True) if name in wanted]


def image_entry(
    image: dict[str, Any], annotations: Any, where: str, dont_care: tuple[str, ...], what: str
) -> Entry:
    """Return the entry of one image object with its list of annotation objects; `what` says which it is."""
    name = image.get("file_name")
    if not isinstance(name, str):
        problem = f"file_name: expected a string, found {shown(name)}"
        return Entry(f"{what}, id {shown(image.get('id'))}", where, problem=problem, unnamed=True)
    return make_entry(
        name,
        where,
        lambda: _texts(annotations, dont_care),
        stated_size=stated_size(image.get("height"), image.get("width")),
    )


def _texts(annotations: Any, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    texts: list[SourceText] = []
    for index, annotation in enumerate(json_list(annotations, "annotations")):
        annotation = json_object(annotation, f"annotations[{index}]")
        what = f"annotation {shown(annotation.get('id', index))}"
        ignored = json_flag(annotation.get("iscrowd"), f"{what}.iscrowd")
        ignored |= json_flag(annotation.get("ignore"), f"{what}.ignore")
        written = next((annotation[name] for name in TEXT_FIELDS if name in annotation), None)
        text = json_text(written, f"{what}: the transcription")
        texts += [make_text(part, text, dont_care, ignored) for part in _parts(annotation, what)]
    return tuple(texts)


def _parts(annotation: dict[str, Any], what: str) -> list[Points]:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        raise UnusableError(f"{what}.segmentation: expected polygons, found a run-length mask")
    if not segmentation:
        return [_box(annotation.get("bbox"), what)]
    parts = json_list(segmentation, f"{what}.segmentation")
    return [flat_polygon(json_list(part, f"{what}.segmentation"), f"{what}.segmentation") for part in parts]


def _box(bbox: Any, what: str) -> Points:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise UnusableError(f"{what}: expected a segmentation or a bbox [x, y, width, height], found neither")
    x, y, width, height = (coordinate(value, f"{what}.bbox") for value in bbox)
    return box_polygon(x, y, x + width, y + height)


def _members(whole: Any, name: str) -> list[dict[str, Any]] | None:
    members = whole.get(name) if isinstance(whole, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        return None
    return members


def _identifier(value: Any) -> Hashable:
    return value if isinstance(value, (int, str)) else shown(value)
