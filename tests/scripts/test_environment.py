"""scripts/environment: an install that failed is not taken for one that is there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "environment"


def sourced(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Source it in another folder; the interpreter is `python`."""
    (tmp_path / "python").write_text(f"#!/bin/sh\n{python}\n")
    (tmp_path / "python").chmod(0o755)
    names = {"TEXTSHARDS_VENV": str(tmp_path / "venv"), "TEXTSHARDS_PYTHON": str(tmp_path / "python")}
    return subprocess.run(
        ["bash", "-c", f'source "{SCRIPT}"; echo "$? $PATH"'],
        cwd=tmp_path,
        env=os.environ | names,
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_failed_install_is_told_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    pip = tmp_path / "venv/bin/pip"
    pip.write_text('#!/bin/sh\necho "no such release" >&2; exit 1\n')
    pip.chmod(0o755)
    for _ in range(2):
        done = sourced(tmp_path, "exit 0")
        assert done.stdout.startswith("1 ")
        assert "no such release" in done.stderr and "is not whole" in done.stderr
        assert str(tmp_path / "venv/bin") not in done.stdout
    pip.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked"}\n')
    done = sourced(tmp_path, "exit 0")
    assert done.stdout.startswith(f"0 {tmp_path / 'venv/bin'}:")
    assert f"--editable {SCRIPT.parents[1]}[build,train" in (tmp_path / "asked").read_text()
    assert sourced(tmp_path, "exit 3").stderr == ""  # whole: nothing is asked again


def test_an_old_interpreter_is_refused(tmp_path: Path) -> None:
    done = sourced(tmp_path, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    assert "needs Python 3.11 or later; found Python 3.9.2" in done.stderr
    assert not done.stdout.startswith("0 ")
