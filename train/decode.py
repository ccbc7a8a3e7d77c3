"""From a sample's bytes in a shard to one row of a batch: read, check, decode, augment; in many threads."""

from __future__ import annotations

import numpy as np

from formats.codecs import plane_shapes
from formats.errors import TextshardsError
from formats.sample import Bytes
from formats.shards import ShardSet
from train.augment import AugmentSettings, Side, draw_for
from train.batch import Slot
from train.cache import Decoded, PageCache
from train.page_boxes import OUTSIDE, PAGE, PageBoxes
from train.warp import Warper


class Decoder:
    """Fills rows of batches with samples of a set.

    Args:
        shard_set: the set.
        crop: height, width of what comes out with augmentation; without, pages come whole.
        augment: how pages are augmented; None: as stored.
        seed: of the run.
        cache_bytes: of decoded pages to keep for later epochs, at most; only with augmentation.
        once: raw pages are compared with their CRC-32C when they are first read, and not again.
    """

    def __init__(
        self,
        shard_set: ShardSet,
        *,
        crop: Side | None,
        augment: AugmentSettings | None,
        seed: int,
        cache_bytes: int = 0,
        once: bool = False,
    ) -> None:
        self.shard_set, self.augment, self.seed = shard_set, augment, seed
        self.size: Side = shard_set.canvas if augment is None or crop is None else crop
        self.shapes = plane_shapes(self.size, shard_set.encoding)
        self.cache = PageCache(cache_bytes)
        # A JPEG is decoded with room for a fourth channel beside its three; pages that are kept are not.
        self._channels = 4 if shard_set.encoding.image == "jpeg" and not cache_bytes else 3
        self._scratches: list[_Scratch] = []
        black = not any(shard_set.settings.geometry.pad_color)
        self._boxes = PageBoxes(len(shard_set), self.shapes, black=black)
        self._seen = bytearray(len(shard_set) if once else 0)

    def __call__(self, slot: Slot, row: int, number: int, epoch: int) -> bool:
        """Put a sample into a row of a slot; return whether its shard was read for it.

        Raises:
            DamageError, SetError: the sample's bytes are not those that were written; names its key.
        """
        try:
            if self.augment is None:
                self._whole(slot, row, number)
                return True
            return self._crop(slot, row, number, epoch, self.augment)
        except TextshardsError:
            raise
        except Exception as error:
            error.add_note(f"while decoding sample {self.shard_set.key(number)!r}")
            raise

    def _whole(self, slot: Slot, row: int, number: int) -> None:
        self._image(number, slot.image(row))
        _settle(self.shard_set.planes(number, slot.content(row)), slot.planes(row))

    def _crop(self, slot: Slot, row: int, number: int, epoch: int, settings: AugmentSettings) -> bool:
        # Threads come and go with the epochs; what they decode into stays. Taking from a list is atomic.
        try:
            scratch = self._scratches.pop()
        except IndexError:
            scratch = _Scratch(self.shard_set, self.size, self._channels)
        kept = self.cache.get(number)
        page = kept or self._read(number, scratch)
        self._augmented(slot, row, number, epoch, page, settings, scratch.warper)
        self._scratches.append(scratch)
        return kept is None

    def _image(self, number: int, out_HWC: Bytes) -> Bytes:
        image_HWC = self.shard_set.image(number, out_HWC, seen=bool(self._seen) and self._seen[number] == 1)
        if self._seen:
            self._seen[number] = 1
        return image_HWC

    def _read(self, number: int, scratch: _Scratch) -> Decoded:
        image_HWC = self._image(number, scratch.image_HWC)
        page = Decoded(image_HWC, self.shard_set.planes(number, scratch.planes))
        self.cache.offer(number, page)
        return page

    def _augmented(
        self,
        slot: Slot,
        row: int,
        number: int,
        epoch: int,
        page: Decoded,
        settings: AugmentSettings,
        warper: Warper,
    ) -> None:
        planes, out = page.planes, slot.planes(row)
        draw = draw_for(self.shard_set.key(number), planes, settings, self.seed, epoch, self.size)
        view, boxes = warper.view(draw.matrix_23), self._boxes(number, page)
        first, *others = out
        warper.page(
            view, boxes[PAGE], page.image_HWC, planes[first], draw.color_34, slot.image(row), out[first]
        )
        for name in others:
            if name == "overlap":
                warper.overlap(view, boxes[name], planes.get(name), out[name])
            else:
                warper.bits(view, boxes[name], planes[name], out[name], OUTSIDE[name])


class _Scratch:
    """What one thread decodes into, again and again."""

    def __init__(self, shard_set: ShardSet, size: Side, channels: int) -> None:
        self.image_HWC = np.empty((*shard_set.canvas, channels), np.uint8)
        self.planes = np.empty(shard_set.plane_bytes, np.uint8)
        self.warper = Warper(shard_set.canvas, size, shard_set.settings.geometry.pad_color)


def _settle(stored: dict[str, Bytes], out: dict[str, Bytes]) -> None:
    """Bring decompressed planes to their places in the same memory; an overlap that is not there is zero.

    Args:
        stored: views of the memory, as `ShardSet.planes` leaves them.
        out: where each is to be.
    """
    if "overlap" in out and "overlap" not in stored:
        # A frame without overlap has the mask where the overlap goes: the two places do not meet.
        out["prob_mask"][:] = stored["prob_mask"]
        out["overlap"].fill(0)
