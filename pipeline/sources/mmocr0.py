"""MMOCR 0.x JSON lines: one object an image, {"file_name", "height", "width", "annotations": [COCO's]}."""

from __future__ import annotations

from collections.abc import Iterator

from formats.places import below
from pipeline.sources.coco import image_entry
from pipeline.sources.image_paths import relative_name
from pipeline.sources.reading import broken_file, parse_json, read_bytes, text_lines
from pipeline.sources.record import Entry, UnusableError
from pipeline.sources.settings import SourceSettings
from pipeline.sources.values import json_object


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; its annotation is one file.

    Raises:
        SourceError: the file cannot be read, or a line is no JSON object: it names no image to blame.
    """
    root, file = settings.root, below(settings.root, str(settings.splits[split]))
    name = relative_name(root, file)
    for number, line in text_lines(read_bytes(root, file)):
        try:
            image = json_object(parse_json(line), "the line")
        except UnusableError as error:
            raise broken_file(
                root, file, error.reason, expected="a JSON object a line", line=number
            ) from None
        yield image_entry(image, image.get("annotations"), f"{name}:{number}", settings.dont_care, "image")
