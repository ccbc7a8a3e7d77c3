"""`source scripts/environment` in a person's shell: it ends none, and believes in no failed installation."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / "scripts" / "environment"


def sourced(folder: Path, *, python: str) -> subprocess.CompletedProcess[str]:
    script = f'source "{ENVIRONMENT}"; echo "code $?"; command -v textshards-build'
    env = {"PATH": "/usr/bin:/bin", "TEXTSHARDS_PYTHON": python}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def stub(folder: Path, script: str) -> str:
    path = folder / "stub"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('[ "$1" = --version ] && echo Python 3.8', 2),  # too old
        ('[ "$1" = -c ] || exit 1', 1),  # no venv module
        ('[ "$1" = -c ] || { mkdir -p .venv/bin; ln -sf /bin/false .venv/bin/pip; }', 1),  # no network
    ],
)
def test_a_failed_installation_is_no_installation(tmp_path: Path, script: str, code: int) -> None:
    (tmp_path / "pyproject.toml").touch()
    done = sourced(tmp_path, python=stub(tmp_path, script))
    assert f"code {code}" in done.stdout
    assert not list(tmp_path.glob(".venv/installed-*"))


def test_another_folder_is_told(tmp_path: Path) -> None:
    done = sourced(tmp_path, python="python3")
    assert "code 2" in done.stdout and "from the folder of the checkout" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_is_installed_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (tmp_path / ".venv" / "installed-42949672950").touch()
    program = bin_folder / "textshards-build"
    program.touch(mode=0o755)
    assert sourced(tmp_path, python="false").stdout == f"code 0\n{program}\n"
