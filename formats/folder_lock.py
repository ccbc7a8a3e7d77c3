"""One process at a time in a folder: a lock that goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from formats.disk import writing
from formats.errors import TextshardsError

LOCK = ".lock"


@contextmanager
def locked(folder: Path, held: Callable[[str], TextshardsError]) -> Iterator[None]:
    """Hold a folder; who holds it stands in its lock file.

    A file system without locks (Lustre mounted without flock) keeps nobody from working.

    Args:
        folder: there already.
        held: returns the error of a folder that another process holds, given that process's words; empty
            where it has just begun.

    Raises:
        TextshardsError: what `held` returned.
        UsageError: the folder cannot be written to.
    """
    with writing(folder):
        file = (folder / LOCK).open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise held(file.read().strip()) from None
        except OSError:
            pass
        with writing(folder):
            file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
            file.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                file.truncate(0)


def holder(folder: Path) -> str | None:
    """Return who holds a folder now, in the words of its lock file; None where nobody does."""
    try:
        with (folder / LOCK).open() as file:
            said = file.read().strip()
            # Asking for the lock could keep one that begins at this instant from it: only where one was.
            if said:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return said
    except OSError:
        return None
    return None
