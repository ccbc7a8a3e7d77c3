"""Each process of tests/train/test_ranks.py: `torchrun -m rank_program SHARDS FOLDER TRAINED SET`."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from made_run import WORDS
from torch import Tensor, nn

from formats.errors import UsageError
from formats.shards import ShardSet
from train.loss import LossParts, LossSettings, detection_loss
from train.maps import Targets
from train.model import Logits
from train.order import Order
from train.ranks import ALONE, RankError, Ranks, joined
from train.run_folder import open_run
from train.selection import kth_greatest_of_all
from train.summary import summary_of
from train.trained import load_trained
from train.validation import Validation

SETTINGS = (
    *WORDS,
    "model.freeze_batch_norm=true",
    "data.stream.threads=1",
    "data.stream.drop_last=false",
    "data.eval_batch_size=2",
    "trainer.accumulate_grad_batches=2",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "trainer.ema_decay=0.9",
    "optim.lr=1e-4",
    "exp_name=x",
)
"""Of runs on 19 pages: batches of 8, 8 and 3 pages, so that the last of four processes once has none."""
STEEP = ("optim.lr=1e-3", "optim.eps=1e-4")
"""A rate at which rounding shows, and an epsilon by which AdamW does not follow it (decision 0008)."""
SHARES = {2: [(0, 3), (3, 3)], 4: [(0, 1), (1, 3), (3, 3), (3, 3)]}
"""Which of three pages each rank has, from-to: uneven, some none."""


def page(text: float, seed: int) -> tuple[Tensor, Tensor, Targets]:
    """Random logits, equal ones among them, and targets of three pages."""
    random = torch.Generator().manual_seed(seed)

    def uniform() -> Tensor:
        return torch.rand(3, 24, 32, generator=random)

    prob_NHW = (uniform() < text).float()
    x_NHW, y_NHW = (torch.randn(3, 24, 32, generator=random) * 3 for _ in range(2))
    masks = [(uniform() > 0.1).float() for _ in range(2)]
    return x_NHW.mul(4).round().div(4), y_NHW, Targets(prob_NHW, masks[0], 0.3 + 0.4 * uniform(), masks[1])


def loss_of(
    network: nn.Module, maps: tuple[Tensor, Tensor, Targets], share: slice, ranks: Ranks
) -> LossParts:
    x_NHW, y_NHW, targets = maps
    scale, shift, other = network.weight  # type: ignore[misc]
    logits = Logits(x_NHW[share] * scale + shift, y_NHW[share] * other)
    settings = LossSettings(negatives_at_least=100)
    parts = detection_loss(logits, Targets(*(plane[share] for plane in targets)), settings, ranks)
    parts.total.backward()  # type: ignore[no-untyped-call]
    return parts


class Three(nn.Module):
    """Three weights, each moving every logit."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -0.25, 0.75]))


def check_loss(ranks: Ranks) -> None:
    """The ranks' losses and summed gradients are those of one process."""
    share = slice(*SHARES[ranks.world][ranks.rank])
    for text, seed in itertools.product((0.0, 0.02, 0.4), (1, 2)):
        alone, together, maps = Three(), Three(), page(text, seed)
        expected = loss_of(alone, maps, slice(None), ALONE)
        found = loss_of(together, maps, share, ranks)
        ranks.unite(together)
        torch.testing.assert_close(
            torch.stack(found).detach(), torch.stack(expected).detach(), rtol=1e-5, atol=1e-6
        )
        torch.testing.assert_close(together.weight.grad, alone.weight.grad, rtol=1e-4, atol=1e-6)


def check_selection(ranks: Ranks) -> None:
    """The k-th greatest of uneven shares is that of all values, to the bit."""
    random = torch.Generator().manual_seed(0)
    values_M = torch.cat(
        [torch.randn(5000, generator=random), torch.full((1000,), -torch.inf), torch.zeros(99)]
    )
    shares = values_M.tensor_split([10, 4000, 4000][: ranks.world - 1])
    greatest_first = values_M.sort(descending=True).values
    for k in (1, 2, 777, 3000, 5099, 5100, 6099):
        assert kth_greatest_of_all(shares[ranks.rank], k, ranks) == greatest_first[k - 1]


