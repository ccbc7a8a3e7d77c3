"""One run: everything a configuration names, put together, trained, and written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from formats.places import Place
from formats.runs.record import CONFIG
from train.average import WeightAverage
from train.batch import Batch
from train.checkpoint import Checkpoints
from train.claim import check_new, claimed, holds_run
from train.config import TrainConfig, save_config
from train.detect import TextFinder
from train.expectation import check_expectations, check_ratios
from train.figures.pictures import page_pictures
from train.journal.profile import OFF, PhaseProfiler, Profiler
from train.journal.records import Position, Records
from train.journal.sinks import open_records
from train.learner import Learner
from train.loop import Loop
from train.lots import random_key
from train.maps import MapReader
from train.model import build_detector
from train.norm_values import check_norm_values
from train.optim import build_optimizer, learning_rate
from train.page_scores import keep_pages
from train.precision import Precision
from train.provenance import origin
from train.ranks import ALONE, Ranks
from train.remote_reader import open_set
from train.replacement import replaced
from train.resume import resumed
from train.seeding import seed_generators
from train.splits import asked_by
from train.stream import Stream
from train.task import DetectionTask
from train.trained import device_of, same_network
from train.validation import DEFAULT_PROTOCOLS, Validation
from train.weights import load_backbone


@dataclass(frozen=True)
class Ended:
    """How far a run came.

    Attributes:
        finished: False where it was stopped.
        position: where it is.
        wall_s: its seconds of training, over all parts of it.
        data_wait_share: of this part's training time, waiting for batches.
        profile: figures of this part; empty without the profiler.
        shards_verified: shards hashed as a whole in this part, by all processes together.
        pages_read: pages to learn from that they read in this part; the others came from memory.
    """

    finished: bool
    position: Position
    wall_s: float
    data_wait_share: float
    profile: Mapping[str, float]
    shards_verified: int
    pages_read: int


def _nothing() -> None:
    """Do nothing."""


class Experiment:
    """A run, opened: sets checked against what the configuration expects, nothing written yet.

    Attributes:
        total_steps: optimizer attempts of the whole run: those taken, and those left under these settings.
        history: of each time the run was taken up, see `train.resume.Resumed`.

    Args:
        config: the run's configuration.
        shards: the set's folder.
        folder: the run's folder.
        ranks: the processes of the run; each opens it alike.
        replace: let an earlier run in the folder go, once this one has begun.

    Raises:
        TextshardsError: a set that is missing, damaged, stale or without a split; settings that cannot be.
    """

    def __init__(
        self,
        config: TrainConfig,
        shards: Place,
        folder: Path,
        ranks: Ranks = ALONE,
        *,
        replace: bool = False,
    ) -> None:
        self.config, self.folder, self.ranks, self.replace = config, folder, ranks, replace
        self.device = ranks.device(device_of(config.trainer.device))
        with asked_by("data.train", shards):
            self.train_set, self.reader = open_set(
                shards, config.data.train, config.data.storage, variants=True
            )
        self.manifest = self.train_set.manifest
        check_expectations(self.manifest, config.expect, shards)
        self.stored_ratio = self.manifest.settings.targets.shrink_ratio
        check_ratios(map(self.ratio_at, (0, config.trainer.max_epochs - 1)), self.manifest)
        self.stop_here: Callable[[], bool] = lambda: False
        self.stop = self.stop_here
        self.validation = self._open_validation(shards)
        seed_generators(config.seed, deterministic=config.trainer.deterministic)
        if config.trainer.threads:
            torch.set_num_threads(config.trainer.threads)
        detector = build_detector(config.model, channels_last=config.channels_last)
        self.detector = detector.to(self.device)
        if config.trainer.sync_batchnorm and not config.model.freeze_batch_norm:
            ranks.synchronise_batch_norm(self.detector, self.device)
        self.precision = Precision(config.trainer.precision, self.device)
        self.task = self._task()
        self.checkpoints = Checkpoints(folder, config.trainer.keep_best, config.trainer.monitor)
        self.origin = origin(self.device)
        self.history: list[dict[str, Any]] = []
        self.opening = ""
        self.total_steps = self._steps_from(Position())
        self._check_norms()

    def _check_norms(self) -> None:
        together = self.config.trainer.sync_batchnorm and self.ranks.world > 1
        if not self.config.model.freeze_batch_norm and not together:
            crop = self.config.data.stream.crop or self.train_set.canvas
            sizes = self.task.stream.size(0), self.task.stream.size(len(self.task) - 1)
            check_norm_values(crop, sizes, self.ranks.world)

    def _open_validation(self, shards: Place) -> Validation | None:
        data = self.config.data
        if data.val is None:
            return None
        with asked_by("data.val", shards, data.train):
            opened, _ = open_set(shards, [data.val], data.storage)
        return Validation(
            opened,
            batch_size=data.eval_batch_size,
            threads=data.stream.threads,
            limit=self.config.trainer.limit_val_batches,
            verify=data.stream.verify,
            protocols=DEFAULT_PROTOCOLS[self.config.boxes.shape],
            ranks=self.ranks,
        )

    def _task(self) -> DetectionTask:
        config, targets = self.config, self.manifest.settings.targets
        stream = Stream(
            self.train_set,
            config.data.stream,
            seed=config.seed,
            augment=config.data.augment,
            rank=self.ranks.rank,
            world=self.ranks.world,
        )
        return DetectionTask(
            detector=self.detector,
            stream=stream,
            reader=MapReader(targets.thresh_min, targets.thresh_max),
            loss=config.loss,
            stored_ratio=self.stored_ratio,
            ratio_at=self.ratio_at,
            evaluate=self._evaluate,
            limit=config.trainer.limit_train_batches,
            device=self.device,
            channels_last=config.channels_last,
            compiler=config.trainer.compile,
            ranks=self.ranks,
        )

    def ratio_at(self, epoch: int) -> float:
        """Return the shrink ratio that an epoch's targets are read at."""
        return self.config.targets.at(epoch, self.config.trainer.max_epochs, self.stored_ratio)

    def _steps_from(self, position: Position) -> int:
        """Return the optimizer attempts from a position to the end of the run."""
        batches, accumulate = len(self.task), self.config.trainer.accumulate_grad_batches
        epochs = self.config.trainer.max_epochs - position.epoch
        begun = -(-min(position.batch, batches) // accumulate)
        return max(0, epochs * -(-batches // accumulate) - begun)

    def load_backbone(self, path: Path) -> None:
        """Start from published weights of the trunk; see `train.weights.load_backbone`."""
        load_backbone(self.detector, path)

    def run(
        self, stop: Callable[[], bool], *, resume: bool = False, changed_set: bool = False
    ) -> Ended | None:
        """Train to the end, or until `stop` says so; write records and checkpoints as it goes.

        None of a run that had come to its end before: nothing is done, and nothing written.

        Args:
            stop: asked after each step; of several processes all stop where one is told to.
            resume: go on with the run in the folder.
            changed_set: go on although the set is another than the run began with. The epoch that was under
                way begins again: which of its pages were learnt from says nothing of the new set. So it does
                under settings that cut an epoch in other batches; see `train.resume`.

        Raises:
            UsageError: nothing to resume, settings it cannot go on under, or a folder that holds another run.
            TextshardsError: damage in a shard; numbers that are not finite; a folder that another process
                writes into.
        """
        self.stop_here, self.stop = stop, lambda: self.ranks.any(stop())
        with ExitStack() as opened:
            begun = self._claim(opened, resume) if self.ranks.first else _nothing
            state = self._resumed(changed_set) if resume else None
            learner = self._learner(state)  # another network is refused where nothing is left to do, too
            if state and self.config.loop.over(state["position"]["epoch"], state["patience"][1]):
                return None
            loop = self._loop(state, learner, opened)
            # Not before: what cannot be taken up under these settings leaves the run as it was.
            if self.ranks.first:
                save_config(self.config, self.folder / CONFIG)
            begun()
            finished = loop.run(self.stop)
            return Ended(
                finished,
                loop.records.position,
                loop.records.wall_s,
                loop.data_wait_share,
                loop.profiler.whole(),
                *self._verified(),
            )

    def _claim(self, opened: ExitStack, resume: bool) -> Callable[[], None]:
        """Hold the run's folder, the earlier run moved aside; return what to call when this one has begun."""
        opened.enter_context(claimed(self.folder))
        if self.replace and holds_run(self.folder):
            return opened.enter_context(replaced(self.folder))
        if not resume:
            check_new(self.folder)
        return _nothing

    def _verified(self) -> tuple[int, int]:
        """Hash what is left of the shards that were read, unless stopped; count these, and pages read."""
        validation = [self.validation.stream] if self.validation is not None else []
        streams = [self.task.stream, *validation]
        for stream in streams:
            stream.finish_hashing(self.stop_here)
        # A shard that is learnt from and evaluated on is hashed for both, and is one.
        found = set[str]().union(*(stream.verified_names for stream in streams))
        shards, pages = zip(*self.ranks.gather((found, self.task.stream.statistics.read)), strict=True)
        return len(found.union(*shards)), sum(pages)

    def _resumed(self, changed_set: bool) -> Mapping[str, Any]:
        found = resumed(
            self.checkpoints,
            self.config,
            self.train_set,
            len(self.task),
            self.ranks.world,
            changed_set=changed_set,
        )
        self.history, self.opening = found.history, found.text
        self.checkpoints.scores_from = found.scores_from
        return found.state

    def _loop(self, state: Mapping[str, Any] | None, learner: Learner, opened: ExitStack) -> Loop[Batch]:
        config = self.config
        position = Position(**state["position"]) if state else Position()
        self.total_steps = position.step + self._steps_from(position)
        self.records = records = self._open_records(position, state)
        opened.callback(records.close)
        profiler = self._profiler(position.step)
        opened.callback(profiler.close)
        loop = Loop(
            self.task,
            learner,
            records,
            config.loop,
            lambda step: learning_rate(step, self.total_steps, config.optim),
            lambda metrics: self._save(loop, metrics),
            profiler,
            self.ranks,
        )
        if state is not None:
            loop.load_state_dict(state)
        self._start_alike(position)
        return loop

    def _open_records(self, position: Position, state: Mapping[str, Any] | None) -> Records:
        if self.ranks.first:
            return open_records(self.folder, self.config, position, self.total_steps, state, self.opening)
        return Records(None, position, wall_s=state["wall_s"] if state else 0.0)

    def _learner(self, state: Mapping[str, Any] | None) -> Learner:
        config, decay = self.config, self.config.trainer.ema_decay
        learner = Learner(
            self.detector,
            build_optimizer(self.detector, config.optim),
            self.precision,
            WeightAverage(self.detector, decay) if decay else None,
        )
        if state is not None:
            with same_network(config.model, f"--resume {self.folder}"):
                learner.load_state_dict(state)
        return learner

    def _start_alike(self, position: Position) -> None:
        """See that all processes do the same; what each draws by itself is a function of seed and place."""
        ranks, settings = self.ranks, self.config.model_dump_json()
        ranks.check_same("the set", self.manifest.fingerprint)
        ranks.check_same("the configuration and the place", f"{position.state_dict()} {settings}")
        ranks.spread(self.detector)
        if not ranks.first:
            torch.manual_seed(random_key("rank", self.config.seed, ranks.rank, position.step) >> 64)

    def _profiler(self, step: int) -> Profiler:
        profiler: Profiler = OFF
        if self.config.trainer.profile and self.ranks.first:
            profiler = PhaseProfiler(self.device, self.folder, steps=self.total_steps - step)
        self.task.profiler = profiler
        return profiler

    def _evaluate(self, shrink_ratio: float) -> Mapping[str, float] | None:
        if self.reader is not None:
            self.records.log("storage", self.reader.traffic.values())
        if self.validation is None:
            return {}
        config = self.config
        finder = TextFinder(
            self.detector,
            self.precision,
            self.train_set.canvas,
            config.data.eval_size,
            config.boxes,
            shrink_ratio,
        )
        evaluation = self.validation.run(finder, self.stop)
        if evaluation is None:
            return None
        if self.ranks.first:
            keep_pages(
                self.folder,
                evaluation,
                self.records.position.step,
                config.trainer.monitor,
                self.checkpoints.scores_from,
            )
        if (count := config.logger.pictures) and self.records.takes_pictures:
            pictures = page_pictures(evaluation, self.validation.shard_set, count)
            self.records.log_pictures("val", pictures)
        return evaluation.metrics

    def _save(self, loop: Loop[Batch], metrics: Mapping[str, float]) -> None:
        if not self.ranks.first:
            return
        position = loop.records.position
        about = {
            "metrics": dict(metrics),
            "position": position.state_dict(),
            "shrink_ratio": self.ratio_at(position.learnt_in),
            "resumed": self.history,
            "processes": self.ranks.world,
            "set": {
                "fingerprint": self.manifest.fingerprint,
                "parts": dict(self.manifest.parts),
                "settings": self.manifest.settings.model_dump(mode="json"),
            },
            "config": self.config.model_dump(mode="json"),
            **self.origin,
        }
        self.checkpoints.save(position.step, loop.learner.weights, about, loop.state_dict())
