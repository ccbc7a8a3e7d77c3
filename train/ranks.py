"""Several processes that train one model: the one file that knows torch.distributed.

The processes (*ranks*) are started by torchrun, each works on its share of every global batch, and together
they take the steps that one process would take. There is no wrapper around the model: the loss is made of
sums over the global batch (`Ranks.total`), and its gradients are summed over the ranks once a step
(`Ranks.unite`), which is also what accumulation wants. See docs/decisions/0008-many-processes.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from formats.errors import TextshardsError, UsageError

Item = TypeVar("Item")
TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for another: longer than any step, any validation's last page and any save take."""


class RankError(TextshardsError):
    """Another process of the run ended or did not answer, or the processes do not do the same thing."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run. All methods but `first` and `device` are called by all of them.

    With one process nothing is exchanged: what is given comes back, the same object.

    Attributes:
        rank: this process, from 0.
        world: number of processes.
        local: this process among those of its machine, from 0.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes: records, checkpoints, the console."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Return the device of this process: of several, each has a GPU of its own.

        Raises:
            UsageError: a GPU named by number, or fewer of them than processes.
        """
        if self.world == 1 or device.type != "cuda":
            return device
        found = torch.cuda.device_count()
        if device.index is not None or self.local >= found:
            raise UsageError(
                f"trainer.device={device} in process {self.local} of this machine",
                expected="trainer.device=cuda and a GPU for each process",
                found=f"{found} GPUs",
                next_step=f"torchrun --nproc-per-node {max(found, 1)}",
            )
        torch.cuda.set_device(self.local)
        return torch.device("cuda", self.local)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, without a gradient."""
        return values if self.world == 1 else _summed(values)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, to be used by each of them in the same formula of the loss.

        The gradient goes to this rank's own values alone, so that gradients of the weights are to be summed.
        """
        return values if self.world == 1 else _Total.apply(values)  # type: ignore[no-untyped-call]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any rank; also how ranks wait for each other."""
        if self.world == 1:
            return flag
        return bool(self.sum(torch.tensor(int(flag))))

    def gather(self, item: Item) -> list[Item]:
        """Return every rank's item, in the order of ranks, on every rank. Items come from this run alone."""
        if self.world == 1:
            return [item]
        items: list[Any] = [None] * self.world
        with _others_present():
            dist.all_gather_object(items, item)
        return items

    def check_same(self, what: str, value: str) -> None:
        """Refuse to go on where ranks differ in something.

        Raises:
            RankError: they do.
        """
        values = self.gather(value)
        if differing := [rank for rank, other in enumerate(values) if other != values[0]]:
            raise RankError(
                f"{what} of process {differing[0]}",
                expected=f"that of process 0: {values[0]}",
                found=values[differing[0]],
                next_step="start all processes with one command line, on the same files",
            )

    def synchronise_batch_norm(self, model: nn.Module, device: torch.device) -> None:
        """Let batch norms compute their statistics over the global batch.

        Raises:
            UsageError: there are several processes, and they are not on GPUs.
        """
        if self.world == 1:
            return
        if device.type != "cuda":
            raise UsageError(
                "trainer.sync_batchnorm",
                expected="processes on GPUs: torch synchronises batch norms there alone",
                found=f"trainer.device={device.type}",
                next_step="leave it out, or set model.freeze_batch_norm=true",
            )
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]

    def spread(self, model: nn.Module) -> None:
        """Give every rank the weights and buffers of rank 0."""
        if self.world == 1:
            return
        with _others_present():
            for value in model.state_dict().values():
                # A copy in row-major order: what is sent is memory as it lies.
                sent = value.contiguous().clone()
                dist.broadcast(sent, src=0)
                value.copy_(sent)

    @torch.no_grad()
    def unite(self, model: nn.Module) -> None:
        """Sum the gradients over all ranks; average the running statistics that each rank has moved alone."""
        if self.world == 1:
            return
        values = [weight.grad for weight in model.parameters() if weight.grad is not None]
        statistics = list(_own_statistics(model))
        together = torch.cat([value.reshape(-1).float() for value in [*values, *statistics]])
        united = torch.split(_summed(together), [value.numel() for value in [*values, *statistics]])
        for value, part in zip(values, united, strict=False):
            value.copy_(part.view_as(value))
        for value, part in zip(statistics, united[len(values) :], strict=True):
            value.copy_(part.view_as(value) / self.world)

    def leave(self, code: int) -> None:
        """End this process at once where there are others; alone, do nothing. All work must be done.

        A thread of Gloo's that lets go of a tensor asks for Python's lock; in an interpreter that is ending,
        that aborts the process, now and then, after all went well. So the interpreter does not end here.
        """
        if self.world == 1:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


ALONE = Ranks()
"""One process."""


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started, while a block runs; alone where it started none.

    GPUs exchange by NCCL; what lies in the host's memory goes by Gloo.

    Raises:
        RankError: the others do not come.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    with _others_present():
        dist.init_process_group(backend, timeout=TIMEOUT)
    ranks = Ranks(dist.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")))
    yield ranks
    # Whoever left earlier would be taken for lost, and the rest stopped, while rank 0 still writes. After an
    # error nobody waits: the end of the process tells the others.
    with _others_present():
        dist.all_reduce(torch.zeros(1))
    dist.destroy_process_group()


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return gradient


def _summed(values: Tensor) -> Tensor:
    summed = values.detach().clone()
    with _others_present():
        dist.all_reduce(summed)
    return summed


def _own_statistics(model: nn.Module) -> Iterator[Tensor]:
    """Running means and variances of norms that are not frozen and not synchronised themselves."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training and not isinstance(module, nn.SyncBatchNorm):
            yield from (
                value for value in (module.running_mean, module.running_var) if isinstance(value, Tensor)
            )


@contextmanager
def _others_present() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankError(
            "the other processes of this run",
            expected=f"an answer within {TIMEOUT.seconds // 60} minutes",
            found=str(error).splitlines()[0],
            next_step="one of them has ended: see its own message; then --resume the run",
        ) from error
