"""One annotated page to one sample, in three steps: its polygons cleaned, it on its canvas, its maps drawn.

The second step moves megabytes through the processor's caches, the others are small work: a build takes each
step for several pages before it takes the next (pipeline/shard_job.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from formats.errors import SampleError, TextshardsError
from formats.fingerprint import sha256
from formats.manifest import SetSettings
from formats.placement import place
from formats.sample import Bytes, Meta, Points, Sample, StoredMaps, Text, Variant
from pipeline.distortion import draw_distortion
from pipeline.geometry import draw_page, move_each, spare_reduction
from pipeline.images import image_size, read_image, reduction_within
from pipeline.polygons import CleanPolygon, clean_polygons
from pipeline.render import Canvas, render, render_planes
from pipeline.sources.record import SourceRecord, SourceText


@dataclass(frozen=True)
class PlacedTexts:
    """The texts of a page on its canvas, and how it came there.

    Attributes:
        record: the page as annotated.
        source_size: height, width of the source image in pixels, after EXIF.
        to_canvas_23: (2, 3) float64 matrix from source points to canvas points.
        polygons: cleaned, on the canvas; of a variant: where they lie there.
        problems: of each polygon, as `render` takes it; None where it can be learnt.
        variant: how the page was distorted; None for the page as it is.
    """

    record: SourceRecord
    source_size: tuple[int, int]
    to_canvas_23: Points
    polygons: Sequence[Points]
    problems: Sequence[str | None]
    variant: Variant | None


def make_sample(
    record: SourceRecord, image_sha256: str, settings: SetSettings, max_pixels: int, variant: int = 0
) -> Sample:
    """Make a page's sample, or that of one of its variants: 0 is the page as it is.

    Raises:
        SampleError, TextshardsError: see `clean_texts` and `place_page`.
    """
    cleaned = clean_texts(record)
    image_HWC, texts = place_page(record, cleaned, image_sha256, settings, max_pixels, variant)
    return Sample(image_HWC, *draw_maps(texts, settings))


def clean_texts(record: SourceRecord) -> list[CleanPolygon]:
    """Return the polygons of a page's texts, cleaned, in source pixels.

    Raises:
        SampleError: one of them cannot be used.
    """
    return clean_polygons([text.polygon_V2 for text in record.texts])


def place_page(
    record: SourceRecord,
    cleaned: Sequence[CleanPolygon],
    image_sha256: str,
    settings: SetSettings,
    max_pixels: int,
    variant: int = 0,
) -> tuple[Bytes, PlacedTexts]:
    """Return a page, or one of its variants, on its canvas, (H, W, 3) uint8 RGB, and its texts there.

    Raises:
        SampleError: the image cannot be used, now or at any time.
        TextshardsError: the image is not there, or no longer the one that was hashed. That is no reason to
            quarantine it: the shard would be named after bytes that nobody looked at.
    """
    data = _read(record, image_sha256)
    geometry = settings.geometry
    height, width = image_size(data, exif=geometry.exif)
    placement = place((height, width), geometry)
    reduction = reduction_within(data, spare_reduction(placement, geometry), exif=geometry.exif)
    image_HWC = read_image(data, exif=geometry.exif, max_pixels=max_pixels, reduction=reduction)
    _check_stated(record, (height, width), settings)
    image_HWC = draw_page(image_HWC, placement, geometry, reduction)
    matrix_23 = placement.to_canvas_23
    polygons = move_each([polygon.polygon_V2 for polygon in cleaned], matrix_23)
    distortion = None
    if variant:
        distortion = draw_distortion(record.key, variant, settings.variants, geometry.canvas, polygons)
        image_HWC = distortion.draw(image_HWC, geometry.pad_color)
        polygons = distortion.move(polygons)
    problems = _problems(cleaned, (height, width))
    how = None if distortion is None else distortion.record
    return image_HWC, PlacedTexts(record, (height, width), matrix_23, polygons, problems, how)


def draw_maps(
    texts: PlacedTexts, settings: SetSettings, canvas: Canvas | None = None
) -> tuple[StoredMaps, Meta]:
    """Draw the maps of a page's texts; return them and the page's meta data.

    Maps made on a canvas hold until the next are made on it.
    """
    record = texts.record
    draw = render if settings.encoding.maps == "distance" else render_planes
    rendered = draw(
        texts.polygons,
        [text.dont_care for text in record.texts],
        canvas or settings.geometry.canvas,
        settings.targets,
        texts.problems,
    )
    rows = zip(record.texts, texts.polygons, rendered.statuses, strict=True)
    meta = Meta(
        key=record.key,
        split=record.split,
        source_size=texts.source_size,
        to_canvas_23=texts.to_canvas_23,
        texts=tuple(_text(text, polygon_V2, status) for text, polygon_V2, status in rows),
        variant=texts.variant,
    )
    return rendered.maps, meta


def _problems(cleaned: Sequence[CleanPolygon], size: tuple[int, int]) -> list[str | None]:
    """Return what is wrong of each polygon; one whose box does not touch its page would lie on padding."""
    problems: list[str | None] = [polygon.problem for polygon in cleaned]
    polygons = [polygon.polygon_V2 for polygon in cleaned]
    last_2 = np.array(size[::-1]) - 0.5
    points_N2 = np.concatenate([*polygons, np.empty((0, 2))])
    if ((points_N2 >= -0.5) & (points_N2 <= last_2)).all():  # as on nearly every page
        return problems
    return [
        problem or ("outside" if len(ring_V2) and _apart(ring_V2, last_2) else None)
        for problem, ring_V2 in zip(problems, polygons, strict=True)
    ]


def _apart(ring_V2: Points, last_2: Points) -> bool:
    return bool((ring_V2.max(axis=0) < -0.5).any() or (ring_V2.min(axis=0) > last_2).any())


def _check_stated(record: SourceRecord, size: tuple[int, int], settings: SetSettings) -> None:
    """Refuse a page whose annotation was made on an image of another size: its polygons lie elsewhere."""
    stated = record.stated_size
    if stated is None or stated == size:
        return
    turned = stated == size[::-1]
    other = "ignore" if settings.geometry.exif == "apply" else "apply"
    hint = f": turned by its EXIF orientation? then set geometry.exif={other}" if turned else ""
    raise SampleError(
        "image of another size than was annotated",
        expected=f"{stated[0]} x {stated[1]} (height x width)",
        found=f"{size[0]} x {size[1]}{hint}",
    )


def _text(text: SourceText, polygon_V2: Points, status: str) -> Text:
    return Text(polygon_V2=polygon_V2, source_V2=text.polygon_V2, status=status, text=text.text)


def _read(record: SourceRecord, image_sha256: str) -> bytes:
    try:
        data = record.image.read_bytes()
    except OSError as error:
        raise TextshardsError(
            f"{record.key}: the image cannot be read any more",
            expected=f"{record.image}, as it was when the build began",
            found=error.strerror or str(error),
            next_step="run the same command again: finished shards are kept",
        ) from None
    if sha256(data) != image_sha256:
        raise TextshardsError(
            f"{record.key}: the image is not the one that was hashed",
            expected=f"SHA-256 {image_sha256[:16]}...",
            found="other bytes: it changed during the build, or without a change of its size and time",
            next_step="run the same command again; if this comes back, with --paranoid",
        )
    return data
