"""Labelme JSON: one file an image, "shapes" with "label", "points", "shape_type"; the label is the text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from formats.errors import SourceError
from formats.places import Place
from formats.sample import Points
from pipeline.sources.image_paths import Inside, check_file, relative_name
from pipeline.sources.patterns import matching
from pipeline.sources.reading import make_entry, parse_json, read_small
from pipeline.sources.record import Entry, SourceText, UnusableError
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import (
    box_polygon,
    json_list,
    json_object,
    json_text,
    make_text,
    paired_polygon,
    shown,
    stated_size,
)

# "rotation" is X-AnyLabeling's turned rectangle, with its four corners as points.
POLYGON_SHAPES = ("polygon", "rotation")


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split: a folder, or a pattern such as `train/**/*.json`.

    Raises:
        SourceError: nothing matches.
    """
    pattern = str(settings.splits[split])
    try:
        files = matching(settings.root, pattern, in_folder="*.json")
        found = "none"
    except (OSError, ValueError, LookupError) as error:
        files, found = [], str(error)
    if not files:
        raise SourceError(
            f"split {split!r}",
            expected=f"Labelme files matching {pattern[:200]!r} below {settings.root}",
            found=found,
            next_step="mend source.splits",
        )
    within = Inside(settings.root)
    return (_entry(settings, file, within) for file in files)


def _entry(settings: SourceSettings, file: Place, within: Inside) -> Entry:
    where = relative_name(settings.root, file)
    try:
        check_file(settings.root, file, within)
        page = json_object(parse_json(read_small(file)), "the file")
        image = json_text(page.get("imagePath"), "imagePath")
    except OSError as error:
        return Entry(where, where, problem=f"cannot be read: {error.strerror}", unnamed=True)
    except UnusableError as error:
        return Entry(where, where, problem=error.reason, unnamed=True)
    if not image:
        return Entry(where, where, problem="imagePath: expected the image's path, found none", unnamed=True)
    return make_entry(
        image,
        where,
        lambda: _texts(page, settings.dont_care),
        folder=None if settings.images else posixpath.dirname(where),
        stated_size=stated_size(page.get("imageHeight"), page.get("imageWidth")),
    )


def _texts(page: dict[str, Any], dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    shapes = json_list(page.get("shapes"), "shapes")
    return tuple(_text(shape, f"shapes[{index}]", dont_care) for index, shape in enumerate(shapes))


def _text(shape: Any, what: str, dont_care: tuple[str, ...]) -> SourceText:
    shape = json_object(shape, what)
    polygon_V2 = _polygon(shape.get("shape_type", "polygon"), shape.get("points"), what)
    return make_text(polygon_V2, json_text(shape.get("label"), f"{what}.label"), dont_care)


def _polygon(kind: Any, points: Any, what: str) -> Points:
    if kind not in (*POLYGON_SHAPES, "rectangle"):
        raise UnusableError(
            f"{what}.shape_type: expected polygon, rectangle or rotation, found {shown(kind)}"
        )
    polygon_V2 = paired_polygon(points, f"{what}.points")
    if kind == "rectangle" and len(polygon_V2) == 2:
        (x1, y1), (x2, y2) = polygon_V2.tolist()
        return box_polygon(x1, y1, x2, y2)
    return polygon_V2
