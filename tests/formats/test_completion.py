"""Installed programs are completed by shells: options, and settings by their names."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from formats.completion import field_names
from pipeline.config import BuildConfig

ROOT = Path(__file__).parents[2]
PROGRAMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def completed(folder: Path, program: str, words: str) -> list[str]:
    module, _, function = PROGRAMS[program].partition(":")
    script = folder / program
    script.write_text(f"from {module} import {function}\n{function}()\n")
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    asked = {variable: "bash_complete", "COMP_WORDS": f"{program} {words}", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT), **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("program", "word", "expected"),
    [
        ("textshards-build", "--para", "--paranoid"),
        ("textshards-build", "geometry.c", "geometry.canvas="),
        ("textshards-train", "trainer.prec", "trainer.precision="),
        ("textshards-diff", "--j", "--json"),
    ],
)
def test_words_are_completed(tmp_path: Path, program: str, word: str, expected: str) -> None:
    assert expected in completed(tmp_path, program, word)


def test_every_field_has_a_name_and_most_a_description() -> None:
    fields = dict(field_names(BuildConfig))
    assert "targets.shrink_ratio" in fields and "source.splits" in fields
    assert all(fields.values())
