"""Where shards are made: on this machine, or by a Dask cluster. The one file that knows an engine by name.

Both are executors of `concurrent.futures`. To a cluster go the jobs, which are annotations and settings, and
back come the manifests of the shards: workers read images and write shards where they lie. A worker that is
lost costs what it had under way; the scheduler gives its jobs to another. Which engine made a shard, with how
many workers, changes no byte of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from formats.errors import TextshardsError, UsageError
from formats.places import Place
from formats.wording import counted
from pipeline.config import RuntimeSettings
from pipeline.worker_checks import judge, look_around, marked, run_checked, versions, without_package
from pipeline.worker_watch import WorkerWatch
from pipeline.workers import cores, deaf_children, run_jobs

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_S = 15
"""Seconds that a scheduler may take to answer, and its first worker to come."""
LOOK_S = 5.0
"""Seconds without a result after which the workers are counted."""


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
        TextshardsError: workers, or the scheduler, were lost, or no worker came back in time.
    """
    if runtime.engine == "local":
        yield from run_jobs(work, jobs, runtime.workers or cores())
        return
    with _dask_client(runtime) as client, marked(folder) as mark:
        _check_workers(client, folder, mark)
        checked = partial(run_checked, work, versions(), folder, mark)
        watch = WorkerWatch(partial(_count_workers, client), runtime.without_workers_s)
        yield from _results(client.get_executor(pure=False), checked, jobs, watch)


def _results(
    pool: Executor, work: Callable[[Job], Result], jobs: Sequence[Job], watch: WorkerWatch
) -> Iterator[Result]:
    futures: list[Future[Result]] = [pool.submit(work, job) for job in jobs]
    try:
        for future in _as_completed(futures, watch):
            yield future.result()
    except TextshardsError:
        raise
    except ImportError as error:  # there when `_check_workers` looked, it would have been refused
        raise without_package("a worker that joined later", error) from None
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


def _as_completed(futures: Sequence[Future[Result]], watch: WorkerWatch) -> Iterator[Future[Result]]:
    """Yield futures as they finish; while none does, look whether anybody is left to finish one."""
    done: SimpleQueue[Future[Result]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(done.put)
    for _ in futures:
        while True:
            try:
                future = done.get(timeout=LOOK_S)
            except Empty:
                watch.look()
            else:
                break
        yield future


def _count_workers(client: Any) -> int:
    """Return how many workers the scheduler has; 0 where it does not say."""
    try:
        return len(client.nthreads(callback_timeout=CONNECT_S))
    except (OSError, TimeoutError):
        return 0


@contextmanager
def _dask_client(runtime: RuntimeSettings) -> Iterator[Any]:
    """Connect to the scheduler, or make a cluster on this machine where none is named."""
    try:
        from distributed import Client  # an extra
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
            address = stack.enter_context(_local_cluster(runtime.workers or cores()))
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
def _local_cluster(workers: int) -> Iterator[Any]:
    """Make a cluster on this machine, of so many worker processes that leave Ctrl-C to this one."""
    from distributed import LocalCluster

    with ExitStack() as stack:
        # Its threads inherit the mask too, and so do workers that are started again later.
        with deaf_children():
            try:
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    # Its server of metrics runs even so: at any free port, or clusters warn of each other.
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                )
            except (OSError, RuntimeError) as error:
                raise TextshardsError(
                    "the Dask cluster on this machine",
                    expected=f"{counted(workers, 'worker')} that start",
                    found=" ".join(str(error).split())[:200] or type(error).__name__,
                    next_step="killed for memory? fewer --workers need less; then run the same command again",
                ) from None
            stack.enter_context(cluster)
        yield cluster


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
        judge(worker, answer, here, folder)
