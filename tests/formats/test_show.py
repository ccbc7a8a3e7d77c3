"""The command: summary, sample, pictures, and refusals that name the way on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from encoded_sets import MadeSet
from PIL import Image

from formats.errors import UsageError
from formats.show import main


def run(*words: object) -> Any:
    words = tuple(str(word) for word in words)
    return CliRunner().invoke(main, words, catch_exceptions=False, standalone_mode=False)


def test_summary(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    words, record = run(folder), json.loads(run(folder, "--json").stdout)
    assert words.return_value == 0
    assert words.stdout.startswith(f"{folder}: 6 samples in 2 shards, ")
    assert "  splits       2 test, 4 train\n" in words.stdout
    assert (record["samples"], record["splits"]) == (6, {"test": 2, "train": 4})
    assert record["fingerprint"] in words.stdout


def test_one_sample_in_words(fresh: Callable[..., MadeSet]) -> None:
    result = run(fresh("zarr").folder, "a.png")
    assert result.stdout.splitlines()[0] == "a.png"
    assert "192 x 128 pixels" in result.stdout
    assert "distance " in result.stdout


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_pictures(fresh: Callable[..., MadeSet], tmp_path: Path, container: str) -> None:
    folder = fresh(container).folder
    for words in (["--count", 4], ["--split", "test"], ["--seed", 3, "--count", 2], ["a.jpg"]):
        out = tmp_path / f"{len(words)}-{words[-1]}.png"
        result = run(folder, *words, "--out", out)
        assert result.return_value == 0
        picture = np.asarray(Image.open(out))
        some = re.sub(r"^.* pixels", "", result.stdout)
        assert f"{out}: {picture.shape[1]} x {picture.shape[0]} pixels{some}" == result.stdout
        drawn = int(words[words.index("--count") + 1]) if "--count" in words else 0
        assert some == (f", {drawn} of 6 samples (--count N for more)\n" if drawn else "\n")
        assert min(picture.shape[:2]) > 300
        assert np.ptp(picture, axis=2).max() > 50


@pytest.mark.parametrize(
    "words",
    [
        ["a.jpg", "--json"],
        ["--json", "--out", "x.png"],
        ["--split", "nosuch"],
        ["a.jpg", "--ratio", "0.5"],
        ["--ratio", "0.5", "--out", "x.png"],
        ["a.jpg", "--variants"],
        ["--count", "3"],
        ["a.jpg", "--seed", "3", "--out", "x.png"],
    ],
)
def test_an_option_that_would_do_nothing_is_refused(fresh: Callable[..., MadeSet], words: list[str]) -> None:
    option = next(word for word in words if word.startswith("--"))
    with pytest.raises(UsageError, match=f"option {option}"):
        run(fresh("tar").folder, *words)


def test_a_key_that_is_not_there(fresh: Callable[..., MadeSet], tmp_path: Path) -> None:
    folder = fresh("tar").folder
    for words in (["a.jpeg"], ["a.jpeg", "--out", tmp_path / "x.png"]):
        with pytest.raises(UsageError, match=r"did you mean .*a\.jpg"):
            run(folder, *words)
    assert not (tmp_path / "x.png").exists()


def test_what_cannot_be_shown(fresh: Callable[..., MadeSet], tmp_path: Path) -> None:
    folder = fresh("tar", maps="planes").folder
    absent = run(tmp_path / "nowhere")
    assert (absent.return_value, absent.stdout) == (2, "")
    assert "no set of shards" in absent.stderr
    for words, said in (
        (["--out", "x.jpg"], "ends in .png"),
        (["--out", tmp_path / "x.png", "--split", "val"], "one of: test, train"),
        (["a.jpg", "--out", tmp_path / "x.png", "--ratio", "0.6"], "were rendered"),
    ):
        with pytest.raises(UsageError, match=said):
            run(folder, *words)


def test_help_fits_a_screen() -> None:
    lines = run("--help").stdout.splitlines()
    assert len(lines) <= 24
    assert any("python -m formats.show" in line for line in lines)
