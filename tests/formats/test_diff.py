"""The command: exit codes, folders and files, words and JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from encoded_sets import CANVAS, MadeSet, made_samples, write_set
from made_set import made_sample

from formats.diff import main
from formats.manifest_files import read_set_manifest
from formats.spec import EncodingSpec, TargetsSpec

RATE = {"build": {"samples": 6, "seconds": 3.0, "samples_per_second": 2.0, "workers": 2}}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two sets: another ratio, a page less, two more, other provenance."""
    samples = [*made_samples()[1:], made_sample(70, CANVAS), made_sample(71, CANVAS)]
    a = write_set(tmp_path / "a", EncodingSpec()).folder
    b = write_set(
        tmp_path / "b", EncodingSpec(), samples=samples, targets=TargetsSpec(shrink_ratio=0.5)
    ).folder
    for folder, host in ((a, "one"), (b, "two")):
        (folder / "provenance.json").write_text(json.dumps(RATE | {"host": host, "versions": {"numpy": "2"}}))
    return a, b


def run(*words: object, **more: Any) -> Any:
    words = tuple(str(word) for word in words)
    return CliRunner().invoke(main, words, catch_exceptions=False, standalone_mode=False, **more)


def test_the_difference_in_words(pair: tuple[Path, Path]) -> None:
    a, b = pair
    result = run(a, b)
    assert result.return_value == 1
    size = sum(entry.bytes for entry in read_set_manifest(b).shards)
    gone = sum(entry.bytes for entry in read_set_manifest(a).shards)
    assert result.stdout == (
        f"different in source and targets\n  --> A  {a}\n  --> B  {b}\n\n"
        "  targets.shrink_ratio  0.4 -> 0.5\n"
        "  + 2 samples added\n      pages/00070.jpg, pages/00071.jpg\n"
        "  - 1 sample removed\n      a/0.jpg\n\n"
        "to turn A into B\n"
        "  rebuild  2 of 2 shards; targets decides every shard\n"
        f"           7 samples, {size / 1e6:.2f} MB, about 4 s (recorded: 2 samples/s with 2 workers)\n"
        f"  remove   2 shards, {gone / 1e6:.2f} MB\n"
        f"  with     python -m pipeline.build --config FILE --out {a}\n"
        "provenance (invalidates nothing)\n"
        "  host  one -> two\n"
    )


def test_the_difference_as_json(pair: tuple[Path, Path]) -> None:
    a, b = pair
    result = run(a, b, "--json")
    assert result.return_value == 1
    record = json.loads(result.stdout)
    assert (record["same"], record["parts"]) == (False, ["source", "targets"])
    assert record["a"]["path"] == str(a)
    assert record["b"]["fingerprint"] == read_set_manifest(b).fingerprint
    assert record["settings"] == [{"field": "targets.shrink_ratio", "a": 0.4, "b": 0.5, "part": "targets"}]
    assert record["samples"]["added"] == {"count": 2, "keys": ["pages/00070.jpg", "pages/00071.jpg"]}
    assert record["samples"]["changed"] == {"count": 0, "keys": []}
    assert record["shards"]["rebuild"] == [entry.name for entry in read_set_manifest(b).shards]
    assert record["cost"]["seconds"] == 3.5
    assert record["provenance"] == [{"field": "host", "a": "one", "b": "two"}]


def test_the_same_set_twice(pair: tuple[Path, Path]) -> None:
    a, _ = pair
    copy = a.parent / "copy"
    shutil.copytree(a, copy)
    (copy / "provenance.json").write_text(json.dumps(RATE | {"host": "elsewhere"}))
    result = run(a, copy)
    assert (result.return_value, result.stdout.splitlines()[0]) == (0, f"same: {a} and {copy}")
    assert "  host            one -> elsewhere\n" in result.stdout


def test_colour_on_a_terminal(pair: tuple[Path, Path]) -> None:
    plain, coloured = run(*pair), run(*pair, color=True)
    assert "\x1b[" not in plain.stdout
    assert click.style("0.4", fg="red") in coloured.stdout
    assert click.unstyle(coloured.stdout) == plain.stdout
    assert len(plain.stdout.splitlines()) < 24


def test_manifest_files_with_and_without_shards_beside(pair: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = pair
    told = run(a / "manifest.json", b / "manifest.json").stdout
    assert "2 samples added" in told
    assert f"pipeline.build --config FILE --out {a}\n" in told
    alone = tmp_path / "old.json"
    shutil.copy(a / "manifest.json", alone)
    result = run(alone, b)
    assert result.return_value == 1
    assert "samples: not compared" in result.stdout
    assert "pipeline.build --config FILE --out DIR\n" in result.stdout
    assert json.loads(run(alone, b, "--json").stdout)["samples"] is None
    assert run(alone, a).return_value == 0


def test_what_cannot_be_told(fresh: Callable[..., MadeSet], tmp_path: Path) -> None:
    a, b = fresh("tar", "a").folder, fresh("tar", "b", samples=made_samples()[1:]).folder
    for wrong, said in ((tmp_path / "nowhere", "No such file"), (tmp_path, "no set of shards")):
        result = run(a, wrong)
        assert (result.return_value, result.stdout) == (2, "")
        assert said in result.stderr
    (b / read_set_manifest(b).shards[0].manifest.path).unlink()
    gone = run(a, b)
    assert gone.return_value == 2
    assert "a file that the set's manifest names" in gone.stderr
    path = b / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":7'))
    newer = run(a, b)
    assert newer.return_value == 2
    assert "version 7" in newer.stderr


def test_help_fits_a_screen() -> None:
    lines = run("--help").stdout.splitlines()
    assert len(lines) <= 24
    assert any("python -m formats.diff" in line for line in lines)
