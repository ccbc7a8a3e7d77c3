"""A small share of the bits of scripts/check_flips, and that it would tell if one were missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_flips"


@pytest.fixture(scope="module")
def flips() -> list[dict[str, object]]:
    words = ["--flips", "84", "--seed", "5", "--json"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_verify_finds_every_flip(flips: list[dict[str, object]]) -> None:
    assert len(flips) == 84
    assert all(flip["verify"] for flip in flips)


def test_the_reader_finds_it_or_returns_the_same(flips: list[dict[str, object]]) -> None:
    assert all(flip["reader"] or flip["harmless"] for flip in flips)
    assert not any(flip["reader"] and flip["harmless"] for flip in flips)


def test_every_kind_of_file_is_hit(flips: list[dict[str, object]]) -> None:
    kinds = {flip["kind"] for flip in flips}
    assert kinds == {"tar", "zarr data", "zarr metadata", "shard manifest", "set manifest"}
    assert len({flip["set"] for flip in flips}) == 4


def test_flips_that_are_found_are_not_all_in_manifests(flips: list[dict[str, object]]) -> None:
    assert any(flip["reader"] for flip in flips if flip["kind"] in ("tar", "zarr data"))
