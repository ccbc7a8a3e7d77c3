"""Shards compared as a whole with the SHA-256 in their manifests, each once, when it is first read.

What is learnt from is checked anyway: every member against its CRC-32C, at each read, before it is decoded.
This covers the rest of a file too (headers, padding, indexes, members that no page has needed yet), so that a
damaged shard ends the run early and not in the epoch that happens upon it. It is done by one thread beside
the stream: a permutation touches all shards within its first batches, and training does not wait for that.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from formats.errors import DamageError, SetError
from formats.manifest import REPAIR, FileRecord
from formats.shard_index import ShardIndex
from formats.shards import ShardSet
from formats.storage import inside, missing_file

CHUNK = 1 << 22
"""Bytes hashed between two looks at whether to stop: some milliseconds."""


class ShardHashes:
    """Which shards are to be hashed, which have been, and what was found.

    Args:
        shard_set: the set.
        shards: those that this process answers for; of others it is asked in vain.

    Attributes:
        names: of the shards whose files all were what their manifests say.
    """

    def __init__(self, shard_set: ShardSet, shards: Sequence[ShardIndex]) -> None:
        self.names: set[str] = set()
        self._set = shard_set
        self._unread = {shard.name: shard for shard in shards}
        self._asked: dict[str, ShardIndex] = {}
        self._fault: SetError | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closing = threading.Event()

    def ask(self, names: Iterable[str]) -> None:
        """Have shards hashed, by name; those that were asked for before are left out."""
        for name in names:
            shard = self._unread.pop(name, None)
            if shard is not None:
                self._asked[name] = shard
                if self._pool is not None:
                    self._pool.submit(self._hash, shard, self._closing.is_set)

    def check(self) -> None:
        """Tell what was found so far; waits for nothing.

        Raises:
            DamageError: a file is not what was written.
            SetError: a file is not there any more.
        """
        if self._fault is not None:
            raise self._fault

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hash what is asked for, in a thread, while a block runs; what is left is for the next block."""
        self._closing.clear()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        for shard in tuple(self._asked.values()):
            self._pool.submit(self._hash, shard, self._closing.is_set)
        try:
            yield
        finally:
            self._closing.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    @property
    def verified(self) -> int:
        """Number of these shards."""
        return len(self.names)

    def finish(self, stop: Callable[[], bool]) -> None:
        """Hash here what was asked for and is left, until `stop` says so; raises as `check` does."""
        for shard in tuple(self._asked.values()):
            self.check()
            self._hash(shard, stop)
        self.check()

    def _hash(self, shard: ShardIndex, stop: Callable[[], bool]) -> None:
        folder = self._set.folder
        assert isinstance(folder, Path), "what comes from storage is hashed as it arrives"
        try:
            whole = all(_as_recorded(folder, file, stop) for file in shard.files.values())
        except DamageError as error:
            self._fault = self._fault or self._damaged_sample(shard) or error
            return
        except SetError as error:
            self._fault = self._fault or error
            return
        if whole:
            self.names.add(shard.name)
            del self._asked[shard.name]

    def _damaged_sample(self, shard: ShardIndex) -> SetError | None:
        """Return the error that names the sample whose bytes changed; None where they are of no sample."""
        start = self._set.starts[[other.name for other in self._set.shards].index(shard.name)]
        for number in range(start, start + len(shard.keys)):
            try:
                for name in shard.columns:
                    self._set.member(number, name)
            except SetError as error:
                return error
        return None


def _as_recorded(folder: Path, record: FileRecord, stop: Callable[[], bool]) -> bool:
    """Compare a file with its record; return False where `stop` said so before the end.

    Raises:
        DamageError: it is another than was written.
        SetError: it cannot be read.
    """
    path, found = inside(folder, record.path), hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(CHUNK):
                if stop():
                    return False
                found.update(data)
    except OSError as error:
        raise missing_file(path, error) from None
    if found.hexdigest() != record.sha256:
        raise DamageError(
            str(path),
            expected=f"SHA-256 {record.sha256[:16]}... as recorded in the shard's manifest",
            found=f"SHA-256 {found.hexdigest()[:16]}...: the bytes changed after they were written",
            next_step=f"run python -m formats.verify on the set, then {REPAIR.removeprefix('run ')}",
        )
    return True
