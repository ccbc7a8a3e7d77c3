"""COCO-style JSON: {"images": [...], "annotations": [...]}, as MMOCR 0.x and COCO-Text use it for texts.

https://cocodataset.org/#format-data. A segmentation in several parts is several texts with one transcription:
what lies between the parts is not text. An annotation without a segmentation is its box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

from formats.places import below
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

    Annotations of an image that the file does not list make one entry with a problem an image id.

    Raises:
        SourceError: the file cannot be read, is not JSON, or is not laid out as COCO's.
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
    for annotation in annotations:
        of_image[_identifier(annotation.get("image_id"))].append(annotation)
    where = relative_name(root, file)
    for index, image in enumerate(images):
        own = of_image.pop(_identifier(image.get("id")), [])
        yield image_entry(image, own, where, settings.dont_care, f"images[{index}]")
    for identifier, own in of_image.items():
        problem = f"{len(own)} annotations of an image id that is not among the images, or stands there twice"
        yield Entry(f"image_id {shown(identifier)}", where, problem=problem, unnamed=True)


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
