"""Every training setting is read by something: a run reads it, or the file that is named here does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_run import WORDS

from formats.spec import Section
from train.config import TrainConfig
from train.run_folder import open_run

ROOT = Path(__file__).parents[2]
NOT_IN_EVERY_RUN = {
    ("StorageSettings", "cache_folder"): "train/storage_settings.py",
    ("StorageSettings", "cache_mb"): "train/storage_settings.py",
    ("StorageSettings", "requests"): "train/reading_ahead.py",
    ("StorageSettings", "ahead"): "train/reading_ahead.py",
    ("StorageSettings", "downloads"): "train/reading_ahead.py",
    ("BoxSettings", "min_size"): "train/boxes.py",
    ("WandbSettings", "project"): "train/journal/wandb_sink.py",
    ("WandbSettings", "entity"): "train/journal/wandb_sink.py",
    ("WandbSettings", "mode"): "train/journal/wandb_sink.py",
}
"""What only a set in object storage, a page with a region, or W&B asks for; and where that is done."""


def fields_of(model: type[Section]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields_of(field.annotation)
        else:
            yield model.__name__, name


def test_every_setting_is_read(small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[tuple[str, str]] = set()
    plain = Section.__getattribute__

    def noted(section: Section, name: str) -> Any:
        read.add((type(section).__name__, name))
        return plain(section, name)

    # Writing a section out as a whole, as config.yaml does, asks for no attribute.
    monkeypatch.setattr(Section, "__getattribute__", noted, raising=False)
    words = [*WORDS, f"logger.folder={tmp_path}", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    open_run(small_set, None, [*words, "trainer.limit_val_batches=1"]).run(lambda: False)
    assert set(fields_of(TrainConfig)) - read - NOT_IN_EVERY_RUN.keys() == set()


def test_what_some_runs_read_is_read_where_it_is_said_to_be() -> None:
    assert NOT_IN_EVERY_RUN.keys() <= set(fields_of(TrainConfig))
    for (_, name), file in NOT_IN_EVERY_RUN.items():
        assert f".{name}" in (ROOT / file).read_text(encoding="utf-8"), (name, file)
