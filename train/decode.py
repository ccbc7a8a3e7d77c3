"""From a sample's bytes in a shard to one row of a batch: read, check, decode, augment; in many threads."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from formats.errors import TextshardsError
from formats.sample import Bytes
from formats.shards import ShardSet
from train.augment import AugmentSettings, Side, draw_for
from train.batch import PLANES, Slot
from train.cache import Decoded, PageCache
from train.warp import Warper, Window


class Decoder:
    """Fills rows of batches with samples of a set.

    Args:
        shard_set: the set.
        crop: height, width of what comes out with augmentation; without, pages come whole.
        augment: how pages are augmented; None: as stored.
        seed: of the run.
        cache_bytes: of decoded pages to keep for later epochs, at most; only with augmentation.
    """

    def __init__(
        self,
        shard_set: ShardSet,
        *,
        crop: Side | None,
        augment: AugmentSettings | None,
        seed: int,
        cache_bytes: int = 0,
    ) -> None:
        self.shard_set, self.augment, self.seed = shard_set, augment, seed
        self.size: Side = shard_set.canvas if augment is None or crop is None else crop
        self.planes = PLANES[shard_set.encoding.maps]
        self.cache = PageCache(cache_bytes)
        self._memory = threading.local()

    def __call__(self, slot: Slot, row: int, number: int, epoch: int) -> bool:
        """Put a sample into a row of a slot; return whether its shard was read for it.

        Raises:
            DamageError, SetError: the sample's bytes are not those that were written; names its key.
        """
        try:
            if self.augment is None:
                self._whole(slot, row, number)
                return True
            kept = self.cache.get(number)
            page = kept or self._read(number)
            self._augmented(slot, row, number, epoch, page, self.augment)
            return kept is None
        except TextshardsError:
            raise
        except Exception as error:
            error.add_note(f"while decoding sample {self.shard_set.key(number)!r}")
            raise

    def _whole(self, slot: Slot, row: int, number: int) -> None:
        self.shard_set.image(number, slot.image(row))
        planes = self.shard_set.planes(number, self._scratch().planes)
        for name in self.planes:
            _put_whole(planes.get(name), slot.plane(name, row))

    def _read(self, number: int) -> Decoded:
        scratch = self._scratch()
        image_HWC = self.shard_set.image(number, scratch.image_HWC)
        page = Decoded(image_HWC, self.shard_set.planes(number, scratch.planes))
        self.cache.offer(number, page)
        return page

    def _augmented(
        self, slot: Slot, row: int, number: int, epoch: int, page: Decoded, settings: AugmentSettings
    ) -> None:
        planes = page.planes
        draw = draw_for(self.shard_set.key(number), planes, settings, self.seed, epoch, self.size)
        warper = self._scratch().warper
        window = warper.window(draw.matrix_23)
        out = {name: slot.plane(name, row) for name in self.planes}
        first = "distance" if "distance" in planes else "thresh"
        warper.page(window, page.image_HWC, planes[first], draw.color_34, slot.image(row), out[first])
        self._others(warper, window, planes, out)

    @staticmethod
    def _others(
        warper: Warper, window: Window | None, planes: dict[str, Bytes], out: dict[str, Bytes]
    ) -> None:
        warper.bits(window, planes["prob_mask"], out["prob_mask"], outside=1)
        if "overlap" in out:
            warper.overlap(window, planes.get("overlap"), out["overlap"])
        else:
            warper.bits(window, planes["prob"], out["prob"], outside=0)
            warper.bits(window, planes["thresh_mask"], out["thresh_mask"], outside=0)

    def _scratch(self) -> _Scratch:
        scratch: _Scratch | None = getattr(self._memory, "scratch", None)
        if scratch is None:
            scratch = self._memory.scratch = _Scratch(self.shard_set, self.size)
        return scratch


class _Scratch:
    """What one thread decodes into, again and again."""

    def __init__(self, shard_set: ShardSet, size: Side) -> None:
        self.image_HWC = np.empty((*shard_set.canvas, 3), np.uint8)
        self.planes = np.empty(shard_set.plane_bytes, np.uint8)
        self.warper = Warper(shard_set.canvas, size, shard_set.settings.geometry.pad_color)


def _put_whole(plane_HW: Bytes | None, out_HW: Bytes) -> None:
    if plane_HW is None:
        out_HW.fill(0)
    elif plane_HW.shape == out_HW.shape:
        cv2.copyTo(plane_HW, None, dst=out_HW)
    else:
        out_HW[:] = np.unpackbits(plane_HW, axis=1)
