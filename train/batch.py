"""Batches and the memory they live in.

A stream owns a few slots, each the memory of one batch, and fills them again and again: nothing is allocated
while training runs. The tensors are views of that memory, pinned where CUDA is there to copy from it. The
planes of a sample lie side by side, as they do in a shard, so that a shard's frame is decompressed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from formats.sample import Bytes

PLANES = {
    "distance": ("distance", "overlap", "prob_mask"),
    "planes": ("thresh", "prob", "prob_mask", "thresh_mask"),
}
"""By `encoding.maps`, the planes of a batch, in the order they are stored in."""


class Slot:
    """Memory of one batch: the same bytes as tensors and as arrays.

    Args:
        samples: samples of a batch, at most.
        size: height, width of a sample.
        planes: names of the planes.
    """

    def __init__(self, samples: int, size: tuple[int, int], planes: Iterable[str]) -> None:
        pinned = torch.cuda.is_available()
        self.names = tuple(planes)
        self.images_NHWC = _memory((samples, *size, 3), pinned)
        self.planes_NPHW = _memory((samples, len(self.names), *size), pinned)
        self._images, self._planes = self.images_NHWC.numpy(), self.planes_NPHW.numpy()
        self.copied: torch.cuda.Event | None = None

    def image(self, row: int) -> Bytes:
        """Return the (H, W, 3) image of one sample, to be written."""
        image_HWC: Bytes = self._images[row]
        return image_HWC

    def planes(self, row: int) -> Bytes:
        """Return the (P, H, W) planes of one sample, in the order of `names`, to be written."""
        planes_PHW: Bytes = self._planes[row]
        return planes_PHW

    def wait_until_free(self) -> None:
        """Wait until a device has copied what the slot held."""
        if self.copied is not None:
            self.copied.synchronize()
            self.copied = None


def _memory(shape: tuple[int, ...], pinned: bool) -> torch.Tensor:
    if pinned:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
    # Allocated by NumPy, which asks the system for large pages where they can be had; PyTorch does not.
    return torch.from_numpy(np.empty(shape, np.uint8))


@dataclass(frozen=True)
class Batch:
    """Some samples of an epoch. Its memory is the stream's: valid until the next batch is asked for.

    Attributes:
        images_NHWC: (N, H, W, 3) uint8 RGB.
        planes_NPHW: (N, P, H, W) uint8: distance, overlap, prob_mask (0/1); or, from a set of planes, thresh,
            prob, prob_mask, thresh_mask (the last three 0/1).
        names: of the P planes.
        numbers: the samples' numbers in the set.
        position: which batch of the epoch, from 0.
    """

    images_NHWC: torch.Tensor
    planes_NPHW: torch.Tensor
    names: tuple[str, ...]
    numbers: tuple[int, ...]
    position: int
    _slot: Slot | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.numbers)

    @property
    def planes(self) -> dict[str, torch.Tensor]:
        """The planes by name, each (N, H, W): views of `planes_NPHW`."""
        return {name: self.planes_NPHW[:, place] for place, name in enumerate(self.names)}

    @classmethod
    def of(cls, slot: Slot, numbers: tuple[int, ...], position: int) -> Batch:
        """Return the batch that a slot holds."""
        count = len(numbers)
        return cls(slot.images_NHWC[:count], slot.planes_NPHW[:count], slot.names, numbers, position, slot)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device; the host goes on while CUDA copies, and the memory waits for it."""
        device = torch.device(device)
        moved = Batch(
            self.images_NHWC.to(device, non_blocking=True),
            self.planes_NPHW.to(device, non_blocking=True),
            self.names,
            self.numbers,
            self.position,
            self._slot,
        )
        if device.type == "cuda" and self._slot is not None:
            self._slot.copied = torch.cuda.current_stream(device).record_event()
        return moved
