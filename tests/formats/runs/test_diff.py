from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_run_folder import made_run_folder

from formats.errors import UsageError
from formats.runs.diff import Comparison, compare_runs, shown, spread_of
from formats.runs.diff_text import as_json, human_text
from formats.runs.record import read_run


def compared(*folders: Path) -> Comparison:
    return compare_runs([read_run(folder) for folder in folders])


def test_the_order_of_the_arguments_changes_nothing(tmp_path: Path) -> None:
    folders = [
        made_run_folder(tmp_path / "z", "seed=1", hmeans=(0.9,)),
        made_run_folder(tmp_path / "a", "seed=1", "trainer.precision=bf16-mixed", hmeans=(0.1,)),
        made_run_folder(tmp_path / "other/a", "seed=2", hmeans=(0.5,)),
    ]
    results = [compared(*order) for order in itertools.permutations(folders)]
    assert len({human_text(result) for result in results}) == 1
    assert all(as_json(result) == as_json(results[0]) for result in results)
    assert {label: run.figures["best/hmean"] for label, run in results[0].runs.items()} == {
        "z": 0.9,
        f"a ({tmp_path.name}/a)": 0.1,
        "a (other/a)": 0.5,
    }


def test_swapping_two_runs_swaps_no_label(tmp_path: Path) -> None:
    fp32 = made_run_folder(tmp_path / "run1", "exp_name=fp32", hmeans=(0.9,))
    bf16 = made_run_folder(tmp_path / "run0", "exp_name=bf16", "trainer.precision=bf16-mixed", hmeans=(0.4,))
    for result in (compared(fp32, bf16), compared(bf16, fp32)):
        (difference,) = result.differences
        assert difference.name == "trainer.precision"
        assert set(difference.values) == {("32-true", ("fp32",)), ("bf16-mixed", ("bf16",))}
        assert result.runs["fp32"].folder == fp32
        scores = {setting.label: setting.spreads["best/hmean"].mean for setting in result.settings}
        assert scores == {"precision=32-true": 0.9, "precision=bf16-mixed": 0.4}


def test_a_label_is_what_the_run_calls_itself_not_its_folder(tmp_path: Path) -> None:
    one = made_run_folder(tmp_path / "one")
    shutil.move(one, tmp_path / "two")
    assert set(compared(tmp_path / "two", made_run_folder(tmp_path / "x/three")).runs) == {"one", "three"}


def test_runs_that_differ_in_the_seed_alone_are_one_setting(tmp_path: Path) -> None:
    scores = {1: 0.80, 2: 0.84, 3: 0.88}
    folders = [
        made_run_folder(tmp_path / f"s{seed}", f"seed={seed}", hmeans=(score, 0.7), wall_s=10.0 * seed)
        for seed, score in scores.items()
    ]
    killed = made_run_folder(tmp_path / "s4", "seed=4", hmeans=(0.1,), finished=None)
    result = compared(*folders, killed)
    (setting,) = result.settings
    assert not result.differences
    assert (setting.label, setting.runs, setting.seeds) == ("all runs", ("s1", "s2", "s3", "s4"), (1, 2, 3))
    best, last = setting.spreads["best/hmean"], setting.spreads["last/hmean"]
    assert (best.n, best.min, best.max) == (3, 0.80, 0.88)
    assert (best.mean, best.sd) == (pytest.approx(0.84), pytest.approx(0.04))
    assert (last.mean, last.sd) == (pytest.approx(0.7), pytest.approx(0.0))
    assert setting.spreads["wall_s"].mean == 20.0
    text = human_text(result)
    assert "0.8400 ± 0.0400 (0.8000..0.8800)" in text
    assert "unfinished" in text


def test_every_resolved_setting_that_differs_is_named(tmp_path: Path) -> None:
    result = compared(
        made_run_folder(tmp_path / "a", "data.augment.rotation=7.0", "data.stream.crop=[320, 320]"),
        made_run_folder(tmp_path / "b", "optim.lr=0.01", "trainer.keep_best=3", "logger.tensorboard=true"),
    )
    assert {difference.name for difference in result.differences} == {
        "data.augment.rotation",
        "data.stream.crop",
        "optim.lr",
    }
    assert set(result.without_effect) == {"trainer.keep_best", "logger.tensorboard"}
    assert "without effect: " in human_text(result)


def test_a_setting_that_a_run_does_not_have_is_absent_and_no_null(tmp_path: Path) -> None:
    old = made_run_folder(tmp_path / "old")
    config = (old / "config.yaml").read_text()
    (old / "config.yaml").write_text(config.replace("  patience: null\n", ""))
    (difference,) = compared(old, made_run_folder(tmp_path / "new")).differences
    assert difference.name == "trainer.patience"
    assert set(difference.values) == {("absent", ("old",)), (None, ("new",))}


def test_a_label_is_short_and_the_values_are_all_there(tmp_path: Path) -> None:
    words = ("optim.lr=0.5", "seed=7", "model.width=8", "model.inner=16", "optim.power=1.0")
    result = compared(made_run_folder(tmp_path / "a"), made_run_folder(tmp_path / "b", *words))
    (label,) = (setting.label for setting in result.settings if setting.runs == ("b",))
    assert label == "width=8, inner=16, lr=0.5, ..."
    assert all(len(setting.values) == 4 for setting in result.settings)


def test_settings_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    rates = (0.01, 0.002, 0.1)
    folders = [made_run_folder(tmp_path / f"r{n}", f"optim.lr={rate}") for n, rate in enumerate(rates)]
    labels = [setting.label for setting in compared(*folders).settings]
    assert labels == ["lr=0.002", "lr=0.01", "lr=0.1"]


def test_data_processes_and_versions_are_differences_too_but_not_what_is_unknown(tmp_path: Path) -> None:
    plain = made_run_folder(tmp_path / "a")
    other = made_run_folder(
        tmp_path / "b", fingerprint="sha256-ts1:fedcba9876543210", processes=2, versions={"torch": "3.0"}
    )
    unknown = made_run_folder(tmp_path / "c", hmeans=(), finished=None)
    (unknown / "last.json").unlink()
    result = compared(plain, other)
    kinds = {difference.name: difference.kind for difference in result.differences}
    assert kinds == {"set": "data", "processes": "processes", "versions.torch": "version"}
    assert "fedcba98" in human_text(result)
    assert not compared(plain, unknown).differences


@pytest.mark.parametrize("count", [1, 2])
def test_one_run_alone_is_a_usage_error(tmp_path: Path, count: int) -> None:
    folder = made_run_folder(tmp_path / "a")
    with pytest.raises(UsageError, match="at least two folders, each once"):
        compared(*[folder] * count)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_spread_is_what_numpy_says(numbers: list[float]) -> None:
    spread = spread_of(numbers)
    assert spread.n == len(numbers)
    assert spread.mean == pytest.approx(np.mean(numbers), abs=1e-6)
    assert spread.sd == pytest.approx(np.std(numbers, ddof=1), rel=1e-6, abs=1e-6)
    assert spread.min <= spread.mean <= spread.max or np.ptp(numbers) < 1e-6


def test_the_spread_of_one_number_is_not_known() -> None:
    assert spread_of([0.5]).sd is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("quad", "quad"),
        (None, "null"),
        ([1, 2], "[1, 2]"),
        ("sha256-ts1:0123456789", "01234567"),
        ("x" * 50, "x" * 29 + "..."),
    ],
)
def test_values_as_people_read_them(value: object, text: str) -> None:
    assert shown(value) == text
