"""Where shards are made: in this process, or in worker processes behind `concurrent.futures`."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TypeVar

import cv2

from formats.errors import TextshardsError

Job = TypeVar("Job")
Result = TypeVar("Result")

SIGNAL_S = 0.5
"""Seconds within which a signal to all processes of a job comes to each of them."""
_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def run_jobs(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Run jobs and yield their results as they finish; 1 worker runs them here, one after the other.

    Raises:
        TextshardsError: a worker process died.
    """
    if workers == 1 or len(jobs) == 1:
        keep_memory()
        yield from map(work, jobs)
        return
    # Spawned, since threads of OpenCV and Numba do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _prepare_worker)
    try:
        with deaf_children():
            futures = [pool.submit(work, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        # A SIGTERM to all processes of a job may come to workers first: then it ends this one here.
        time.sleep(SIGNAL_S)
        raise TextshardsError(
            "a worker process died",
            expected="workers that live until the build ends",
            found="killed by the system (out of memory?) or by a person",
            next_step="run the same command again: finished shards are kept; fewer workers need less memory",
        ) from None
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, from their first instant: it is the parent's to answer.

    They inherit the mask; what comes meanwhile is answered here when the block ends.
    """
    # It would unblock the signal when it starts, so it has to run before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prepare_thread() -> None:
    """Keep OpenCV to the one thread that called it: there are as many jobs as cores."""
    cv2.setNumThreads(1)


def keep_memory() -> None:
    """Have glibc keep freed memory for the next page, up to 64 MiB, where this process has glibc.

    A page is a dozen arrays of megabytes. By itself glibc gives them back page by page, and the system fills
    them with zeros again: some 700 faults a page of ICDAR 2015, a fifth of its time. It learns to keep them
    only from larger blocks than it has met. 32 MiB is the largest block that it can be told to keep.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, die with it, keep to one core, and keep memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_thread()
    keep_memory()
    if sys.platform == "linux":
        # At once: a worker that outlives its parent could write into the next build.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
