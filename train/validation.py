"""A detector over a split: every page found and scored in source coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from formats.errors import UsageError
from formats.sample import Bytes
from formats.shards import ShardSet
from train.boxes import to_source
from train.detect import TextFinder
from train.metrics import truth_of
from train.ranks import ALONE, Ranks
from train.scoring import Evaluation, Outline, Page, evaluation_of, protocols_named, score_page
from train.stream import Stream, StreamSettings, Verify

DEFAULT_PROTOCOLS: dict[Outline, tuple[str, ...]] = {
    "quad": ("icdar2015", "cleval"),
    "polygon": ("polygon", "cleval"),
}
"""What is scored if nothing else is asked for, by `boxes.shape`."""


def never() -> bool:
    """Go on."""
    return False


class Validation:
    """The pages of a split, ready to be evaluated again and again.

    Texts count as the official protocols say, not as the targets do: one that is too small to be learnt is
    still one to find (see `train.metrics.score.COUNTED`).

    Args:
        shard_set: the pages.
        batch_size: pages the network sees at once.
        threads: decode threads.
        limit: batches; None for all pages.
        verify: what is compared with its hash; see `train.stream.StreamSettings`.
        protocols: names of the metrics' protocols.
        ranks: the processes that share the pages out; each gets the evaluation of all of them.

    Raises:
        UsageError: there are no pages.
    """

    def __init__(
        self,
        shard_set: ShardSet,
        *,
        batch_size: int,
        threads: int,
        limit: int | None = None,
        verify: Verify = "shards",
        protocols: Sequence[str] = DEFAULT_PROTOCOLS["quad"],
        ranks: Ranks = ALONE,
    ) -> None:
        if not len(shard_set):
            raise UsageError(
                f"the pages of {shard_set.folder} to evaluate on",
                expected="at least one",
                found="a split without pages",
                next_step="name another split (data.val=NAME; with train.evaluate, --split NAME), or train "
                "without evaluating: data.val=null",
            )
        together = batch_size * ranks.world
        settings = StreamSettings(
            batch_size=together, threads=threads, prefetch=2, crop=None, drop_last=False, verify=verify
        )
        self.shard_set, self.ranks = shard_set, ranks
        self.stream = Stream(shard_set, settings, seed=0, augment=None, rank=ranks.rank, world=ranks.world)
        self.pages = len(shard_set) if limit is None else min(limit * batch_size, len(shard_set))
        self.batches = -(-self.pages // together)
        self.protocols = protocols_named(protocols)

    def run(
        self,
        finder: TextFinder,
        stop: Callable[[], bool] = never,
        advance: Callable[[int], None] = lambda _pages: None,
    ) -> Evaluation | None:
        """Evaluate; None where `stop` said so on the way. `advance` is told of pages done.

        Each process asks `stop` equally often.
        """
        finder.detector.eval()
        pages: dict[int, Page] = {}
        stream = self.stream.epoch(0)
        try:
            for _ in range(self.batches):
                batch = next(stream)
                numbers = [number for number in batch.numbers if number < self.pages]
                pages |= self._score(finder, numbers, batch.images_NHWC.numpy()[: len(numbers)])
                advance(len(batch))
                if stop():
                    return None
        finally:
            self.stream.close()
        for shared_out in self.ranks.gather(pages):
            pages |= shared_out
        return evaluation_of([pages[number] for number in sorted(pages)], list(self.protocols))

    def _score(self, finder: TextFinder, numbers: Sequence[int], images_NHWC: Bytes) -> dict[int, Page]:
        found = finder.find([finder.fit.apply(image_HWC) for image_HWC in images_NHWC]) if numbers else []
        pages = {}
        for number, detections in zip(numbers, found, strict=True):
            meta = self.shard_set.meta(number)
            on_page = to_source(detections, meta.to_source_23, meta.source_size)
            pages[number] = score_page(meta.key, truth_of(meta), on_page, self.protocols)
        return pages
