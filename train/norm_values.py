"""What a batch leaves batch norms to compute their statistics from: more than one value a channel."""

from __future__ import annotations

from math import prod

from formats.errors import UsageError
from train.model import STRIDE


def check_norm_values(size: tuple[int, int], batches: tuple[int, int], world: int) -> None:
    """Refuse batches of which the coarsest feature map has a single value a channel in some process.

    The variance of one value is none, and PyTorch ends there.

    Args:
        size: height, width of the pages the network sees.
        batches: pages of the first and of the last batch of an epoch, over all processes.
        world: number of processes, each with norms of its own.

    Raises:
        UsageError: one of these.
    """
    values = prod(side // STRIDE for side in size)
    for pages, which in zip(batches, ("a batch", "the last batch of an epoch"), strict=True):
        shares = {len(range(rank, pages, world)) for rank in range(world)}
        if values == 1 and 1 in shares:
            drop = "" if which == "a batch" else "data.stream.drop_last=true, "
            raise UsageError(
                f"{which}: one page of {size[0]} x {size[1]}" + (" in a process" if world > 1 else ""),
                expected="more than one value a channel for batch norms, at 1/32 of the page's sides",
                found="one",
                next_step=f"set {drop}another data.stream.batch_size, a larger data.stream.crop, "
                "or model.freeze_batch_norm=true",
            )
