"""Records to TensorBoard event files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from formats.errors import UsageError
from formats.sample import Bytes
from train.journal.records import Record


class TensorBoardSink:
    """A sink that writes event files.

    Args:
        folder: where they go.
        step: where this part of the run begins; what an earlier part wrote from there on is not shown.

    Raises:
        UsageError: the package is not installed.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        try:
            module: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            raise UsageError(
                "logger.tensorboard",
                expected="the package tensorboard",
                found="not installed",
                next_step="pip install tensorboard, or set logger.tensorboard=false",
            ) from None
        self._writer = module.SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, record: Record) -> None:
        """Write a record's values as "phase/name" at its step."""
        for name, value in record.values.items():
            if value is not None:
                self._writer.add_scalar(f"{record.phase}/{name}", value, record.global_step)

    def write_pictures(self, record: Record, pictures: Mapping[str, Bytes]) -> None:
        """Write pictures as "phase/name" at their step."""
        for name, image_HWC in pictures.items():
            self._writer.add_image(f"{record.phase}/{name}", image_HWC, record.global_step, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the files."""
        self._writer.close()
