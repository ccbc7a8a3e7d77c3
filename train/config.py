"""A training run's configuration: what a YAML file and ``key=value`` words say, validated and frozen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from formats.places import local_path
from formats.settings import load_settings
from formats.spec import Section
from formats.storage import write_whole
from train.augment import AugmentSettings
from train.boxes import BoxSettings
from train.journal.wandb_sink import WandbSettings
from train.loop import LoopSettings
from train.loss import LossSettings
from train.model import DetectorSettings
from train.optim import OptimSettings
from train.precision import PrecisionName
from train.storage_settings import StorageSettings
from train.stream import StreamSettings


class DataSettings(Section):
    """What is learnt from, and what is evaluated on."""

    train: tuple[str, ...] = Field(("train",), min_length=1, description="splits to learn from")
    val: str | None = Field("test", description="split to evaluate on; null: none")
    stream: StreamSettings = StreamSettings()
    augment: AugmentSettings = AugmentSettings()
    storage: StorageSettings = StorageSettings()
    eval_size: int | None = Field(
        None,
        ge=32,
        le=8192,
        description="long side, in pixels, of pages given to the network in evaluation "
        "and prediction; null: as stored",
    )
    eval_batch_size: int = Field(
        4, ge=1, le=256, description="pages given to the network at once in evaluation"
    )

    @field_validator("train", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class TargetsReading(Section):
    """How the stored maps are read."""

    shrink_ratio: float | tuple[float, float] | None = Field(
        None,
        description="one ratio, or that of the first and of the last epoch, linear between; not below the "
        "set's own; null: the set's own",
    )

    def at(self, epoch: int, epochs: int, stored: float) -> float:
        """Return the ratio of an epoch, counted from 0, of so many."""
        if self.shrink_ratio is None:
            return stored
        if isinstance(self.shrink_ratio, float):
            return self.shrink_ratio
        first, last = self.shrink_ratio
        return first + (last - first) * min(1.0, epoch / max(epochs - 1, 1))


class TrainerSettings(Section):
    """How long, how often, on what."""

    max_epochs: int = Field(30, ge=1, le=1_000_000, description="passes over the splits learnt from")
    limit_train_batches: int | None = Field(None, ge=1, description="batches of each epoch; null: all")
    limit_val_batches: int | None = Field(None, ge=1, description="batches of each validation; null: all")
    accumulate_grad_batches: int = Field(
        2, ge=1, le=4096, description="batches an optimizer step learns from"
    )
    precision: PrecisionName = Field(
        "32-true", description="number format of the network; losses are float32"
    )
    log_every_n_steps: int = Field(10, ge=1, description="optimizer steps from one train record to the next")
    check_val_every_n_epoch: int = Field(1, ge=1, description="epochs from one validation to the next")
    save_every_n_steps: int = Field(0, ge=0, description="checkpoints besides those of each epoch; 0: none")
    patience: int | None = Field(None, ge=1, description="validations without a better one that end the run")
    monitor: Literal["hmean", "cleval/hmean", "cleval/macro_hmean"] = Field(
        "hmean", description="metric that tells which checkpoint is best"
    )
    keep_best: int = Field(1, ge=1, le=100, description="how many of the best checkpoints to keep")
    ema_decay: float | None = Field(
        None, gt=0.0, lt=1.0, description="running average of the weights, evaluated and saved in their place"
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto: cuda where there is one"
    )
    threads: int = Field(0, ge=0, le=1024, description="of torch on the CPU; 0: as many as cores")
    sync_batchnorm: bool = Field(
        False, description="with several processes on GPUs: batch norms over the global batch"
    )
    deterministic: bool = Field(False, description="refuse operations that do not repeat to the bit")
    channels_last: bool = Field(
        True, description="memory layout of a network of width 16 or more; false: channels first"
    )
    compile: Literal["inductor", "cudagraphs", "aot_eager", "eager"] | None = Field(
        None, description="backend of torch.compile for training steps; null: not compiled"
    )
    profile: bool = Field(False, description="measure each phase, and write a trace of a few steps")


class LoggerSettings(Section):
    """Where records go; `metrics.jsonl` is always written."""

    folder: str = Field("runs", description="run folders lie in it, named by exp_name")
    tensorboard: bool = Field(False, description="event files in the run's folder; needs tensorboard")
    wandb: WandbSettings = WandbSettings()
    pictures: int = Field(
        4, ge=0, le=100, description="pages of each validation drawn for TensorBoard and W&B, the first ones"
    )


class TrainConfig(Section):
    """All sections of a training configuration."""

    exp_name: str = Field(
        "run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="names the folder"
    )
    seed: int = Field(
        42, ge=0, lt=1 << 32, description="of the order of pages, of augmentation and of the first weights"
    )

    @field_validator("exp_name", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            raise ValueError("must be a text: put it in quotes")
        return value

    data: DataSettings = DataSettings()
    targets: TargetsReading = TargetsReading()
    model: DetectorSettings = DetectorSettings()
    optim: OptimSettings = OptimSettings()
    loss: LossSettings = LossSettings()
    boxes: BoxSettings = BoxSettings()
    trainer: TrainerSettings = TrainerSettings()
    logger: LoggerSettings = LoggerSettings()
    expect: dict[str, Any] | str = Field(
        {}, description="settings the set must have been made with, by name; or a build configuration file"
    )

    @property
    def run_folder(self) -> Path:
        """Where the run writes."""
        return local_path(self.logger.folder) / self.exp_name

    @property
    def loop(self) -> LoopSettings:
        """What of it the loop needs."""
        trainer = self.trainer
        return LoopSettings(
            max_epochs=trainer.max_epochs,
            accumulate=trainer.accumulate_grad_batches,
            clip_norm=self.optim.clip_norm,
            log_every=trainer.log_every_n_steps,
            validate_every=trainer.check_val_every_n_epoch,
            save_every=trainer.save_every_n_steps,
            patience=trainer.patience,
            monitor=trainer.monitor,
        )

    @property
    def channels_last(self) -> bool:
        """Whether the network's memory layout is channels last.

        Never below width 16: there the backward pass of oneDNN (PyTorch 2.13) ends the process for a strided
        1 x 1 convolution over pages of 80 pixels and more.
        """
        return self.trainer.channels_last and self.model.width >= 16


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration; see `formats.settings.load_settings`."""
    return load_settings(TrainConfig, path, [_quoted(word) for word in overrides])


def changed_config(config: dict[str, Any], overrides: Sequence[str]) -> TrainConfig:
    """Return a configuration as a checkpoint holds it, with ``section.field=value`` words applied.

    Raises:
        UsageError: as for `load_config`.
    """
    words = [f"{section}={_flow(value)}" for section, value in config.items()]
    return load_settings(TrainConfig, None, [*words, *map(_quoted, overrides)])


def _quoted(word: str) -> str:
    """Return a word that names the run as YAML text: 20261127, 007 and 2026-11-27 are none by themselves."""
    name, _, value = word.partition("=")
    plain = name == "exp_name" and re.fullmatch(r"[\w.-]+", value, re.ASCII)
    return f"{name}='{value}'" if plain else word


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1 << 30, sort_keys=False)


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the resolved configuration, every default spelt out, as YAML that `load_config` reads back."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_whole(path, text.encode())
