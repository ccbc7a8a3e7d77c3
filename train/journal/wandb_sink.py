"""Records to Weights & Biases.

W&B keeps one step counter a run, drops what is logged below it with no more than a warning, and merges what
is logged at it. So no step is ever passed: every record is a row of its own, our counter a value in it, and
`define_metric` makes it the horizontal axis.
"""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from formats.errors import UsageError
from formats.sample import Bytes
from formats.spec import Section
from formats.storage import write_whole
from train.journal.records import Record

AXIS = "global_step"
ID_FILE = "wandb_id"
INIT_S = 30
"""How long W&B may take to open a run: its own limit, 90 s, is long for a name that does not resolve."""


class WandbSettings(Section):
    """Whether and where records go to W&B."""

    enabled: bool = Field(False, description="needs the package wandb")
    project: str = Field("textshards", description="project of W&B that runs go to")
    entity: str | None = Field(None, description="user or team; null: your own")
    mode: Literal["online", "offline"] = Field("online", description="offline: into the run's folder")

    @property
    def idle(self) -> str | None:
        """A setting that says where records go although none go there; None where there is none."""
        changed = {} if self.enabled else self.model_dump(exclude_defaults=True)
        return next((f"logger.wandb.{name}={value}" for name, value in changed.items()), None)


class WandbSink:
    """A sink that logs to one W&B run, the same one when a run goes on.

    Args:
        settings: where to.
        folder: the run's folder; W&B's own files and the run's id go into it.
        name: of the run.
        config: the resolved configuration.

    Raises:
        UsageError: the package is not installed, nobody is logged in, or the server does not answer.
    """

    def __init__(self, settings: WandbSettings, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError:
            raise UsageError(
                "logger.wandb.enabled",
                expected="the package wandb",
                found="not installed",
                next_step="pip install wandb, or set logger.wandb.enabled=false",
            ) from None
        self._image = wandb.Image
        try:
            self._run = wandb.init(
                project=settings.project,
                entity=settings.entity,
                mode=settings.mode,
                name=name,
                id=_run_id(folder / ID_FILE),
                resume="allow",
                dir=str(folder),
                config=dict(config),
                settings=wandb.Settings(init_timeout=INIT_S),
            )
        except (wandb.Error, ValueError) as error:  # a key of a wrong form is a ValueError
            raise _not_opened(error) from None
        self._run.define_metric("*", step_metric=AXIS)

    def write(self, record: Record) -> None:
        """Log a record as a row, its values as "phase/name"."""
        self._log(record, {name: value for name, value in record.values.items() if value is not None})

    def write_pictures(self, record: Record, pictures: Mapping[str, Bytes]) -> None:
        """Log pictures, as a row like any other."""
        self._log(record, {name: self._image(image_HWC) for name, image_HWC in pictures.items()})

    def _log(self, record: Record, values: Mapping[str, Any]) -> None:
        row = {f"{record.phase}/{name}": value for name, value in values.items()}
        place = {AXIS: record.global_step, "epoch": record.epoch, "batch": record.batch}
        self._run.log(row | place | {"wall_s": record.wall_s})

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def _not_opened(error: Exception) -> UsageError:
    return UsageError(
        "logger.wandb.enabled",
        expected=f"a login, and a server that opens the run within {INIT_S} s",
        found=" ".join(str(error).split())[:300],
        next_step="wandb login; or set logger.wandb.mode=offline, and wandb sync the files later",
    )


def _run_id(path: Path) -> str:
    if not path.exists():
        write_whole(path, uuid.uuid4().hex[:12].encode())
    return path.read_text()
