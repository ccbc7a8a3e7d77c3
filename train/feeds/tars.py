"""Pages of a tar set through the webdataset library: for its pipelines, its shuffling, its remote pipes.

Our own stream is faster and checks every member (docs/performance.md); this door is for people who have a
webdataset pipeline already, or shards behind a command (`pipe:aws s3 cp ... -`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formats.codecs import decode_image, decode_meta, decompress, maps_of_planes, plane_shapes
from formats.errors import DamageError, UsageError
from formats.manifest import SetSettings
from formats.manifest_files import read_set_manifest, read_shard_manifest
from formats.sample import Bytes, Meta, TargetMaps
from formats.shards import cut_planes
from formats.tar_shard import IMAGE_SUFFIX


@dataclass(frozen=True)
class WebPage:
    """One page as stored.

    Attributes:
        key: of the page.
        image_HWC: (H, W, 3) uint8 RGB.
        maps: the four maps, (H, W) uint8 each.
        meta: its texts and its place on the canvas.
    """

    key: str
    image_HWC: Bytes
    maps: TargetMaps
    meta: Meta


def web_pages(
    folder: Path | str,
    split: str | None = None,
    *,
    variants: bool = False,
    url: Callable[[str], str] | None = None,
    **options: Any,
) -> Any:
    """Return a `webdataset.WebDataset` of `WebPage`: to be shuffled, batched and mapped as any other.

    Args:
        folder: of the set, or of its manifests alone.
        split: to read (default: all).
        variants: whether the pages' distorted variants come too, under the same keys: `meta.variant` tells
            them apart. They do not go back to the source image.
        url: where a shard is read, from its path in the set (default: below `folder`), for example
            ``lambda path: f"pipe:aws s3 cp s3://bucket/set/{path} -"``.
        options: of WebDataset, for example `shardshuffle`, `nodesplitter`, `empty_check`.

    Raises:
        SetError: no set; while iterating, DamageError: a page that cannot be decoded.
        UsageError: a set that is not of tars, or without that split.
    """
    import webdataset  # imports torch and more, which takes seconds

    folder = Path(folder)
    manifest = read_set_manifest(folder)
    if manifest.settings.encoding.container != "tar":
        raise UsageError(f"set {folder}", expected="encoding.container: tar", found="zarr")
    entries = [entry for entry in manifest.shards if split in (None, entry.split)]
    entries = [entry for entry in entries if variants or not entry.variant]
    if not entries:
        raise UsageError(f"split {split!r} of {folder}", expected=f"one of: {', '.join(manifest.splits)}")
    place = url or (lambda path: str(folder / path))
    urls = [place(file.path) for entry in entries for file in read_shard_manifest(folder, entry).files]
    data = webdataset.WebDataset(urls, **({"shardshuffle": False} | options))
    return data.map(_Decoder(manifest.settings))


@dataclass(frozen=True)
class _Decoder:
    """Turns what webdataset groups into a page; a class, so that worker processes can be given it."""

    settings: SetSettings

    def __call__(self, sample: dict[str, Any]) -> WebPage:
        encoding, canvas = self.settings.encoding, self.settings.geometry.canvas
        try:
            meta = decode_meta(sample["meta.json"])
            image_HWC = np.empty((*canvas, 3), np.uint8)
            decode_image(sample[IMAGE_SUFFIX[encoding.image]], encoding, image_HWC)
            planes = cut_planes(decompress(sample["maps.zst"]), plane_shapes(canvas, encoding))
        except KeyError as error:
            raise DamageError(
                f"{sample.get('__key__')} in {sample.get('__url__')}", expected=f"a member {error.args[0]}"
            ) from None
        maps = maps_of_planes(planes).target_maps(self.settings.targets.shrink_ratio)
        return WebPage(meta.key, image_HWC, maps, meta)
