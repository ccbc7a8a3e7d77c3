"""What the trainer leaves in a run's folder, read by formats/runs/record.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from formats.runs import record as run_record
from formats.runs.record import read_run


def test_a_real_run_is_read_as_it_wrote_itself_down(small_run: Path) -> None:
    run = read_run(small_run)
    best = json.loads((small_run / "best.json").read_text())
    summary = json.loads((small_run / "summary.json").read_text())
    assert (run.name, run.seed, run.state) == ("small", 42, "finished")
    assert (run.epochs, run.steps, run.wall_s) == (15, 60, summary["wall_s"])
    assert run.best is not None and run.last is not None
    assert (run.best.step, run.best.metrics) == (best["step"], best["metrics"])
    assert run.last.step == 60
    assert run.settings["model.width"] == 8
    assert run.settings["data.stream.crop"] == [96, 96]
    assert run.facts["set"] == best["set"]["fingerprint"]
    assert run.facts["versions.torch"] == summary["versions"]["torch"]
    assert run.parts == best["set"]["parts"]
    assert run.origin == {name: summary[name] for name in run_record.ORIGIN if summary[name] is not None}
    assert {"command", "host", "device"} <= run.origin.keys()
    assert run.figures["best/cleval/macro_hmean"] == best["metrics"]["cleval/macro_hmean"]
    assert run.figures["peak_rss_mb"] == summary["peak_rss_mb"]
    assert run.figures["samples_per_s"] > 0
    assert 0 <= run.figures["data_wait_share"] <= 1


def test_a_killed_run_is_unfinished_and_its_records_tell_how_far_it_came(
    small_run: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(small_run, killed)
    (killed / "summary.json").unlink()
    lines = (killed / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (killed / "metrics.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:20])
    run = read_run(killed)
    assert run.state == "unfinished"
    assert len(run.records) == 4
    assert run.steps == run.records[-1]["global_step"]
    assert run.wall_s == run.records[-1]["wall_s"]
