"""One process at a time in a folder; who holds it is told, also on a disk that knows no locks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from formats import folder_lock
from formats.errors import TextshardsError, UsageError
from formats.folder_lock import LOCK, holder, locked


def held(said: str) -> TextshardsError:
    return TextshardsError("the folder", found=said)


def test_a_second_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with locked(tmp_path, held):
        assert (holder(tmp_path) or "").startswith(f"process {os.getpid()} on ")
        with pytest.raises(TextshardsError, match=f"process {os.getpid()} on "), locked(tmp_path, held):
            pytest.fail("both hold it")
    assert holder(tmp_path) is None
    with locked(tmp_path, held):
        pass


def test_what_a_killed_process_left_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on elsewhere, since long ago\n")
    assert holder(tmp_path) is None
    with locked(tmp_path, held):
        pass


def test_a_disk_without_locks_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(folder_lock.fcntl, "flock", none)
    with locked(tmp_path, held):
        assert holder(tmp_path) is None


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises((UsageError, TextshardsError), match="absent"), locked(tmp_path / "absent", held):
        pass
