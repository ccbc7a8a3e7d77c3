"""What the trainer refuses, as a person meets it: the command, its error and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.errors import StaleError
from formats.spec import EncodingSpec, TargetsSpec
from train.journal.records import read_records
from train.run_folder import open_run
from train.summary import write_summary


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train.run", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_set_of_another_configuration_ends_the_run_before_anything_else(
    small_set: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build.yaml"
    build.write_text("geometry: {canvas: [128, 96]}\ntargets: {shrink_ratio: 0.5}\n")
    runs = tmp_path / "runs"
    words = ["--shards", str(small_set), *WORDS, f"logger.folder={runs}", f"expect={build}"]
    refused = run(*words)
    assert (refused.returncode, refused.stdout) == (1, "")
    lines = refused.stderr.splitlines()
    assert lines[0].startswith("error: the set (sha256-ts1:")
    assert lines[1:3] == [
        "  expected:  targets.shrink_ratio = 0.5",
        "  found:     targets.shrink_ratio = 0.4",
    ]
    assert f"python -m pipeline.build --config {build} --out {small_set}" in lines[3]
    assert len(lines) == 4
    assert not runs.exists()
    build.write_text(build.read_text().replace("0.5", "0.4"))
    passed = run(*words, "trainer.max_epochs=1", "trainer.limit_train_batches=2", "data.val=null")
    assert passed.returncode == 0, passed.stderr
    assert "read   32 members of 1 shard, each checked" in passed.stdout
    assert "; 1 shard in all against its SHA-256; fallbacks: none possible" in passed.stdout
    summary = json.loads((runs / "run/summary.json").read_text())
    found = [
        summary[name] for name in ("samples_streamed", "members_verified", "shards_verified", "fallbacks")
    ]
    assert found == [16, 32, 1, "none possible"]


def test_a_run_goes_on_with_a_changed_set_only_where_told(tmp_path: Path) -> None:
    pages = [made_sample(number, CANVAS) for number in range(24)]
    small = make_set(tmp_path / "small", pages, encoding=EncodingSpec(), canvas=CANVAS)
    made_anew = {"encoding": EncodingSpec(), "canvas": CANVAS, "targets": TargetsSpec(min_size=4)}
    grown = make_set(tmp_path / "grown", [*pages, made_sample(99, CANVAS)], **made_anew)  # type: ignore[arg-type]
    words = [*WORDS, "trainer.max_epochs=2", "data.val=null", "trainer.log_every_n_steps=1"]
    experiment = open_run(small, None, [*words, f"logger.folder={tmp_path}"])
    asked = iter([False, True])
    write_summary(experiment, experiment.run(lambda: next(asked)))
    folder = tmp_path / "run"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    resumed = open_run(grown, None, [], resume=folder)
    with pytest.raises(StaleError) as caught:
        resumed.run(lambda: False, resume=True)
    assert "targets.min_size = 8.0" in caught.value.expected and "source = " in caught.value.expected
    assert "targets.min_size = 4.0" in caught.value.found
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    refused = run("--shards", str(grown), "--resume", str(folder))
    assert refused.returncode == 1
    assert "not the one this run began with" in refused.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    told = run("--shards", str(grown), "--resume", str(folder), "--changed-set")
    assert told.returncode == 0, told.stderr
    summary = json.loads((folder / "summary.json").read_text())
    fingerprints = [experiment.manifest.fingerprint, resumed.manifest.fingerprint]
    again = {"epoch": 0, "batches": 2}
    (step,) = summary["resumed"]
    assert step == {"from_step": 2, "changed_set": fingerprints, "begins_again": again, "scores_from": 2}
    assert "epoch 1 begins again, 2 batches in: changed the set" in told.stderr
    assert summary["set"]["fingerprint"] == fingerprints[1]
    # Two steps, then two whole epochs of three: the one that was under way begins again.
    places = [
        (record["global_step"], record["epoch"], record["batch"])
        for record in read_records(folder / "metrics.jsonl")
    ]
    assert places[:2] == [(1, 0, 1), (2, 0, 2)]
    assert places[2:] == [(3, 0, 1), (4, 0, 2), (5, 0, 3), (6, 1, 1), (7, 1, 2), (8, 1, 3)]


def test_changed_set_without_a_run_to_go_on_with(small_set: Path) -> None:
    refused = run("--shards", str(small_set), "--changed-set")
    assert refused.returncode == 2
    assert "--changed-set goes with --resume" in refused.stderr
