"""One annotated page to one sample: read, place, clean, render."""

from __future__ import annotations

from formats.errors import SampleError, TextshardsError
from formats.fingerprint import sha256
from formats.manifest import SetSettings
from formats.placement import place
from formats.sample import Meta, Points, Sample, Text
from pipeline.distortion import draw_distortion
from pipeline.geometry import draw_page, move_each, spare_reduction
from pipeline.images import image_size, read_image, reduction_within
from pipeline.polygons import clean_polygons
from pipeline.render import Canvas, render, render_planes
from pipeline.sources.record import SourceRecord, SourceText


def make_sample(
    record: SourceRecord,
    image_sha256: str,
    settings: SetSettings,
    max_pixels: int,
    variant: int = 0,
    canvas: Canvas | None = None,
) -> Sample:
    """Make a page's sample, or that of one of its variants: 0 is the page as it is.

    The maps of a sample made on a canvas hold until the next is made on it.

    Raises:
        SampleError: the image cannot be used, now or at any time.
        TextshardsError: the image is not there, or no longer the one that was hashed. That is no reason to
            quarantine it: the shard would be named after bytes that nobody looked at.
    """
    data = _read(record)
    if sha256(data) != image_sha256:
        raise TextshardsError(
            f"{record.key}: the image is not the one that was hashed",
            expected=f"SHA-256 {image_sha256[:16]}...",
            found="other bytes: it changed during the build, or without a change of its size and time",
            next_step="run the same command again; if this comes back, with --paranoid",
        )
    geometry = settings.geometry
    height, width = image_size(data, exif=geometry.exif)
    placement = place((height, width), geometry)
    reduction = reduction_within(data, spare_reduction(placement, geometry), exif=geometry.exif)
    image_HWC = read_image(data, exif=geometry.exif, max_pixels=max_pixels, reduction=reduction)
    _check_stated(record, (height, width), settings)
    matrix_23 = placement.to_canvas_23
    cleaned = clean_polygons([text.polygon_V2 for text in record.texts])
    polygons = move_each([polygon.polygon_V2 for polygon in cleaned], matrix_23)
    image_HWC = draw_page(image_HWC, placement, geometry, reduction)
    distortion = None
    if variant:
        distortion = draw_distortion(record.key, variant, settings.variants, geometry.canvas, polygons)
        image_HWC = distortion.draw(image_HWC, settings.geometry.pad_color)
        polygons = distortion.move(polygons)
    draw = render if settings.encoding.maps == "distance" else render_planes
    rendered = draw(
        polygons,
        [text.dont_care for text in record.texts],
        canvas or geometry.canvas,
        settings.targets,
        [polygon.problem for polygon in cleaned],
    )
    texts = zip(record.texts, polygons, rendered.statuses, strict=True)
    meta = Meta(
        key=record.key,
        split=record.split,
        source_size=(height, width),
        to_canvas_23=matrix_23,
        texts=tuple(_text(text, polygon_V2, status) for text, polygon_V2, status in texts),
        variant=None if distortion is None else distortion.record,
    )
    return Sample(image_HWC, rendered.maps, meta)


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


def _read(record: SourceRecord) -> bytes:
    try:
        return record.image.read_bytes()
    except OSError as error:
        raise TextshardsError(
            f"{record.key}: the image cannot be read any more",
            expected=f"{record.image}, as it was when the build began",
            found=error.strerror or str(error),
            next_step="run the same command again: finished shards are kept",
        ) from None
