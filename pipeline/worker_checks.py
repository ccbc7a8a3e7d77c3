"""Whether the workers of a cluster can do a build's work: they have this package, its versions, the folder.

What a worker runs of a build goes through `run_checked`, for workers come and go while it lasts.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any, TypeVar

from formats.errors import UsageError
from formats.places import Place
from formats.remote_path import RemotePath
from pipeline.render import RENDERER_VERSION
from pipeline.workers import keep_memory, prepare_thread

Job = TypeVar("Job")
Result = TypeVar("Result")

COMPARED = (
    "numpy",
    "opencv-python",
    "simplejpeg",
    "shapely",
    "numba",
    "numcodecs",
    "zarr",
    "rfc8785",
    "distributed",
)
"""Packages whose versions must be the same on every machine: they write bytes, or speak to each other."""


@contextmanager
def marked(folder: Place) -> Iterator[Place]:
    """Put a file into the folder for workers to see while the build runs; of storage the prefix will do."""
    if isinstance(folder, RemotePath):
        yield folder
        return
    mark = folder / f".cluster-{uuid.uuid4().hex}.partial"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def judge(worker: str, answer: Any, here: dict[str, str], folder: Place) -> None:
    """Refuse a worker that cannot do the work.

    Args:
        worker: what it is called.
        answer: what `look_around` returned there, or raised.
        here: the versions of the machine that builds.
        folder: where the set is written.

    Raises:
        UsageError: other versions than here, or the folder is out of reach.
    """

    def refuse(expected: str, found: str, next_step: str) -> UsageError:
        return UsageError(f"worker {worker}", expected=expected, found=found, next_step=next_step)

    if isinstance(answer, ImportError):
        raise without_package(f"worker {worker}", answer)
    if isinstance(answer, BaseException):
        raise refuse(
            f"a worker that reaches {folder}",
            " ".join(str(answer).split())[:300],
            "give workers the same keys and endpoint as this machine",
        )
    there, reached = answer
    differing = [name for name in here if here[name] != there.get(name)]
    if differing:
        raise refuse(
            ", ".join(f"{name} {here[name]}" for name in differing),
            ", ".join(f"{name} {there.get(name, 'absent')}" for name in differing),
            "install the same versions on every machine: others may write other bytes",
        )
    if not reached:
        raise refuse(
            f"{folder} on a file system that all machines share",
            "no such folder there, or another one",
            "write to a shared folder, or to object storage: --out s3://...",
        )


def without_package(worker: str, error: ImportError) -> UsageError:
    """Return what to raise of a worker that cannot import what it is to do."""
    return UsageError(
        worker,
        expected="a worker with this package",
        found=str(error),
        next_step='pip install "textshards[build,dask]" there, and start workers in a folder that has it',
    )


def versions() -> dict[str, str]:
    """Return the versions that must agree on all machines of a build."""
    found = {"python": platform.python_version().rpartition(".")[0], "renderer": str(RENDERER_VERSION)}
    for name in COMPARED:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def look_around(path: Place) -> tuple[dict[str, str], bool]:
    """Run by a worker: return its versions, and whether it sees the mark that the build has put there.

    Raises:
        StorageError: storage that it cannot reach.
    """
    prepare_thread()
    keep_memory()
    if not isinstance(path, RemotePath):
        return versions(), path.exists()
    path.is_dir()  # Asked for the fault alone: before the first shard there is nothing below the prefix.
    return versions(), True


_able: set[str] = set()
"""Marks of the builds that this process, a worker, has been found able to work for."""


def run_checked(
    work: Callable[[Job], Result], here: dict[str, str], folder: Place, mark: Place, job: Job
) -> Result:
    """Run by a worker: do a job, the first of a build only if this worker is able to.

    Args:
        work: what is done with the job.
        here: the versions of the machine that builds.
        folder: where the set is written.
        mark: what the worker has to see there.
        job: what to do.

    Raises:
        UsageError: other versions than the building machine's, or the folder is out of reach.
    """
    if str(mark) not in _able:
        try:
            answer: Any = look_around(mark)
        except Exception as error:  # whatever it is, `judge` says it
            answer = error
        judge(f"on {platform.node()}", answer, here, folder)
        _able.add(str(mark))
    return work(job)
