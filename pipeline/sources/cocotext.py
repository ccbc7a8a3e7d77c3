"""COCO-Text v2 JSON: {"imgs": {id: {"file_name", "set"}}, "anns": {id: {"image_id", "mask", "legibility"}}}.

https://bgshih.github.io/cocotext (Veit et al., 2016). One file holds all splits, "set" says which; "mask" is
a polygon ("polygon" in v1), without one "bbox" stands; what is illegible is don't-care.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from formats.places import Place, below
from pipeline.sources.coco import image_entry
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, read_json
from pipeline.sources.record import Entry
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import layout, shown

Table = dict[str, dict[str, Any]]


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of the images whose `set` is the split's name; an image without one is in any split.

    Raises:
        SourceError: the file cannot be read, is not JSON, is laid out otherwise, or has no such set.
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    images, annotations = _tables(root, file)
    mine = {key: image for key, image in images.items() if image.get("set", split) == split}
    if not mine:
        found = ", ".join(sorted({shown(image.get("set")) for image in images.values()})) or "no images"
        raise broken_file(root, file, found, expected=f"images of the set {split!r}")
    of_image: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for annotation in annotations.values():
        of_image[str(annotation.get("image_id"))].append(_as_coco(annotation))
    where = relative_name(root, file)
    for key, image in mine.items():
        yield image_entry(image, of_image.get(key, []), where, settings.dont_care, f"imgs[{shown(key)}]")
    for key in sorted(of_image.keys() - images.keys()):
        problem = f"{len(of_image[key])} annotations of an image id that is not among the images"
        yield Entry(f"image_id {shown(key)} (read for {split})", where, problem=problem, unnamed=True)


def sets_of(root: Place, file: Place) -> list[str]:
    """Return the sets that a file's images are in.

    Raises:
        SourceError: as for `read`.
    """
    images, _ = _tables(root, file)
    return sorted({str(image.get("set", "train")) for image in images.values()})


def _tables(root: Place, file: Place) -> tuple[Table, Table]:
    whole = read_json(root, file)
    tables = [whole.get(name) if isinstance(whole, dict) else None for name in ("imgs", "anns")]
    for table in tables:
        if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
            expected = (
                'COCO-Text JSON: {"imgs": {id: {"file_name", "set"}}, "anns": {id: {"image_id", "mask"}}}'
            )
            raise broken_file(root, file, layout(whole), expected=expected)
    return tables[0] or {}, tables[1] or {}


def _as_coco(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation as coco.py reads it."""
    mask = annotation.get("mask") or annotation.get("polygon")
    illegible = annotation.get("legibility") == "illegible"
    return annotation | {"segmentation": [mask] if mask else None, "ignore": illegible, "iscrowd": None}
