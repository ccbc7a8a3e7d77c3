from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from formats import revision
from train.provenance import changed_settings, origin

CPU = torch.device("cpu")


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *names, *words], cwd=folder, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_the_revision_of_the_code_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "provenance.py"
    code.write_text("one")
    monkeypatch.setattr(revision, "__file__", str(code))
    assert origin(CPU)["git"] is None
    git(tmp_path, "init", "-q")
    assert origin(CPU)["git"] is None
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    found = origin(CPU)["git"]
    assert git(tmp_path, "rev-parse", "HEAD").startswith(found)
    code.write_text("two")
    assert origin(CPU)["git"] == f"{found}-dirty"


def test_command_host_device_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/a/b/run.py", "--shards", "a set", "seed=1"])
    found = origin(CPU)
    assert found["command"] == "run.py --shards 'a set' seed=1"
    assert found["host"] and found["device"]
    assert found["versions"]["torch"] == torch.__version__


def test_changed_settings_are_named_with_both_values() -> None:
    before, now = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 5}
    assert changed_settings(before, now) == {"a.c": [2, 4], "d": [3, None], "e": [None, 5]}
