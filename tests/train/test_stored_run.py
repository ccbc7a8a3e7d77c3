"""Whole runs from a real object store: what they learn is what a run from the disk learns."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fault_proxy import FaultProxy
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.errors import StorageError
from formats.manifest_files import read_set_manifest, read_shard_manifest
from formats.places import Place
from formats.remote_path import RemotePath
from formats.set_index import INDEX, pack_index
from formats.spec import EncodingSpec
from train import shard_cache
from train.evaluation import evaluate_checkpoint
from train.journal.records import read_records
from train.run import main
from train.run_folder import open_run
from train.summary import Outcome, write_summary

SETTINGS = (*WORDS, "trainer.max_epochs=2", "trainer.log_every_n_steps=1", "data.stream.shuffle=shards")


SHORT = ("model.freeze_batch_norm=true", "data.val=null", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pages = [made_sample(number, CANVAS) for number in range(19)]
    pages += [made_sample(1000 + number, CANVAS, split="test") for number in range(5)]
    place = tmp_path_factory.mktemp("set")
    return make_set(place, pages, encoding=EncodingSpec(), canvas=CANVAS, samples_per_shard=4)


@pytest.fixture
def stored(folder: Path, storage: str) -> RemotePath:
    place = RemotePath(storage)
    for path in sorted(folder.rglob("*"), key=lambda path: path.name == "manifest.json"):
        if path.is_file():
            (place / path.relative_to(folder).as_posix()).upload(path)
    shards = [read_shard_manifest(folder, entry) for entry in read_set_manifest(folder).shards]
    (place / INDEX).write_bytes(pack_index(shards))
    return place


def train(shards: Place, runs: Path, *words: str) -> dict[str, Any]:
    """Train; return the summary."""
    experiment = open_run(shards, None, [*SETTINGS, f"logger.folder={runs}", *words])
    ended = experiment.run(lambda: False)
    return dict(write_summary(experiment, ended).summary)


def losses(run: Path) -> list[Any]:
    return [record["loss"] for record in read_records(run / "metrics.jsonl") if record["phase"] == "train"]


def test_a_run_from_storage_learns_what_one_from_the_disk_does(
    folder: Path, stored: RemotePath, tmp_path: Path
) -> None:
    local = train(folder, tmp_path, "exp_name=local")
    remote = train(stored, tmp_path, "exp_name=remote")
    assert losses(tmp_path / "remote") == losses(tmp_path / "local") != []
    assert (local["storage"], local["best"]) == (None, remote["best"])
    assert remote["storage"]["late_reads"] == 0
    told = Outcome(tmp_path, True, remote).text()
    assert "files fetched whole against their SHA-256 on arrival" in told
    assert "into the local cache, which then served" in told
    none = Outcome(tmp_path, True, remote | {"storage": remote["storage"] | {"file_mb": 0.0}}).text()
    assert "no file was fetched whole" in none
    assert remote["fallbacks"] == "none possible" and remote["storage"]["files_not_kept"] == 0
    assert remote["storage"]["file_mb"] + remote["storage"]["range_mb"] > 0
    records = [r for r in read_records(tmp_path / "remote" / "metrics.jsonl") if r["phase"] == "storage"]
    assert len(records) == 2
    assert "hit_rate" in records[0]
    report = evaluate_checkpoint(tmp_path / "remote", stored, "test")
    assert report.json() == evaluate_checkpoint(tmp_path / "remote", folder, "test").json().replace(
        str(folder), str(stored)
    )


def test_a_run_whose_cache_has_no_room_does_not_say_that_no_fallback_was_possible(
    stored: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shard_cache, "_Copy", full)
    summary = train(stored, tmp_path, "exp_name=full", "trainer.max_epochs=1", "data.val=null")
    assert summary["storage"]["files_not_kept"] > 0
    assert "read by ranges" in summary["fallbacks"] and "no space left" in summary["fallbacks"]
    assert f"fallbacks: {summary['fallbacks']}" in Outcome(tmp_path, True, summary).text()


def test_two_processes_share_one_cache_and_take_the_steps_of_one(
    folder: Path, stored: RemotePath, storage_server: Any, proxied: FaultProxy, tmp_path: Path
) -> None:
    train(folder, tmp_path, "exp_name=one", *SHORT)
    proxied.clear()
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [
        "-m",
        "train.run",
        "--shards",
        str(stored),
        *SETTINGS,
        f"logger.folder={tmp_path}",
        "exp_name=two",
    ]
    done = subprocess.run(
        [*start, *words, *SHORT],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["processes"] == 2
    cached = [path for path in (tmp_path / "xdg-cache").rglob("*") if path.is_file() and len(path.name) == 64]
    whole = [
        p.path
        for p in proxied.passed
        if p.path.endswith(".tar") and p.bytes in {c.stat().st_size for c in cached}
    ]
    assert len(whole) == len(set(whole))


def test_a_run_that_storage_stops_says_so_without_a_traceback(
    stored: RemotePath, proxied: FaultProxy, tmp_path: Path
) -> None:
    proxied.rule = lambda method, path, number: "503" if path.endswith(".tar") else None
    words = ["--shards", str(stored), *SETTINGS, f"logger.folder={tmp_path}", "data.val=null"]
    with pytest.raises(StorageError, match="slow down"):
        CliRunner().invoke(main, words, catch_exceptions=False, standalone_mode=False)
