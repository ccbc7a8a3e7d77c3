from __future__ import annotations

from pathlib import Path

import pytest

from formats.errors import UsageError
from formats.settings import validate_settings
from train.config import TargetsReading, TrainConfig, changed_config, load_config, save_config
from train.storage_settings import StorageSettings

CONFIGS = Path(__file__).parents[2] / "configs"


def test_defaults_are_those_of_the_field() -> None:
    config = load_config(None)
    assert config.seed == 42
    assert (config.optim.lr, config.optim.weight_decay, config.optim.clip_norm) == (1e-3, 1e-4, 5.0)
    assert (config.data.stream.batch_size, config.trainer.accumulate_grad_batches) == (16, 2)
    assert config.trainer.precision == "32-true"
    assert (config.boxes.threshold, config.boxes.box_score, config.boxes.max_boxes) == (0.3, 0.4, 300)
    assert (config.loss.prob_weight, config.loss.thresh_weight, config.loss.binary_weight) == (5.0, 10.0, 1.0)


def test_the_overrides_people_use() -> None:
    words = "trainer.max_epochs=1 trainer.limit_train_batches=1 trainer.limit_val_batches=10 exp_name=probe"
    config = load_config(None, [*words.split(), "logger.wandb.enabled=false"])
    assert (config.trainer.max_epochs, config.trainer.limit_train_batches) == (1, 1)
    assert config.trainer.limit_val_batches == 10
    assert config.run_folder == Path("runs/probe")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("train_*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_load(path: Path) -> None:
    load_config(path)


def test_what_is_saved_is_what_was_loaded(tmp_path: Path) -> None:
    words = [
        "targets.shrink_ratio=[0.4, 0.6]",
        "optim.lr=0.00001",
        "expect={shrink_ratio: 0.4}",
        "data.train=[a,b]",
    ]
    config = load_config(None, words)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config
    assert changed_config(config.model_dump(mode="json"), []) == config
    changed = changed_config(config.model_dump(mode="json"), ["optim.lr=0.1", "data.stream.threads=7"])
    assert (changed.optim.lr, changed.data.stream.threads, changed.targets) == (0.1, 7, config.targets)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        load_config(None, ["optim.lerning_rate=1", "trainer.precision=16", "seed=-1", "exp_name=../x"])
    text = str(caught.value)
    for name in ("optim.lerning_rate", "trainer.precision", "seed", "exp_name", "4 problems"):
        assert name in text


@pytest.mark.parametrize(
    ("ratio", "epochs", "wanted"),
    [
        (None, 3, [0.4, 0.4, 0.4]),
        (0.5, 3, [0.5, 0.5, 0.5]),
        ((0.4, 0.6), 3, [0.4, 0.5, 0.6]),
        ((0.4, 0.6), 1, [0.4]),
    ],
)
def test_ratio_of_an_epoch(ratio: object, epochs: int, wanted: list[float]) -> None:
    reading = TargetsReading(shrink_ratio=ratio)
    assert [reading.at(epoch, epochs, 0.4) for epoch in range(epochs)] == pytest.approx(wanted)


def test_one_split_may_be_a_word() -> None:
    assert load_config(None, ["data.train=train"]).data.train == ("train",)


def test_a_narrow_network_is_never_channels_last() -> None:
    narrow, usual = (validate_settings(TrainConfig, {"model": {"width": width}}, "test") for width in (8, 16))
    assert (narrow.channels_last, usual.channels_last) == (False, True)
    first = validate_settings(TrainConfig, {"trainer": {"channels_last": False}}, "test")
    assert not first.channels_last


@pytest.mark.parametrize("name", ["20261127", "007", "2026-11-27", "1e5", "true", "x"])
def test_a_run_may_be_called_by_digits(name: str) -> None:
    config = load_config(None, [f"exp_name={name}"])
    assert config.exp_name == name
    again = changed_config(config.model_dump(mode="json"), ["seed=1"])
    assert again.exp_name == name


def test_a_name_in_a_file_that_is_no_text_is_told_to_be_quoted(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("exp_name: 007\n")
    with pytest.raises(UsageError, match="exp_name: must be a text: put it in quotes"):
        load_config(tmp_path / "c.yaml")


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config(None, ["logger.folder=~/runs", "exp_name=x"]).run_folder == tmp_path / "runs/x"
    cache = StorageSettings(cache_folder="~/cache").open_cache()
    assert cache is not None and cache.folder == tmp_path / "cache"


def test_items_that_are_refused_are_no_short_list() -> None:
    with pytest.raises(UsageError, match="2 problems") as caught:
        load_config(None, ["data.train=[1,2]"])
    assert "at least" not in str(caught.value)
    with pytest.raises(UsageError, match="at least 1 item"):
        load_config(None, ["data.train=[]"])
