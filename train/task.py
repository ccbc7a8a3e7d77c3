"""Text detection as the loop sees it: batches of pages, the detector, its loss, its validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from train.batch import Batch
from train.journal.profile import OFF, Profiler
from train.loss import LossSettings, detection_loss
from train.maps import MapReader, Targets
from train.model import Detector, Logits
from train.pixels import normalised
from train.ranks import ALONE, Ranks
from train.stream import Stream


@dataclass
class DetectionTask:
    """Learns to detect text from a stream of pages and stored maps.

    Attributes:
        detector: the network, on `device`.
        stream: pages and their planes.
        reader: reads planes as targets, on the device.
        loss: weights of the loss.
        stored_ratio: shrink ratio of the set.
        ratio_at: shrink ratio to read in an epoch.
        evaluate: returns metrics of the detector as it stands, given the shrink ratio it learnt; None where
            it was told to stop.
        limit: batches of an epoch; None for all.
        device: where the network is.
        channels_last: memory layout of the pages given to the network; its weights have the same.
        compiler: backend of torch.compile that training steps go through; None: not compiled.
        profiler: what measures the phases.
        ranks: the processes that share the stream's batches.
    """

    detector: Detector
    stream: Stream
    reader: MapReader
    loss: LossSettings
    stored_ratio: float
    ratio_at: Callable[[int], float]
    evaluate: Callable[[float], Mapping[str, float] | None]
    limit: int | None
    device: torch.device
    channels_last: bool = True
    compiler: str | None = None
    profiler: Profiler = OFF
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        self._network: Callable[[Tensor], Logits] = (
            torch.compile(self.detector, backend=self.compiler) if self.compiler else self.detector
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.stream) if self.limit is None else min(self.limit, len(self.stream))

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Return an epoch's batches from number `start` on; their targets are read at its shrink ratio."""
        self._ratio = self.ratio_at(epoch)
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        batches = self.stream.epoch(epoch, start)
        try:
            for batch in islice(batches, len(self) - start):
                with self.profiler.span("host_to_device"):
                    batch = batch.to(self.device)
                yield batch
        finally:
            self.stream.close()

    def size(self, batch: Batch) -> int:
        """Return the number of pages of a batch, over all processes."""
        return self.stream.size(batch.position)

    def forward(self, batch: Batch) -> Logits:
        """Run the detector."""
        images_NCHW = normalised(batch.images_NHWC)
        return self._network(images_NCHW if self.channels_last else images_NCHW.contiguous())

    def losses(self, output: Logits, batch: Batch) -> Mapping[str, Tensor]:
        """Return the loss of the global batch and its parts."""
        parts = detection_loss(output, self.targets(batch), self.loss, self.ranks)
        return {
            "loss": parts.total,
            "loss/prob": parts.prob,
            "loss/thresh": parts.thresh,
            "loss/binary": parts.binary,
        }

    def targets(self, batch: Batch) -> Targets:
        """Read a batch's planes as float maps, at the shrink ratio of the epoch `batches` was told of."""
        return self.reader(batch.planes, self.stored_ratio, self._ratio)

    def validate(self, epoch: int) -> Mapping[str, float] | None:
        """Evaluate the detector after an epoch, at the shrink ratio it learnt there; see `evaluate`."""
        return self.evaluate(self.ratio_at(epoch))
