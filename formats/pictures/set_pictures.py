"""Pictures of a set: one sample as a figure, or many on a contact sheet; and which samples to show."""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice

import numpy as np

from formats.errors import UsageError
from formats.pictures.lettering import legend
from formats.pictures.picture import (
    LEGEND,
    Layers,
    contact_sheet,
    draw_texts,
    page_view,
    sample_figure,
    stack,
)
from formats.pictures.sheet import GAP, framed
from formats.sample import Bytes, Sample, Variant
from formats.shards import ShardSet

TILE = 480
"""Longer side of a page on a contact sheet, in pixels."""
SIDE = 6
"""White beside a contact sheet, in pixels."""
ON_SHEET = tuple(entry for entry in LEGEND if entry.label != "threshold mask")
LEGEND_SIZE = 20
"""Of the letters below a contact sheet, in pixels."""
_SEARCHED = 20_000


def number_of(opened: ShardSet, key: str) -> int:
    """Return the number of a key's sample.

    Raises:
        UsageError: the set has none; names the keys nearest to it.
    """
    number = opened.find(key)
    if number is not None:
        return number
    near = nearest_keys(opened, key)
    raise UsageError(
        f"sample {key!r} of {opened.folder}",
        expected="a key of the set",
        next_step=f"did you mean {', '.join(near)}?" if near else "",
    )


def nearest_keys(opened: ShardSet, key: str, count: int = 3) -> list[str]:
    """Return the first keys that hold what was asked for, else those spelled most like it."""
    keys = [shard.keys for shard in opened.shards]
    holding = (known for known in chain.from_iterable(keys) if key.lower() in known.lower())
    found = list(islice(holding, count))
    # Spelling is compared with so many keys only: it takes some 10 microseconds each.
    return found or difflib.get_close_matches(key, islice(chain(*keys), _SEARCHED), n=count, cutoff=0.5)


def variants_of(opened: ShardSet, number: int) -> list[int]:
    """Return the numbers of a sample's page as it is and of its variants, as far as they are open."""
    shard, row = opened.locate(number)
    count = max(each.variant for each in opened.shards)
    found = [opened.number(shard.keys[row], variant) for variant in range(count + 1)]
    return [each for each in found if each is not None]


def facts_of(opened: ShardSet, number: int) -> str:
    """Return what there is to say of one sample, a fact a line."""
    meta, (shard, _) = opened.meta(number), opened.locate(number)
    (height, width), (H, W) = meta.source_size, opened.canvas
    texts = Counter(text.status for text in meta.texts)
    sizes = {name: opened.stored_bytes(number, [name]) for name in shard.columns}
    rows = {
        "split": meta.split,
        "shard": f"{shard.name}, sample {number} of the set",
        "source": f"{height} x {width} pixels (height x width), on a canvas of {H} x {W}",
        **({"variant": _distortion(meta.variant)} if meta.variant else {}),
        "texts": ", ".join(f"{count} {status}" for status, count in sorted(texts.items())) or "none",
        "bytes": ", ".join(f"{name} {size}" for name, size in sizes.items()),
    }
    return "\n".join([opened.key(number), *(f"  {name:<8} {row}" for name, row in rows.items())])


def _distortion(variant: Variant) -> str:
    jpeg = "no JPEG" if variant.jpeg is None else f"JPEG {variant.jpeg}"
    return f"{variant.number}: elastic to {variant.elastic:.1f} px, blur {variant.blur:.2f} px, {jpeg}"


def choose(total: int, count: int, seed: int | None) -> list[int]:
    """Return the numbers of the first `count` samples, or with a seed of random ones, in order."""
    count = min(total, count)
    return list(range(count)) if seed is None else sorted(random.Random(seed).sample(range(total), count))


def figure_of(opened: ShardSet, number: int, ratio: float | None = None) -> Bytes:
    """Return the figure of one sample, (?, ?, 3) uint8 RGB; see `formats.pictures.picture.sample_figure`.

    Raises:
        UsageError: the shrink ratio cannot be read from the set.
    """
    stored = opened.settings.targets.shrink_ratio
    if ratio is not None and opened.encoding.maps != "distance":
        raise UsageError(
            f"shrink ratio {ratio}", expected=f"{stored}, at which the set's planes were rendered"
        )
    try:
        return sample_figure(opened.sample(number), stored, ratio)
    except ValueError as error:
        raise UsageError(f"shrink ratio {ratio}", found=str(error)) from None


def sheet_of(opened: ShardSet, numbers: Sequence[int], columns: int) -> Bytes:
    """Return a contact sheet, (?, ?, 3) uint8 RGB: pages, their maps and texts over them, under their keys.

    Raises:
        UsageError: no samples to show.
    """
    if not numbers:
        raise UsageError(f"{opened.folder} holds no samples to show")
    stored = opened.settings.targets.shrink_ratio
    tiles = [framed(_tile(opened.sample(number), stored)) for number in numbers]
    sheet_HWC = contact_sheet(tiles, [opened.key(number) for number in numbers], columns)
    keyed_HWC = stack([sheet_HWC, legend(ON_SHEET, sheet_HWC.shape[1], LEGEND_SIZE)], gap=GAP)
    return np.pad(keyed_HWC, ((GAP, GAP), (SIDE, SIDE), (0, 0)), constant_values=255)


def _tile(sample: Sample, stored_ratio: float) -> Bytes:
    maps = sample.maps.target_maps(stored_ratio)
    view = page_view(sample, TILE, TILE)
    return draw_texts(view.overlay(sample.image_HWC, maps, Layers()), sample, view, width=1.0)
