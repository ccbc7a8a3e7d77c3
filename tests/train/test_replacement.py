"""A run that takes another's place: whatever ends it, one of the two stands, whole."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import WORDS

from formats.errors import UsageError
from formats.folder_lock import LOCK
from train.replacement import recover, replaced, unfinished
from train.run_folder import open_run

EARLIER = {"config.yaml": "old", "metrics.jsonl": "old", "checkpoints/a.pt": "old", "best.pt": "old"}
NEW = {"metrics.jsonl": "new", "wandb/log": "new"}


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK]
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in found}


class KilledError(BaseException):
    """The process is gone: nothing of it does anything any more."""


def kill_at(monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    """Let all changes to the folder from number `change` on fail."""
    left = [change]

    def dying(done: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            return done(*args, **options)

        return call

    for name in ("rename", "unlink", "rmdir", "mkdir", "write_text"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", dying(shutil.rmtree))


def test_killed_at_any_moment_one_of_the_two_runs_stands(tmp_path: Path) -> None:
    stood = []
    for change in range(99):
        folder = tmp_path / str(change)
        write(folder, EARLIER)
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, change)
            try:
                with replaced(folder) as begin:
                    write(folder, NEW)
                    begin()
            except KilledError:
                pass
            else:
                break
        recover(folder)
        assert files(folder) in (EARLIER, NEW) and not unfinished(folder), change
        stood.append(files(folder) == NEW)
    assert stood == sorted(stood) and len(set(stood)) == 2  # first the earlier one, at the end the new one


def test_killed_while_it_is_put_back_it_stands_nevertheless(tmp_path: Path) -> None:
    write(tmp_path / "x", EARLIER)
    with replaced(tmp_path / "x"):
        write(tmp_path / "x", NEW)
        shutil.copytree(tmp_path / "x", tmp_path / "killed")
    assert files(tmp_path / "x") == EARLIER
    for change in range(99):
        folder = shutil.copytree(tmp_path / "killed", tmp_path / str(change))
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, change)
            try:
                recover(folder)
            except KilledError:
                pass
            else:
                break
        recover(folder)
        assert files(folder) == EARLIER, change
    assert change > len(EARLIER)


SHORT = (*WORDS, "trainer.max_epochs=1", "trainer.limit_train_batches=1", "data.val=null", "exp_name=x")


def test_a_run_that_does_not_begin_leaves_the_earlier_one(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*SHORT, f"logger.folder={tmp_path}"]
    assert open_run(small_set, None, words).run(lambda: False).finished
    before = files(tmp_path / "x")
    monkeypatch.setitem(sys.modules, "wandb", None)
    new = open_run(small_set, None, [*words, "logger.wandb.enabled=true"], replace=True)
    with pytest.raises(UsageError, match="wandb"):
        new.run(lambda: False)
    assert files(tmp_path / "x") == before
    assert open_run(small_set, None, [*words, "seed=7"], replace=True).run(lambda: False).finished
    assert "seed: 7" in files(tmp_path / "x")["config.yaml"]
    assert not unfinished(tmp_path / "x")


def test_a_run_that_was_moved_aside_by_a_killed_one_is_put_back(small_set: Path, tmp_path: Path) -> None:
    words = [*SHORT, f"logger.folder={tmp_path / 'runs'}"]
    assert open_run(small_set, None, words).run(lambda: False).finished
    before = files(tmp_path / "runs/x")
    with replaced(tmp_path / "runs/x"):
        shutil.copytree(tmp_path / "runs", tmp_path / "killed", symlinks=True)
    resumed = open_run(small_set, None, ["trainer.max_epochs=2"], resume=tmp_path / "killed/x")
    assert files(tmp_path / "killed/x") == before
    assert resumed.run(lambda: False, resume=True) is not None
