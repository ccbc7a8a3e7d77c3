"""The configurations in configs/ are ready: each loads, and those for data at hand read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_config as load_build
from pipeline.sources import read_annotations
from train.config import load_config as load_train

CONFIGS = Path(__file__).parents[1] / "configs"
TRAIN = sorted(CONFIGS.glob("train_*.yaml"))
BUILD = sorted(set(CONFIGS.glob("*.yaml")) - set(TRAIN))


@pytest.mark.parametrize("path", BUILD, ids=lambda path: path.stem)
def test_build_configurations_load(path: Path) -> None:
    assert load_build(path).source.splits


@pytest.mark.parametrize("path", TRAIN, ids=lambda path: path.stem)
def test_training_configurations_load(path: Path) -> None:
    assert load_train(path).trainer.max_epochs > 0


@pytest.mark.parametrize("path", [*BUILD, *TRAIN], ids=lambda path: path.stem)
def test_each_begins_with_what_it_is_for_and_its_command(path: Path) -> None:
    head = path.read_text().partition("\n\n")[0].splitlines()[:8]
    assert head[0].startswith("# ")
    module = "train.run" if path in TRAIN else "pipeline.build"
    assert path.stem == "quickstart" or any(f"python -m {module}" in line for line in head)


@pytest.mark.parametrize(
    ("name", "words", "pages"),
    [
        ("sroie", ["source.root=sroie"], 86),
        ("icdar2015", ["source.root=icdar2015"], 40),
        ("paddle", ["source.root=icdar2015"], 40),
        ("totaltext", ["source.root=totaltext"], 2),
        (
            "ufo",
            [
                "source.root=sroie",
                "source.images={split}/images",
                "source.splits={train: ../formats/ufo/train.json, test: ../formats/ufo/test.json}",
            ],
            86,
        ),
    ],
)
def test_real_data_is_read_as_configured(shared_data: Path, name: str, words: list[str], pages: int) -> None:
    words = [word.replace("source.root=", f"source.root={shared_data}/") for word in words]
    found = read_annotations(load_build(CONFIGS / f"{name}.yaml", words).source)
    assert (len(found.records), len(found.rejected)) == (pages, 0)
