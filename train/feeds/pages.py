"""A set as a map-style dataset, for a `DataLoader` of processes.

`train.stream` decodes in threads and is faster wherever the work drops Python's lock. An augmentation written
in Python holds it: then processes are worth their copies. Each page is decoded as in the stream and goes
through the caller's function before it is batched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from formats.sample import Bytes
from formats.shards import ShardSet

Transform = Callable[[Bytes, dict[str, Bytes]], tuple[Bytes, dict[str, Bytes]]]
"""From (H, W, 3) uint8 RGB and (H, W) uint8 planes to the same of any one size.

Image and planes must go through one similarity: under other moves the stored maps are no longer those of the
moved texts (docs/format.md).
"""


class PageDataset(Dataset[dict[str, torch.Tensor]]):
    """Pages and planes of a set by number.

    Where worker processes are forked, as PyTorch does on Linux, they share the index that was opened here.

    Args:
        shard_set: the set.
        transform: what is done to each page; None: nothing.
    """

    def __init__(self, shard_set: ShardSet, transform: Transform | None = None) -> None:
        self.shard_set, self.transform = shard_set, transform

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.shard_set)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return `image` (H, W, 3), the planes that `train.batch.Batch` has, and `number`.

        The planes are (H, W) each, those of one bit a pixel too; `train.maps.MapReader` reads both.

        Raises:
            DamageError, SetError: the sample's bytes are not those that were written; names its key.
            IndexError: no sample has that number.
        """
        image_HWC = self.shard_set.image(number)
        canvas, stored = self.shard_set.canvas, self.shard_set.planes(number)
        planes = {name: _whole(stored.get(name), canvas) for name in self.shard_set.plane_shapes}
        if self.transform is not None:
            image_HWC, planes = self.transform(image_HWC, planes)
        arrays = {"image": image_HWC} | planes
        return {name: torch.from_numpy(np.ascontiguousarray(it)) for name, it in arrays.items()} | {
            "number": number
        }


def _whole(plane: Bytes | None, canvas: tuple[int, int]) -> Bytes:
    """Return a stored plane with a byte a pixel; one that is not there is all zero."""
    if plane is None:
        return np.zeros(canvas, np.uint8)
    return plane if plane.shape == canvas else np.unpackbits(plane, axis=1)
