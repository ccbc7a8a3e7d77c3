"""What the profiler measures, held against a clock that the test moves by hand."""

from __future__ import annotations

import json
import timeit
from pathlib import Path

import numpy as np
import pytest
import torch
from made_run import WORDS

from train.journal.profile import OFF, PHASES, PhaseProfiler, Spans, memory_mb
from train.journal.records import read_records
from train.run_folder import open_run
from train.summary import write_summary

CPU = torch.device("cpu")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_span_is_not_charged_for_those_within_it() -> None:
    clock = Clock()
    profiler = PhaseProfiler(CPU, clock=clock)
    with profiler.span("data_wait"):
        clock.now += 1.0
        with profiler.span("host_to_device"):
            clock.now += 0.25
        clock.now += 2.0
    with profiler.span("forward"):
        clock.now += 4.75
    profiler.step(8)
    figures = profiler.take()
    assert figures["data_wait/mean_ms"] == pytest.approx(3000.0)
    assert figures["host_to_device/mean_ms"] == pytest.approx(250.0)
    assert figures["data_wait_share"] == pytest.approx(3.0 / 8.0)
    assert figures["images_per_s"] == pytest.approx(1.0)


def test_a_span_that_fails_is_closed() -> None:
    clock = Clock()
    profiler = PhaseProfiler(CPU, clock=clock)
    with pytest.raises(KeyError), profiler.span("forward"):
        {}["nothing"]
    with profiler.span("backward"):
        clock.now += 2.0
    assert profiler.take()["backward/mean_ms"] == pytest.approx(2000.0)


def test_percentiles_are_those_of_numpy() -> None:
    seconds = np.random.default_rng(1).gamma(2.0, 0.01, 500)
    spans = Spans(None)
    for value in seconds.tolist():
        spans.add("forward", value)
    figures = spans.figures()
    assert figures["forward/mean_ms"] == pytest.approx(1e3 * seconds.mean())
    for name, share in (("median", 50), ("p95", 95), ("p99", 99)):
        assert figures[f"forward/{name}_ms"] == pytest.approx(1e3 * np.percentile(seconds, share))


def test_evaluation_slows_no_training() -> None:
    spans = Spans(None)
    spans.add("forward", 1.0)
    spans.add("evaluation", 99.0)
    spans.samples = 10
    assert spans.figures()["images_per_s"] == pytest.approx(10.0)


def test_each_record_is_of_its_own_time_and_the_summary_of_all() -> None:
    clock = Clock()
    profiler = PhaseProfiler(CPU, clock=clock)
    for seconds in (1.0, 3.0):
        with profiler.span("forward"):
            clock.now += seconds
        assert profiler.take()["forward/mean_ms"] == pytest.approx(1e3 * seconds)
    assert profiler.take() == {}
    assert profiler.whole()["forward/mean_ms"] == pytest.approx(2000.0)


def test_memory_never_outgrows_its_peak() -> None:
    ballast = np.ones(40 << 20, np.uint8)
    found = memory_mb(CPU)
    assert found["rss_mb"] >= ballast.nbytes / 2**20
    # The kernel counts pages of each processor in batches, so the two may differ a little.
    assert found["rss_mb"] <= found["peak_rss_mb"] + 4.0


def test_off_costs_less_than_a_microsecond_a_span() -> None:
    def span() -> None:
        with OFF.span("forward"):
            pass

    assert OFF.span("forward") is OFF.span("backward")
    assert OFF.take() == OFF.whole() == {}
    assert min(timeit.repeat(span, number=10_000, repeat=5)) / 10_000 < 5e-6


@pytest.fixture(scope="module")
def profiled(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 epochs of 4 steps."""
    folder = tmp_path_factory.mktemp("profiled")
    words = [*WORDS, f"logger.folder={folder}", "exp_name=p", "trainer.max_epochs=2", "trainer.profile=true"]
    experiment = open_run(small_set, None, words)
    write_summary(experiment, experiment.run(lambda: False))
    return folder / "p"


def test_a_run_logs_every_phase_through_the_router(profiled: Path) -> None:
    records = list(read_records(profiled / "metrics.jsonl"))
    steps = [record["global_step"] for record in records]
    assert steps == sorted(steps)
    mine = [record for record in records if record["phase"] == "profile"]
    assert [record["global_step"] for record in mine] == [4, 8]
    for record in mine:
        for phase in PHASES:
            times = [record[f"{phase}/{name}_ms"] for name in ("median", "p95", "p99")]
            assert 0.0 <= times[0] <= times[1] <= times[2]
        assert record["backward/mean_ms"] > 0.0
        assert record["images_per_s"] > 0.0
        assert 0.0 < record["rss_mb"] <= record["peak_rss_mb"] + 4.0


def test_the_summary_tells_the_same(profiled: Path) -> None:
    summary = json.loads((profiled / "summary.json").read_text())
    assert {f"{phase}/p99_ms" for phase in PHASES} <= summary["profile"].keys()
    assert 0.0 <= summary["data_wait_share"] < 1.0


def test_the_trace_is_one_a_viewer_reads_with_the_phases_in_it(profiled: Path) -> None:
    events = json.loads((profiled / "trace.json").read_text())["traceEvents"]
    names = [event.get("name") for event in events]
    for phase in ("data_wait", "host_to_device", "forward", "backward", "optimizer"):
        assert names.count(phase) == 3
    assert any("conv" in str(name) for name in names)
    assert not list(profiled.glob("*.part*"))


def test_a_run_of_one_step_has_a_trace_too(small_set: Path, tmp_path: Path) -> None:
    words = [
        *WORDS,
        f"logger.folder={tmp_path}",
        "exp_name=p",
        "trainer.max_epochs=1",
        "trainer.profile=true",
    ]
    open_run(small_set, None, [*words, "trainer.limit_train_batches=1"]).run(lambda: False)
    names = [
        event.get("name") for event in json.loads((tmp_path / "p/trace.json").read_text())["traceEvents"]
    ]
    assert names.count("backward") == 1


def test_a_run_without_it_has_none(small_run: Path) -> None:
    assert not (small_run / "trace.json").exists()
    assert all(record["phase"] != "profile" for record in read_records(small_run / "metrics.jsonl"))
    summary = json.loads((small_run / "summary.json").read_text())
    assert "profile" not in summary
    assert 0.0 <= summary["data_wait_share"] < 1.0
