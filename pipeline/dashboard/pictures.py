"""Pictures the pages ask for one by one: thumbnails, whole pages, maps to lay over them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from formats.codecs import maps_of_planes
from formats.errors import TextshardsError, UsageError
from formats.manifest import Quarantined
from formats.pictures.palette import BAND, FAINT_INK, IGNORED, PROB, RULE, heat_table
from formats.placement import page_box
from formats.provenance import read_provenance
from formats.sample import Bytes, TargetMaps
from formats.shards import ShardSet
from formats.storage import inside

THUMB = 240
"""Longer side of a thumbnail, in pixels."""
LAYERS = ("prob", "thresh", "thresh_mask", "prob_mask")
MOST_PIXELS = 100_000_000
"""Of a source page that a thumbnail is made of."""


def thumbnail(opened: ShardSet, number: int) -> bytes:
    """Return a page made small, as JPEG, without its padding.

    Raises:
        DamageError: the page is not what was written.
    """
    box = page_box(opened.meta(number), opened.canvas)
    payload = opened.member(number, "image")
    if opened.encoding.image == "jpeg":
        image: Image.Image = Image.open(io.BytesIO(payload))
        scale = max(1.0, max(box[2] - box[0], box[3] - box[1]) / THUMB)
        whole = image.size
        # A JPEG decodes to an eighth, a quarter or a half of its size much faster than whole.
        image.draft("RGB", (round(whole[0] / scale), round(whole[1] / scale)))
        factor = image.size[0] / whole[0]
        box = tuple(round(side * factor) for side in box)  # type: ignore[assignment]
    else:
        image = Image.fromarray(opened.image(number))
    return _small(image.convert("RGB").crop(box))


def page_picture(opened: ShardSet, number: int) -> bytes:
    """Return the whole canvas of a page as JPEG: as stored, or made one of a page stored raw.

    Raises:
        DamageError: the page is not what was written.
    """
    if opened.encoding.image == "jpeg":
        return opened.member(number, "image")
    return _jpeg(Image.fromarray(opened.image(number)))


def layer_picture(opened: ShardSet, number: int, layer: str) -> bytes:
    """Return one of a page's maps as PNG, transparent where there is nothing to see.

    Raises:
        DamageError: the maps are not what was written.
        UsageError: no such layer.
    """
    if layer not in LAYERS:
        raise UsageError(f"layer {layer!r:.40}", expected=f"one of: {', '.join(LAYERS)}")
    stored = maps_of_planes(opened.planes(number))
    maps = stored.target_maps(opened.settings.targets.shrink_ratio)
    indices_HW, colors, alphas = _painted(maps, layer)
    image = Image.frombytes(
        "P", (indices_HW.shape[1], indices_HW.shape[0]), np.ascontiguousarray(indices_HW).tobytes()
    )  # fmt: skip
    image.putpalette(colors.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=alphas.tobytes(), compress_level=3)
    return buffer.getvalue()


def _painted(maps: TargetMaps, layer: str) -> tuple[Bytes, Bytes, Bytes]:
    """Return a layer as indices (H, W), their colours (256, 3) and opacities (256,), each uint8."""
    colors, alphas = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    if layer == "thresh":
        colors[:] = heat_table()
        alphas[1:] = np.linspace(60, 245, 255).astype(np.uint8)
        return np.where(maps.thresh_mask_HW > 0, maps.thresh_HW, 0).astype(np.uint8), colors, alphas
    colors[1] = {"prob": PROB, "thresh_mask": BAND, "prob_mask": IGNORED}[layer]
    alphas[1] = {"prob": 190, "thresh_mask": 150, "prob_mask": 200}[layer]
    if layer == "prob":
        return maps.prob_HW, colors, alphas
    if layer == "thresh_mask":
        return maps.thresh_mask_HW, colors, alphas
    rows_H1, columns_1W = np.ogrid[: maps.prob_mask_HW.shape[0], : maps.prob_mask_HW.shape[1]]
    striped_HW = (rows_H1 + columns_1W) % 8 < 4
    return ((maps.prob_mask_HW == 0) & striped_HW).astype(np.uint8), colors, alphas


def quarantined_picture(folder: Path, row: Quarantined) -> bytes:
    """Return a page that could not be used, made small, from the source the set was built of.

    Raises:
        TextshardsError: the source is out of reach, or the page cannot be read.
    """
    source = ((read_provenance(folder) or {}).get("config") or {}).get("source") or {}
    root = Path(str(source.get("root", "")))
    path = inside(root, row.key)
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ValueError("it lies out of the source's folder")
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels")
            image.draft("RGB", (THUMB, THUMB))
            return _small(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TextshardsError(f"page {row.key}", found=str(error)) from None


def unreadable_picture() -> bytes:
    """Return what stands for a page that cannot be read: a grey tile, crossed out."""
    tile = Image.new("RGB", (THUMB, THUMB), RULE)
    pen = ImageDraw.Draw(tile)
    for ends in ((0, 0, THUMB, THUMB), (0, THUMB, THUMB, 0)):
        pen.line(ends, fill=FAINT_INK, width=3)
    return _small(tile)


def _small(image: Image.Image) -> bytes:
    image.thumbnail((THUMB, THUMB), Image.Resampling.BILINEAR)
    return _jpeg(image, 80)


def _jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
