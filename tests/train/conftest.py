"""A small set and a small run, made once, for the tests of everything that needs a trained detector."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.spec import EncodingSpec
from train.run_folder import open_run
from train.summary import write_summary


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 32 pages to learn from and 8 to evaluate on, 128 x 96 pixels."""
    pages = [made_sample(number, CANVAS, split="train") for number in range(32)]
    pages += [made_sample(1000 + number, CANVAS, split="test") for number in range(8)]
    return make_set(tmp_path_factory.mktemp("set"), pages, encoding=EncodingSpec(), canvas=CANVAS)


@pytest.fixture(scope="session")
def small_run(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on `small_set`: 15 epochs of 4 steps."""
    folder = tmp_path_factory.mktemp("runs")
    words = [*WORDS, f"logger.folder={folder}", "exp_name=small", "trainer.max_epochs=15"]
    experiment = open_run(small_set, None, [*words, "trainer.check_val_every_n_epoch=3"])
    write_summary(experiment, experiment.run(lambda: False))
    return folder / "small"
