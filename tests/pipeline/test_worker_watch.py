"""A cluster that loses its workers: told once, told again when one is back, and not waited for for ever."""

from __future__ import annotations

import pytest

from formats.errors import TextshardsError
from pipeline import worker_watch
from pipeline.worker_watch import WorkerWatch


def test_told_once_and_again_when_one_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, workers = [0.0], [1]
    monkeypatch.setattr(worker_watch.time, "monotonic", lambda: clock[0])
    watch = WorkerWatch(lambda: workers[0], 10.0)
    for clock[0], workers[0] in [(0, 1), (5, 0), (9, 0), (14, 0), (15, 2), (20, 1), (25, 0), (34, 0)]:
        watch.look()
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "the cluster has no worker left",
        "the cluster has a worker again",
        "the cluster has no worker left",
    ]
    clock[0] = 35.0
    with pytest.raises(TextshardsError, match="the Dask cluster") as caught:
        watch.look()
    assert "10 s" in caught.value.expected and "the same command" in caught.value.next_step
