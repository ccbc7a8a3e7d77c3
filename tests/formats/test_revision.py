"""The revision that records name is that of the code, and says where it was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from formats import revision as module


def test_the_revision_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.setattr(module, "__file__", str(code / "revision.py"))
    (code / "revision.py").write_text("1")
    assert module.revision_of_code() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=b@c"]
    subprocess.run([*git, "init", "-q"], cwd=code, check=True)
    assert module.revision_of_code() is None  # in a repository, but none of its files
    subprocess.run([*git, "add", "."], cwd=code, check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], cwd=code, check=True)
    revision = module.revision_of_code()
    assert revision is not None and not revision.endswith("-dirty")
    (code / "revision.py").write_text("2")
    assert module.revision_of_code() == f"{revision}-dirty"
    monkeypatch.setenv("PATH", "")
    assert module.revision_of_code() is None
