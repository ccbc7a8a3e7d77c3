"""Batches and the memory they live in.

A stream owns a few slots, each the memory of one batch, and fills them again and again: nothing is allocated
while training runs. The tensors are views of that memory, pinned where CUDA is there to copy from it. The
planes of a sample lie side by side and packed as they do in a shard, so that a shard's frame is decompressed
in place, and what is one bit a pixel stays that until it is on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import prod

import numpy as np
import torch

from formats.sample import Bytes

Shapes = Mapping[str, tuple[int, int]]
"""Rows and bytes a row of each plane of a sample, in the order they are stored in."""


class Slot:
    """Memory of one batch: the same bytes as tensors and as arrays.

    Args:
        samples: samples of a batch, at most.
        size: height, width of a sample.
        shapes: of the planes.
    """

    def __init__(self, samples: int, size: tuple[int, int], shapes: Shapes) -> None:
        pinned = torch.cuda.is_available()
        self.shapes = dict(shapes)
        self.images_NHWC = _memory((samples, *size, 3), pinned)
        self.planes_NB = _memory((samples, sum(map(prod, self.shapes.values()))), pinned)
        self._images, self._contents = self.images_NHWC.numpy(), self.planes_NB.numpy()
        self._planes = [_views(content_B, self.shapes) for content_B in self._contents]
        self.copied: torch.cuda.Event | None = None

    def image(self, row: int) -> Bytes:
        """Return the (H, W, 3) image of one sample, to be written."""
        image_HWC: Bytes = self._images[row]
        return image_HWC

    def content(self, row: int) -> Bytes:
        """Return all planes of one sample, flat, in the order of `shapes`, to be written."""
        content_B: Bytes = self._contents[row]
        return content_B

    def planes(self, row: int) -> dict[str, Bytes]:
        """Return the planes of one sample: views of its content."""
        return self._planes[row]

    def wait_until_free(self) -> None:
        """Wait until a device has copied what the slot held."""
        if self.copied is not None:
            self.copied.synchronize()
            self.copied = None


def _views(content_B: Bytes, shapes: Shapes) -> dict[str, Bytes]:
    starts = zip(_starts(shapes), shapes.items(), strict=True)
    return {name: content_B[start : start + prod(shape)].reshape(shape) for start, (name, shape) in starts}


def _starts(shapes: Shapes) -> list[int]:
    """Return where each plane of a sample begins."""
    return list(accumulate(map(prod, shapes.values()), initial=0))[:-1]


def _memory(shape: tuple[int, ...], pinned: bool) -> torch.Tensor:
    if pinned:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
    # Allocated by NumPy, which asks the system for large pages where they can be had; PyTorch does not.
    return torch.from_numpy(np.empty(shape, np.uint8))


@dataclass(frozen=True)
class Batch:
    """Some samples of an epoch. Its memory is the stream's: valid until the next batch is
    asked for; `clone` is what to keep.

    Attributes:
        images_NHWC: (N, H, W, 3) uint8 RGB.
        planes_NB: (N, B) uint8: the planes of each sample, one after the other; see `planes`.
        shapes: of the planes.
        numbers: the samples' numbers in the set.
        position: which batch of the epoch, from 0.
    """

    images_NHWC: torch.Tensor
    planes_NB: torch.Tensor
    shapes: Shapes
    numbers: tuple[int, ...]
    position: int
    _slot: Slot | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.numbers)

    @property
    def planes(self) -> dict[str, torch.Tensor]:
        """The planes by name, uint8: views of `planes_NB`.

        ``distance`` and ``overlap``, or from a set of planes ``thresh``, are (N, H, W). ``prob_mask``, and
        from a set of planes ``prob`` and ``thresh_mask``, are (N, H, W / 8): 8 pixels a byte, the first in
        the highest bit; `train.maps.unpacked` brings them to a byte a pixel.
        """
        return {
            name: self.planes_NB[:, start : start + prod(shape)].view(-1, *shape)
            for start, (name, shape) in zip(_starts(self.shapes), self.shapes.items(), strict=True)
        }

    @classmethod
    def of(cls, slot: Slot, numbers: tuple[int, ...], position: int) -> Batch:
        """Return the batch that a slot holds."""
        count = len(numbers)
        return cls(slot.images_NHWC[:count], slot.planes_NB[:count], slot.shapes, numbers, position, slot)

    def clone(self) -> Batch:
        """Return the batch in memory of its own, to be kept when the next one is asked for."""
        images_NHWC, planes_NB = self.images_NHWC.clone(), self.planes_NB.clone()
        return replace(self, images_NHWC=images_NHWC, planes_NB=planes_NB, _slot=None)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device; the host goes on while CUDA copies, and the memory waits for it."""
        device = torch.device(device)
        moved = Batch(
            self.images_NHWC.to(device, non_blocking=True),
            self.planes_NB.to(device, non_blocking=True),
            self.shapes,
            self.numbers,
            self.position,
            self._slot,
        )
        if device.type == "cuda" and self._slot is not None:
            self._slot.copied = torch.cuda.current_stream(device).record_event()
        return moved
