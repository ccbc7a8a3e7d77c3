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
from train.batch import PLANES
from train.decode import spread

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
        self.names = PLANES[shard_set.encoding.maps]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.shard_set)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return `image` (H, W, 3), the planes that `train.batch.Batch` has, (H, W) each, and `number`.

        Raises:
            DamageError, SetError: the sample's bytes are not those that were written; names its key.
            IndexError: no sample has that number.
        """
        image_HWC = self.shard_set.image(number)
        planes_PHW = np.empty((len(self.names), *self.shard_set.canvas), np.uint8)
        spread(self.shard_set.planes(number, planes_PHW.reshape(-1)), self.names, planes_PHW)
        planes = dict(zip(self.names, planes_PHW, strict=True))
        if self.transform is not None:
            image_HWC, planes = self.transform(image_HWC, planes)
        arrays = {"image": image_HWC} | planes
        return {name: torch.from_numpy(np.ascontiguousarray(it)) for name, it in arrays.items()} | {
            "number": number
        }
