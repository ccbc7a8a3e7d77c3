"""The training loop, whole: it knows batches, losses and steps, and nothing of what is learnt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from train.journal.profile import OFF, Profiler
from train.journal.records import Records
from train.learner import Learner
from train.meter import Meter
from train.optim import set_learning_rate
from train.ranks import ALONE, Ranks
from train.seeding import random_state, set_random_state

Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What is learnt, as the loop sees it."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield an epoch's batches from number `start` on: a function of its arguments alone.

        A batch is used up before the next one is asked for, so all may live in the same memory.
        """

    def size(self, batch: Batch) -> int:
        """Return the number of samples of a batch, over all processes."""

    def forward(self, batch: Batch) -> Any:
        """Run the network on a batch; called under autocast."""

    def losses(self, output: Any, batch: Batch) -> Mapping[str, Tensor]:
        """Return float32 scalars by name, computed outside autocast; the one called "loss" is minimised.

        They are of the batch over all processes; each process's gradients are its part of theirs.
        """

    def validate(self, epoch: int) -> Mapping[str, float] | None:
        """Return metrics of the network as it stands after an epoch, counted from 0.

        None where it was told to stop on the way.
        """


@dataclass(frozen=True)
class LoopSettings:
    """How long, how often.

    Attributes:
        max_epochs: epochs to train.
        accumulate: batches an optimizer step learns from; the last step of an epoch takes what is left.
        clip_norm: greatest norm of the gradient; None for any.
        log_every: steps between two train records; there is one at the end of each epoch besides.
        validate_every: epochs between two validations; the last epoch has one in any case.
        save_every: steps between two checkpoints besides those after each epoch; 0: none besides.
        patience: validations without a better `monitor` after which training ends; None: never.
        monitor: the metric that patience watches; higher is better.
    """

    max_epochs: int
    accumulate: int = 1
    clip_norm: float | None = None
    log_every: int = 10
    validate_every: int = 1
    save_every: int = 0
    patience: int | None = None
    monitor: str = "hmean"

    def over(self, epoch: int, waited: int) -> bool:
        """Whether training has come to its end after so many epochs and validations without a better one."""
        return epoch >= self.max_epochs or (self.patience is not None and waited >= self.patience)


