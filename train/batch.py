"""Batches and the memory they live in.

A stream owns a few slots, each the memory of one batch, and fills them again and again: nothing is allocated
while training runs. The tensors are views of that memory, pinned where CUDA is there to copy from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from formats.sample import Bytes

PLANES = {
    "distance": ("distance", "overlap", "prob_mask"),
    "planes": ("prob", "prob_mask", "thresh", "thresh_mask"),
}
"""By `encoding.maps`, the planes of a batch."""


class Slot:
    """Memory of one batch: the same bytes as tensors and as arrays.

    Args:
        samples: samples of a batch, at most.
        size: height, width of a sample.
        planes: names of the planes.
    """

    def __init__(self, samples: int, size: tuple[int, int], planes: Iterable[str]) -> None:
        pinned = torch.cuda.is_available()
        self.images_NHWC = torch.empty((samples, *size, 3), dtype=torch.uint8, pin_memory=pinned)
        self.planes = {
            name: torch.empty((samples, *size), dtype=torch.uint8, pin_memory=pinned) for name in planes
        }
        self._images = self.images_NHWC.numpy()
        self._planes = {name: plane.numpy() for name, plane in self.planes.items()}
        self.copied: torch.cuda.Event | None = None

    def image(self, row: int) -> Bytes:
        """Return the (H, W, 3) image of one sample, to be written."""
        image_HWC: Bytes = self._images[row]
        return image_HWC

    def plane(self, name: str, row: int) -> Bytes:
        """Return one (H, W) plane of one sample, to be written."""
        plane_HW: Bytes = self._planes[name][row]
        return plane_HW

    def wait_until_free(self) -> None:
        """Wait until a device has copied what the slot held."""
        if self.copied is not None:
            self.copied.synchronize()
            self.copied = None


@dataclass(frozen=True)
class Batch:
    """Some samples of an epoch. Its memory is the stream's: valid until the next batch is asked for.

    Attributes:
        images_NHWC: (N, H, W, 3) uint8 RGB.
        planes: (N, H, W) uint8 by name: distance, overlap, prob_mask (0/1); or, from a set of planes, prob,
            prob_mask, thresh_mask (0/1) and thresh.
        numbers: the samples' numbers in the set.
        position: which batch of the epoch, from 0.
    """

    images_NHWC: torch.Tensor
    planes: dict[str, torch.Tensor]
    numbers: tuple[int, ...]
    position: int
    _slot: Slot | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.numbers)

    @classmethod
    def of(cls, slot: Slot, numbers: tuple[int, ...], position: int) -> Batch:
        """Return the batch that a slot holds."""
        count = len(numbers)
        planes = {name: plane[:count] for name, plane in slot.planes.items()}
        return cls(slot.images_NHWC[:count], planes, numbers, position, slot)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device; the host goes on while CUDA copies, and the memory waits for it."""
        device = torch.device(device)
        moved = Batch(
            self.images_NHWC.to(device, non_blocking=True),
            {name: plane.to(device, non_blocking=True) for name, plane in self.planes.items()},
            self.numbers,
            self.position,
            self._slot,
        )
        if device.type == "cuda" and self._slot is not None:
            self._slot.copied = torch.cuda.current_stream(device).record_event()
        return moved
