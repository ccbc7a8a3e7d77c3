from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run_folder import made_run_folder

from formats.runs.cautions import Caution, cautions
from formats.runs.diff import compare_runs
from formats.runs.record import read_run

BF16 = "trainer.precision=bf16-mixed"
Against = Callable[..., list[Caution]]


@pytest.fixture
def against(tmp_path: Path) -> Against:
    """Returns the cautions of a sound comparison of precisions with one more run of bf16, seed 3, in it."""
    sound = [
        made_run_folder(tmp_path / f"{number}-{seed}", f"seed={seed}", *words)
        for number, words in enumerate(([], [BF16]))
        for seed in (1, 2)
    ]

    def compare(*words: str, **facts: Any) -> list[Caution]:
        more = made_run_folder(tmp_path / "more", "seed=3", BF16, *words, **facts)
        return cautions(compare_runs([read_run(folder) for folder in (*sound, more)]))

    return compare


def kinds(found: list[Caution]) -> set[str]:
    return {caution.kind for caution in found}


def test_nothing_is_said_of_a_sound_comparison(against: Against) -> None:
    assert against() == []


def test_more_than_one_thing(against: Against) -> None:
    found = against("optim.lr=0.5")
    assert kinds(found) == {"several-differences", "single-seed"}
    assert "2 things (optim.lr, trainer.precision)" in found[0].text
    assert "precision=bf16-mixed" in found[1].text


def test_other_data_and_which_part_of_it(against: Against) -> None:
    found = against(
        fingerprint="sha256-ts1:other", parts={"source": "sha256-ts1:x", "layout": "sha256-ts1:y"}
    )
    assert "data" in kinds(found)
    assert any("different sets (source, layout)" in caution.text for caution in found)


def test_other_pages_in_validation(against: Against) -> None:
    assert "pages" in kinds(against("trainer.limit_val_batches=1"))


def test_other_versions(against: Against) -> None:
    found = against(versions={"torch": "3.0", "git": "1234567"})
    assert any("different versions of torch" in caution.text for caution in found)


def test_a_seed_twice_counts_once(against: Against) -> None:
    found = against("seed=2")
    assert kinds(found) == {"same-seed"}
    assert "seed 2 more than once" in found[0].text


@pytest.mark.parametrize(("finished", "state"), [(None, "unfinished"), (False, "stopped")])
def test_a_run_that_did_not_finish(against: Against, finished: bool | None, state: str) -> None:
    found = against(finished=finished)
    assert kinds(found) == {"unfinished"}
    assert found[0].text == f"more is {state}, at step 30: it stands in no mean"


def test_a_run_whose_settings_were_changed_on_the_way(against: Against) -> None:
    changes = {"optim.lr": [0.1, 0.2], "trainer.keep_best": [1, 2]}
    found = against(resumed=[{"from_step": 10, "changed": changes}])
    assert kinds(found) == {"resumed"}
    assert found[0].text.endswith("other settings: optim.lr")


def test_a_run_that_went_on_in_other_processes(against: Against) -> None:
    found = against(resumed=[{"from_step": 10, "processes": [1, 2]}])
    assert kinds(found) == {"resumed"}
    assert "resumed with 2 processes, and had 1" in found[0].text


def test_a_run_that_is_scored_on_what_it_learnt(against: Against) -> None:
    found = against("data.train=[train,test]")
    assert "more is scored on pages it learnt from: train, test" in [caution.text for caution in found]


def test_two_single_runs_are_warned_of_in_one_sentence(tmp_path: Path) -> None:
    folders = [made_run_folder(tmp_path / "a"), made_run_folder(tmp_path / "b", BF16)]
    (found,) = cautions(compare_runs([read_run(folder) for folder in folders]))
    assert found.kind == "single-seed"
    assert "precision=32-true; precision=bf16-mixed" in found.text


def test_one_seed_again_and_again_is_one_seed(tmp_path: Path) -> None:
    folders = [made_run_folder(tmp_path / name) for name in "abc"]
    found = cautions(compare_runs([read_run(folder) for folder in folders]))
    assert kinds(found) == {"single-seed", "same-seed"}
    assert "seed 42 more than once in all runs:" in found[1].text


def test_other_code_and_other_devices(tmp_path: Path) -> None:
    origins = ({"git": "abc1234", "device": "A"}, {"git": "def5678-dirty", "device": "B"}, {})
    folders = [
        made_run_folder(tmp_path / f"run{seed}", f"seed={seed}", origin=origin)
        for seed, origin in enumerate(origins)
    ]
    found = cautions(compare_runs([read_run(folder) for folder in folders]))
    assert [caution.kind for caution in found] == ["code", "code", "device"]
    assert "abc1234, def5678-dirty" in found[0].text
    assert found[1].text.endswith(": run1")
    assert "A, B" in found[2].text
