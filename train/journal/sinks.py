"""Where a run's records go, as its configuration says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from formats.runs.record import METRICS
from train.config import TrainConfig
from train.journal.console import Console
from train.journal.records import Position, Records, Sink
from train.journal.tensorboard_sink import TensorBoardSink
from train.journal.wandb_sink import WandbSink


def open_records(
    folder: Path,
    config: TrainConfig,
    position: Position,
    total_steps: int,
    state: Mapping[str, Any] | None = None,
    opening: str = "",
) -> Records:
    """Open `metrics.jsonl` in a run's folder, and all other places that the configuration names.

    Args:
        folder: the run's.
        config: the run's.
        position: where it is.
        total_steps: optimizer attempts of the whole run.
        state: of the checkpoint that it goes on from; later records are cut off. None for a new run.
        opening: what the console says first, if anything.

    Raises:
        UsageError: a package is missing.
        DamageError: records from before the checkpoint are gone.
    """
    written, wall_s = (state["records"], state["wall_s"]) if state else (0, 0.0)
    console = Console(config.trainer.max_epochs, total_steps, start=position.step, started_s=wall_s)
    with ExitStack() as opened:
        sinks: list[Sink] = [console]
        opened.callback(console.close)
        for sink in _loggers(folder, config, position.step):
            opened.callback(sink.close)
            sinks.append(sink)
        records = Records(folder / METRICS, position, sinks, written=written, wall_s=wall_s)
        opened.pop_all()
    if opening:
        console.say(opening)
    return records


def _loggers(folder: Path, config: TrainConfig, step: int) -> Iterator[Sink]:
    if config.logger.tensorboard:
        yield TensorBoardSink(folder / "tensorboard", step)
    if config.logger.wandb.enabled:
        yield WandbSink(config.logger.wandb, folder, config.exp_name, config.model_dump(mode="json"))
