"""Settings of a training run small enough for tests."""

from __future__ import annotations

CANVAS = (128, 96)
WORDS = (
    "model.width=8",
    "model.inner=16",
    "data.stream.batch_size=8",
    "data.stream.crop=[96,96]",
    "data.augment.scale=[1.0,1.2]",
    "trainer.accumulate_grad_batches=1",
    "trainer.threads=1",
    "trainer.device=cpu",
    "optim.lr=1e-2",
)
"""Settings under which 40 steps, some seconds, find nearly every text of the made pages."""
