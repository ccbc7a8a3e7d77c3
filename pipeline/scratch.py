"""Scratch folders: where shards are made before they go up to object storage, and who removes them.

A build removes its own, however it is stopped, but for a kill that nobody can hear. So each holds a lock that
goes with its process, and a later build removes those whose lock is free: of the same running system alone,
whose locks are then the whole truth, whatever file system they lie on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from formats.disk import disk_error, temporary_folder
from formats.places import Place
from formats.remote_path import RemotePath

SCRATCH = "textshards-"
"""How the names of scratch folders begin."""
OWNER = ".owner"
"""The file in a build's scratch folder that says whose it is, locked while that build lives."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def scratch_of(folder: Place) -> Iterator[Path | None]:
    """Give the jobs of a build into storage a scratch folder while a block runs; one on a disk needs none.

    Raises:
        UsageError: there is no place for it.
        TextshardsError: the disk is full.
    """
    if not isinstance(folder, RemotePath):
        yield None
        return
    remove_left()
    with writing_scratch():
        made = TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True)
    with made as name, _owned(Path(name)):
        yield Path(name)


@contextmanager
def shard_scratch(above: Path | None) -> Iterator[Path]:
    """Give one shard a folder: below its build's, or where this machine keeps temporary files.

    Raises:
        UsageError: there is no place for it.
        TextshardsError: the disk is full.
    """
    seen = above if above is not None and above.is_dir() else None
    with writing_scratch(), TemporaryDirectory(prefix=SCRATCH, dir=seen) as name:
        yield Path(name)


@contextmanager
def writing_scratch() -> Iterator[None]:
    """Turn a fault of the disk into an error that names where scratch lies, and how to have it elsewhere."""
    above = temporary_folder()
    try:
        yield
    except OSError as error:
        fault = disk_error(error, above)
        raise type(fault)(
            f"{fault.thing}, where shards are made before they go up",
            expected=fault.expected,
            found=fault.found,
            next_step="make room there, or set TMPDIR to another folder; then run the same command again",
        ) from None


@contextmanager
def _owned(scratch: Path) -> Iterator[None]:
    """Lock a scratch folder, then say whose it is: who reads that knows that there was a lock."""
    with writing_scratch():
        file = (scratch / OWNER).open("w")
    with file:
        with suppress(OSError):  # without locks on that file system nobody will be able to tell: it stays
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(_owner())
            file.flush()
        yield


def remove_left() -> None:
    """Remove the scratch folders that killed builds of this user left on this system, where certain."""
    for folder in Path(gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path) -> bool:
    """Tell whether a build of this system owned a scratch folder and lives no more.

    Raises:
        OSError: that cannot be told.
    """
    with (folder / OWNER).open("r+") as file:
        if file.read() != _owner():
            return False
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def _owner() -> str:
    """Return what stands for this user on this system since it was started.

    Raises:
        OSError: the system does not say which it is.
    """
    return f"system {BOOT.read_text().strip()}, user {os.getuid()}\n"
