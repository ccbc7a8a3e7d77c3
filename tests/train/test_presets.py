"""The three presets: each does a step as it is shipped, and keeps to what its first lines say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_set import made_sample, make_set

from formats.errors import StaleError
from formats.spec import EncodingSpec
from train.config import load_config
from train.run_folder import open_run
from train.summary import summary_of

CONFIGS = Path(__file__).parents[2] / "configs"
CANVAS = (128, 96)
# What a test cannot wait for: 640 x 640 crops in a full network.
SMALL = ["model.width=8", "model.inner=16", "data.stream.crop=[96,96]", "data.augment.scale=[1.0,1.2]"]
SHORT = ["trainer.max_epochs=2", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1"]
HERE = ["trainer.device=cpu", "trainer.threads=1"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pages = [made_sample(number, CANVAS, split="train") for number in range(16)]
    pages += [made_sample(100 + number, CANVAS, split="test") for number in range(2)]
    folder = tmp_path_factory.mktemp("sets")
    return {
        image: make_set(folder / image, pages, encoding=EncodingSpec(image=image), canvas=CANVAS)
        for image in ("jpeg", "raw")
    }


def run(shards: Path, folder: Path, name: str) -> dict[str, Any]:
    words = [*SMALL, *SHORT, *HERE, f"logger.folder={folder}"]
    experiment = open_run(shards, CONFIGS / f"train_{name}.yaml", words)
    return summary_of(experiment, experiment.run(lambda: False))


@pytest.mark.parametrize("name", ["production", "memory", "speed"])
def test_a_preset_trains_evaluates_and_saves(sets: dict[str, Path], tmp_path: Path, name: str) -> None:
    summary = run(sets["raw" if name == "speed" else "jpeg"], tmp_path, name)
    assert (summary["finished"], summary["steps"]) == (True, 2)
    assert (tmp_path / name / "best.pt").exists()
    assert bool(summary["cache"]["pages"]) == (name == "speed")


def test_speed_reads_each_page_once(sets: dict[str, Path], tmp_path: Path) -> None:
    assert run(sets["raw"], tmp_path, "speed")["cache"]["hits"] == 16


def test_speed_refuses_pages_that_must_be_decompressed(sets: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(StaleError, match=r"encoding\.image"):
        run(sets["jpeg"], tmp_path, "speed")


def test_presets_are_what_they_are_called() -> None:
    production, memory, speed = (
        load_config(CONFIGS / f"train_{name}.yaml") for name in ("production", "memory", "speed")
    )
    assert production.trainer.precision == memory.trainer.precision == "32-true"
    assert speed.trainer.precision == "bf16-mixed"
    assert speed.data.stream.cache_mb > production.data.stream.cache_mb == memory.data.stream.cache_mb == 0
    pages_a_step = memory.data.stream.batch_size * memory.trainer.accumulate_grad_batches
    assert pages_a_step == speed.data.stream.batch_size * speed.trainer.accumulate_grad_batches
    buffered = [c.data.stream.batch_size * (c.data.stream.prefetch + 1) for c in (memory, production, speed)]
    assert buffered == sorted(buffered)
