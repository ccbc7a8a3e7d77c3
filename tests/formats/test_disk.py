"""Faults of the disk name the place, what is free there, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from formats.disk import disk_error, writing
from formats.errors import SetError, TextshardsError, UsageError
from formats.storage import write_whole


def fault(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([str(path)] if path else []))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk(tmp_path: Path, number: int) -> None:
    with pytest.raises(TextshardsError, match=f"cannot write in {tmp_path}") as caught, writing(tmp_path):
        raise fault(number)
    assert caught.value.exit_code == 1
    assert "MB are free there" in caught.value.found
    assert "run the same command again" in caught.value.next_step


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_a_place_that_is_not_to_be_written(tmp_path: Path, number: int) -> None:
    with pytest.raises(UsageError, match="a folder that can be written") as caught, writing(tmp_path):
        raise fault(number, tmp_path / "shards")
    assert caught.value.found == f"{tmp_path / 'shards'}: {os.strerror(number).lower()}"


def test_any_other_fault_names_what_it_knows(tmp_path: Path) -> None:
    assert disk_error(fault(errno.EIO, tmp_path)).thing == f"cannot use {tmp_path}"
    assert disk_error(fault(errno.EIO), tmp_path).thing == f"cannot write {tmp_path}"
    assert disk_error(fault(errno.EIO)).expected


def test_a_full_disk_is_the_one_that_was_written_to(tmp_path: Path) -> None:
    nowhere = disk_error(fault(errno.ENOSPC))
    assert (nowhere.thing, nowhere.found) == ("cannot write a file", "no space left on device")
    told = disk_error(fault(errno.ENOSPC, tmp_path / "no/such"))
    assert told.thing == f"cannot write {tmp_path / 'no/such'}"
    assert told.found.endswith("free there")


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a folder that can be written"), writing(tmp_path / "no/such"):
        (tmp_path / "no/such").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no/x.html", b"")
    assert caught.value.filename == str(tmp_path / "no/x.html")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.EISDIR])
def test_a_path_that_cannot_be_used_is_an_input(tmp_path: Path, number: int) -> None:
    told = disk_error(fault(number, tmp_path / "x.png"))
    assert (told.thing, told.exit_code) == (f"cannot use {tmp_path / 'x.png'}", 2)


def test_a_file_that_could_not_be_written_is_named_by_what_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise fault(errno.ENOSPC)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "a.pt", b"1234")
    assert caught.value.filename == str(tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


def test_known_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="mine"), writing(tmp_path):
        raise SetError("mine")
