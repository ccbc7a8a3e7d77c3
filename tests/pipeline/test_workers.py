"""Jobs in this process and in others; a worker that dies is one clear error."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from formats.errors import TextshardsError
from pipeline.workers import run_jobs


@pytest.mark.parametrize("workers", [1, 2])
def test_all_results_come(workers: int) -> None:
    assert sorted(run_jobs(abs, [-1, -2, -3], workers)) == [1, 2, 3]


def test_a_killed_worker_is_one_clear_error() -> None:
    with pytest.raises(TextshardsError, match="a worker process died") as caught:
        list(run_jobs(os._exit, [9, 9], 2))
    assert "run the same command again" in caught.value.next_step


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from pipeline.workers import run_jobs

            if __name__ == "__main__":
                list(run_jobs(time.sleep, [60, 60], 2))
            """
        )
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    children: list[int] = []
    deadline = time.monotonic() + 30
    while len(children) < 3 and time.monotonic() < deadline:  # two workers and the resource tracker
        time.sleep(0.1)
        children = children_of(parent.pid)
    time.sleep(1.5)  # until the workers watch their parent
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in children if alive(child)]


FAULTS_PROGRAM = """
import resource, sys
import numpy as np
from pipeline.workers import run_jobs

def pages(count):
    for _ in range(count):
        arrays = [np.ones(megabytes << 20, np.uint8) for megabytes in (3, 4, 9, 4, 1)]
        del arrays

def faults(count):
    pages(3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pages(count)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if __name__ == "__main__":
    print(list(run_jobs(faults, [20] * int(sys.argv[1]), int(sys.argv[1]))))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is told to glibc")
@pytest.mark.parametrize("workers", [1, 2])
def test_memory_of_a_page_is_kept_for_the_next(workers: int, tmp_path: Path) -> None:
    program = tmp_path / "faults.py"
    program.write_text(FAULTS_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), str(workers)], capture_output=True, text=True, check=True
    )
    assert max(json.loads(done.stdout)) < 500  # given back each time they are over 5,000 a page


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
