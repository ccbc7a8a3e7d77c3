"""Batches of a set for a loop that is not ours: augmented pages, and their four maps as floats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from formats.errors import UsageError
from formats.places import Place, place
from train.augment import AugmentSettings
from train.batch import Batch
from train.maps import MapReader, Targets
from train.remote_reader import open_set
from train.storage_settings import StorageSettings
from train.stream import Stream, StreamSettings


@dataclass(frozen=True)
class FedBatch:
    """Some pages and their targets; the memory is used again for the next batch.

    Attributes:
        images_NHWC: (N, H, W, 3) uint8 RGB.
        targets: the four maps, (N, H, W) float32 each.
        keys: of the pages; of a variant with its number, as in ``train/a.jpg#v2``.
    """

    images_NHWC: Tensor
    targets: Targets
    keys: tuple[str, ...]


class BatchFeed:
    """Streams a set to any training loop, as our own streams it: checked, augmented, in a full permutation.

    Of a page with distorted variants an epoch has one version, each in its turn.

    Args:
        folder: of the set, or its URL.
        split: what to learn from.
        stream: batch size, threads, crop.
        augment: how pages are augmented (default: as `train.run` does).
        seed: of the order and of the augmentation.
        rank: this process, from 0.
        world: number of processes; each has its share of every batch.

    Raises:
        UsageError: no such split, or no batch in it.
        SetError: no set, or a shard of it missing.
    """

    def __init__(
        self,
        folder: Place | str,
        split: str = "train",
        *,
        stream: StreamSettings | None = None,
        augment: AugmentSettings | None = None,
        seed: int = 42,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.shard_set, _ = open_set(place(folder), [split], StorageSettings(), variants=True)
        targets = self.shard_set.settings.targets
        self.stored_ratio = targets.shrink_ratio
        self._reader = MapReader(targets.thresh_min, targets.thresh_max)
        self._stream = Stream(
            self.shard_set,
            stream or StreamSettings(),
            seed=seed,
            augment=augment or AugmentSettings(),
            rank=rank,
            world=world,
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._stream)

    def epoch(self, epoch: int, *, start: int = 0, shrink_ratio: float | None = None) -> Iterator[FedBatch]:
        """Iterate over an epoch's batches.

        Args:
            epoch: counted from 0; order and augmentation are a function of it.
            start: first batch to give, to go on where a run was stopped.
            shrink_ratio: to read the maps at (default: the set's own); not below it.

        Raises:
            DamageError: a page's bytes are not those that were written, or another place of its shard; of
                the latter an epoch that is read to its end tells.
            UsageError: planes that cannot be read at another ratio.
        """
        for batch in self._stream.epoch(epoch, start):
            keys = tuple(self.shard_set.key(number) for number in batch.numbers)
            yield FedBatch(batch.images_NHWC, self._targets(batch, shrink_ratio), keys)
        self._stream.finish_hashing()

    def _targets(self, batch: Batch, ratio: float | None) -> Targets:
        if ratio not in (None, self.stored_ratio) and "distance" not in batch.shapes:
            raise UsageError(
                f"shrink ratio {ratio}",
                expected=f"{self.stored_ratio}, at which the set's planes were rendered",
                next_step="build the set with encoding.maps=distance",
            )
        return self._reader(batch.planes, self.stored_ratio, ratio)