def check_exchange(ranks: Ranks) -> None:
    """Flags, items, statistics and weights go where they should."""
    assert ranks.gather({"rank": ranks.rank}) == [{"rank": rank} for rank in range(ranks.world)]
    assert ranks.any(ranks.rank == ranks.world - 1)
    assert not ranks.any(False)
    norm = nn.BatchNorm2d(2)
    assert norm.running_mean is not None
    norm.running_mean.fill_(float(ranks.rank))
    ranks.unite(norm)
    assert torch.all(norm.running_mean == (ranks.world - 1) / 2)
    frozen = nn.BatchNorm2d(2).eval()
    assert frozen.running_mean is not None
    frozen.running_mean.fill_(float(ranks.rank))
    frozen.weight.grad = torch.full((2,), float(ranks.rank))
    ranks.unite(frozen)
    assert torch.all(frozen.running_mean == ranks.rank)
    assert torch.all(frozen.weight.grad == sum(range(ranks.world)))
    ranks.spread(frozen)
    assert not frozen.running_mean.any()
    ranks.check_same("a value", "same")
    refused(RankError, lambda: ranks.check_same("a value", str(ranks.rank)))
    refused(UsageError, lambda: ranks.synchronise_batch_norm(norm, torch.device("cpu")))


def refused(kind: type[Exception], action: Callable[[], None]) -> None:
    try:
        action()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def check_samples(ranks: Ranks) -> None:
    """Each sample comes to one rank, once an epoch."""
    order = Order(19, "x", seed=1, batch_size=8, drop_last=False, rank=ranks.rank, world=ranks.world)
    mine = [order.share(order.epoch(3), position).tolist() for position in range(len(order))]
    assert sorted(number for rank in ranks.gather(mine) for share in rank for number in share) == list(
        range(19)
    )


def train(
    shards: Path,
    folder: Path,
    ranks: Ranks,
    steps: int | None = None,
    more: tuple[str, ...] = (),
    **options: Any,
) -> None:
    """Train; with `steps`, the last rank, it alone, says stop after so many."""
    words = () if "resume" in options else (*SETTINGS, *more, f"logger.folder={folder}")
    experiment = open_run(shards, None, words, ranks=ranks, **options)
    asked = itertools.count(1)
    drawn: set[int] = set()
    own_size = experiment.task.size

    def stop() -> bool:
        return next(asked) == steps and ranks.rank == ranks.world - 1

    def size(batch: Any) -> int:
        drawn.update(batch.numbers)
        return own_size(batch)

    experiment.task.size = size  # type: ignore[method-assign]
    ended = experiment.run(stop, resume="resume" in options)
    assert ended.finished == (steps is None)
    assert ended.finished is all(ranks.gather(ended.finished))
    if steps is None and "resume" not in options:
        assert set().union(*ranks.gather(drawn)) == set(range(19))
    if ranks.first:
        summary = summary_of(experiment, ended)
        (experiment.folder / "summary.json").write_text(json.dumps(summary))


def check_validation(run: Path, shards: Path, ranks: Ranks) -> None:
    """Pages shared out score as they do in one process; also where a rank has none of the last batch."""
    finder = load_trained(run).finder()
    for limit in (None, 1, 2):
        parts = {"batch_size": 3, "threads": 1, "limit": limit}
        alone, together = (
            Validation(ShardSet(shards, ["test"]), ranks=group, **parts).run(finder)  # type: ignore[arg-type]
            for group in (ALONE, ranks)
        )
        assert alone is not None
        assert together is not None
        assert alone.metrics["hmean"] > 0.3
        assert [page.key for page in together.pages] == [page.key for page in alone.pages]
        torch.testing.assert_close(together.metrics, alone.metrics)


def main(shards: Path, folder: Path, run: Path, run_set: Path) -> None:
    torch.set_num_threads(1)
    with joined() as ranks:
        check_loss(ranks)
        check_selection(ranks)
        check_exchange(ranks)
        check_samples(ranks)
        check_validation(run, run_set, ranks)
        train(shards, folder / f"whole_{ranks.world}", ranks)
        train(shards, folder / f"steep_{ranks.world}", ranks, more=STEEP)
        if ranks.world == 2:
            train(shards, folder / "stopped_2", ranks, steps=1)
        else:
            train(shards, folder, ranks, resume=folder / "stopped_1/x")
    ranks.leave(0)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
