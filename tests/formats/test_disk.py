"""Faults of the disk name the place, what is free there, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from formats.disk import disk_error, writing
from formats.errors import SetError, TextshardsError, UsageError


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
    assert disk_error(fault(errno.ENOSPC)).thing == "cannot write in ."
    assert disk_error(fault(errno.ENOSPC, tmp_path / "no/such")).found.endswith("free there")


def test_known_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="mine"), writing(tmp_path):
        raise SetError("mine")