class Loop(Generic[Batch]):
    """Trains a task.

    Args:
        task: what is learnt.
        learner: the network that learns it, and what moves its weights.
        records: the router; its position is the loop's place.
        settings: how long, how often.
        schedule: learning rate of a step, counted from 0.
        save: writes a checkpoint, given the metrics of the moment (none between validations).
        profiler: what measures the phases.
        ranks: the processes that take each step together; all run this loop alike.
    """

    def __init__(
        self,
        task: Task[Batch],
        learner: Learner,
        records: Records,
        settings: LoopSettings,
        schedule: Callable[[int], float],
        save: Callable[[Mapping[str, float]], None],
        profiler: Profiler = OFF,
        ranks: Ranks = ALONE,
    ) -> None:
        self.task, self.learner, self.records = task, learner, records
        self.settings, self.schedule, self.save = settings, schedule, save
        self.profiler, self.ranks = profiler, ranks
        self.meter = Meter()
        self._wait_s = self._busy_s = 0.0
        self.best, self.waited = float("-inf"), 0

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train to the end, or until `stop` says so between two steps; return whether the end was reached.

        Raises:
            train.precision.PrecisionError: a loss or gradients that are no finite numbers.
        """
        position = self.records.position
        while not self.settings.over(position.epoch, self.waited):
            batches = self._timed(self.task.batches(position.epoch, position.batch))
            while position.batch < len(self.task):
                self._attempt(batches, min(self.settings.accumulate, len(self.task) - position.batch))
                if position.step % self.settings.log_every == 0:
                    self._log()
                if stop():
                    self.save({})
                    return False
                if self.settings.save_every and position.step % self.settings.save_every == 0:
                    self.save({})
            self._log()
            metrics = self._validate() if self._validation_due() else {}
            if metrics is None:
                self.save({})
                return False
            if measured := self.profiler.take():
                self.records.log("profile", measured)
            position.next_epoch()
            self.save(metrics)
        return True

    def _attempt(self, batches: Iterator[Batch], count: int) -> None:
        """Take one optimizer step on the next few batches, each weighing the same."""
        learner, precision = self.learner, self.learner.precision
        learner.model.train()
        started, waited = time.perf_counter(), self.meter.wait_s
        set_learning_rate(learner.optimizer, self.schedule(self.records.position.step))
        samples, parts = 0, []
        for _ in range(count):
            batch = next(batches)
            with self.profiler.span("forward"):
                with precision.autocast():
                    output = self.task.forward(batch)
                losses = self.task.losses(output, batch)
            with self.profiler.span("backward"):
                precision.backward(losses["loss"] / count)
            parts.append(torch.stack([value.detach() for value in losses.values()]))
            samples += self.task.size(batch)
        values = dict(zip(losses, torch.stack(parts).mean(0).tolist(), strict=True))
        precision.check_loss(values["loss"])
        with self.profiler.span("optimizer"):
            self.ranks.unite(learner.model)
            outcome = learner.step(self.settings.clip_norm)
        self.records.position.attempt(count, samples)
        self.profiler.step(samples)
        self.meter.add(values, outcome, samples)
        self.meter.busy_s += time.perf_counter() - started - (self.meter.wait_s - waited)

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            started = time.perf_counter()
            try:
                with self.profiler.span("data_wait"):
                    batch = next(batches)
            except StopIteration:
                return
            finally:
                self.meter.wait_s += time.perf_counter() - started
            yield batch

    def _log(self) -> None:
        if self.meter.steps:
            rate = self.schedule(self.records.position.step - 1)
            scale = float(self.learner.precision.scaler.get_scale())
            self.records.log("train", self.meter.values() | {"lr": rate, "loss_scale": scale})
            self._wait_s += self.meter.wait_s
            self._busy_s += self.meter.busy_s
            self.meter = Meter()

    def _validation_due(self) -> bool:
        done = self.records.position.epoch + 1
        return done % self.settings.validate_every == 0 or done == self.settings.max_epochs

    def _validate(self) -> Mapping[str, float] | None:
        self.learner.model.eval()
        started = time.perf_counter()
        with self.learner.averaged(), torch.no_grad(), self.profiler.span("evaluation"):
            metrics = self.task.validate(self.records.position.epoch)
        if metrics:
            self._note_patience(metrics)
            self.records.log("val", {**metrics, "time/seconds": time.perf_counter() - started})
        return metrics

    def _note_patience(self, metrics: Mapping[str, float]) -> None:
        score = metrics.get(self.settings.monitor, float("-inf"))
        self.waited = 0 if score > self.best else self.waited + 1
        self.best = max(self.best, score)

    @property
    def data_wait_share(self) -> float:
        """Share of this part of the run's training time, 0..1, that was spent waiting for batches."""
        wait_s, busy_s = self._wait_s + self.meter.wait_s, self._busy_s + self.meter.busy_s
        return wait_s / max(wait_s + busy_s, 1e-9)

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs: tensors and plain values."""
        return self.learner.state_dict() | {
            "random": random_state(),
            "position": self.records.position.state_dict(),
            "epoch_batches": len(self.task),
            "records": self.records.written,
            "wall_s": self.records.wall_s,
            "meter": astuple(self.meter),
            "patience": (self.best, self.waited),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state; the learner has its own already, and the records were opened at its position."""
        set_random_state(state["random"])
        self.meter = Meter(*state["meter"])
        # They belong to the next record; `data_wait_share` is of this part of the run alone.
        self._wait_s, self._busy_s = -self.meter.wait_s, -self.meter.busy_s
        self.best, self.waited = state["patience"]
