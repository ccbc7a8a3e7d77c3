from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from formats.errors import UsageError
from train.export import main

ROOT = Path(__file__).parents[2]


def export(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "train.export", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_is_quick_and_shows_an_example() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = export("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert "python -m train.export --checkpoint" in done.stdout


def test_the_command_says_what_it_wrote_and_nothing_else(small_run: Path, tmp_path: Path) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    run = tmp_path / "run"
    shutil.copytree(small_run, run, symlinks=True)
    before = (run / "best.json").read_bytes()
    done = export("--checkpoint", run, "--out", run / "best.onnx", "--size", 64, 96)
    assert (done.returncode, done.stderr) == (0, "")
    assert "x (batch, 3, 64, 96) -> prob (batch, 1, 64, 96)" in done.stdout
    assert "agrees with PyTorch to " in done.stdout
    assert (run / "best.json").read_bytes() == before, "the checkpoint's own JSON"
    assert (run / "best.onnx").is_file() and (run / "best.onnx.json").is_file()


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    words = ["--checkpoint", str(tmp_path), "--out", str(tmp_path / "x.onnx")]
    with pytest.raises(UsageError, match="the folder of a run that has saved one"):
        main(words, standalone_mode=False)
    assert not list(tmp_path.iterdir())
