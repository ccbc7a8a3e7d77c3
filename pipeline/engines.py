"""Where shards are made: on this machine, or by a Dask cluster. The one file that knows an engine by name.

Both are executors of `concurrent.futures`. To a cluster go the jobs, which are annotations and settings, and
back come the manifests of the shards: workers read images and write shards where they lie. A worker that is
lost costs what it had under way; the scheduler gives its jobs to another. Which engine made a shard, with how
many workers, changes no byte of it.
"""

from __future__ import annotations

import logging
import platform
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import metadata
from typing import Any, TypeVar

from formats.errors import TextshardsError, UsageError
from formats.places import Place, RemotePath
from pipeline.config import RuntimeSettings
from pipeline.render import RENDERER_VERSION
from pipeline.workers import cores, keep_memory, prepare_thread, run_jobs

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_S = 15
"""Seconds that a scheduler may take to answer, and its first worker to come."""
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


def run_on_engine(
    work: Callable[[Job], Result], jobs: Sequence[Job], runtime: RuntimeSettings, folder: Place
) -> Iterator[Result]:
    """Run jobs where the settings say, and yield their results as they finish.

    Args:
        work: what is done with each.
        jobs: what to do.
        runtime: engine, scheduler, number of workers.
        folder: where the workers write; each of them must reach it.

    Raises:
        UsageError: no such cluster, or its workers cannot do the work.
        TextshardsError: workers, or the scheduler, were lost.
    """
    if runtime.engine == "local":
        yield from run_jobs(work, jobs, runtime.workers or cores())
        return
    with _dask_client(runtime) as client, _mark(folder) as mark:
        _check_workers(client, folder, mark)
        checked = partial(run_checked, work, versions(), folder, mark)
        yield from _results(client.get_executor(pure=False), checked, jobs)


def _results(pool: Executor, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Result]:
    futures: list[Future[Result]] = [pool.submit(work, job) for job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    except TextshardsError:
        raise
    except ImportError as error:  # there when `_check_workers` looked, it would have been refused
        raise _without_package("a worker that joined later", error) from None
    except (CancelledError, OSError) as error:
        raise TextshardsError(
            "the scheduler was lost",
            expected="a scheduler that lives until the build ends",
            found=" ".join(str(error).split()) or "its connection is closed",
            next_step="start it again and run the same command: finished shards are kept",
        ) from None
    except Exception as error:
        if type(error).__name__ != "KilledWorker":
            raise
        raise TextshardsError(
            "workers died again and again at one shard",
            expected="workers that live until it is made",
            found=" ".join(str(error).split())[:300],
            next_step="give workers more memory, or fewer threads each; then the same command goes on",
        ) from None
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _dask_client(runtime: RuntimeSettings) -> Iterator[Any]:
    """Connect to the scheduler, or make a cluster on this machine where none is named."""
    try:
        from distributed import Client, LocalCluster  # an extra
    except ImportError as error:
        raise UsageError(
            "--engine dask",
            expected="the package distributed",
            found=str(error),
            next_step='pip install "textshards[dask]"',
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        address = runtime.scheduler
        if address is None:
            cluster = LocalCluster(
                n_workers=runtime.workers or cores(),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                # Its server of metrics runs even so: at any free port, or clusters warn of each other.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            )
            address = stack.enter_context(cluster)
        try:
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"--scheduler {runtime.scheduler}",
                expected="the address of a Dask scheduler that answers, as in tcp://10.0.0.5:8786",
                found=" ".join(str(error).split())[:200] or "no answer",
                next_step="see what the scheduler printed when it began; docs/cluster.md",
            ) from None
        stack.enter_context(client)
        yield client


@contextmanager
def _mark(folder: Place) -> Iterator[Place]:
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


def _check_workers(client: Any, folder: Place, mark: Place) -> None:
    """See that every worker that is there has this package, the same versions, and reaches the folder.

    Those that join later are looked at with their first job (`run_checked`).

    Raises:
        UsageError: one does not; names it.
    """
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError:
        raise UsageError(
            "the Dask cluster",
            expected="workers",
            found=f"none within {CONNECT_S} s",
            next_step="start workers with the scheduler's address: dask worker tcp://...",
        ) from None
    answers = client.run(look_around, mark, on_error="return")
    here = versions()
    for worker, answer in answers.items():
        _judge(worker, answer, here, folder)


def _judge(worker: str, answer: Any, here: dict[str, str], folder: Place) -> None:
    def refuse(expected: str, found: str, next_step: str) -> UsageError:
        return UsageError(f"worker {worker}", expected=expected, found=found, next_step=next_step)

    if isinstance(answer, ImportError):
        raise _without_package(f"worker {worker}", answer)
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


def _without_package(worker: str, error: ImportError) -> UsageError:
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
        except Exception as error:  # whatever it is, `_judge` says it
            answer = error
        _judge(f"on {platform.node()}", answer, here, folder)
        _able.add(str(mark))
    return work(job)
