"""The annotated texts of all real pages, on a canvas; no image is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formats.placement import place
from formats.sample import Points
from formats.spec import GeometrySpec
from pipeline.geometry import move
from pipeline.images import image_size
from pipeline.polygons import clean_polygon
from pipeline.sources import SourceSettings, read_annotations
from pipeline.sources.polygons import parse_texts
from pipeline.sources.record import SourceText

SOURCES: dict[str, tuple[str, dict[str, object]]] = {
    "sroie": ("icdar", {"train": "train_list.txt", "test": "test_list.txt"}),
    "icdar2015": ("icdar", {"train": "train_list.txt", "test": "test_list.txt"}),
    "totaltext": ("polygons", {"test": {"images": "images", "gt": "gt"}}),
}


@dataclass(frozen=True)
class PolygonPage:
    """A page without its image: the arguments of `render`."""

    key: str
    polygons: list[Points]
    dont_care: list[bool]
    problems: list[str | None]
    canvas: tuple[int, int]


def real_polygons(data: Path, name: str, canvas: tuple[int, int] = (640, 640)) -> Iterator[PolygonPage]:
    """Yield all pages of a data set, sized by the longest side; of Total-Text also those without an image."""
    form, splits = SOURCES[name]
    source = SourceSettings.model_validate({"format": form, "root": data / name, "splits": splits})
    for record in read_annotations(source).records:
        size = image_size(record.image.read_bytes())
        yield _page(record.key, record.texts, size, canvas)
    if name == "totaltext":
        for file in sorted((data / name / "gt_only").glob("*/*.txt")):
            texts = [text for text in parse_texts(file.read_bytes(), ("###",)) if len(text.polygon_V2)]
            x, y = np.concatenate([text.polygon_V2 for text in texts]).max(axis=0)
            yield _page(file.name, texts, (int(y) + 10, int(x) + 10), canvas)


def _page(
    key: str, texts: Sequence[SourceText], size: tuple[int, int], canvas: tuple[int, int]
) -> PolygonPage:
    matrix_23 = place(size, GeometrySpec(canvas=canvas)).to_canvas_23
    cleaned = [clean_polygon(text.polygon_V2) for text in texts]
    return PolygonPage(
        key=key,
        polygons=[move(polygon.polygon_V2, matrix_23) for polygon in cleaned],
        dont_care=[text.dont_care for text in texts],
        problems=[polygon.problem for polygon in cleaned],
        canvas=canvas,
    )
