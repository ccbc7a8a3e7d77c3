"""What a build writes down of itself: enough to check the set later, from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from built_set import built_set

from formats.errors import UsageError
from formats.settings import load_settings
from pipeline.config import BuildConfig
from pipeline.provenance import Work, provenance, recorded_config, records


def written(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "provenance.json").read_bytes()))


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    made = built_set(tmp_path, "targets.shrink_ratio=0.5")
    config = load_settings(BuildConfig, made.config, ["targets.shrink_ratio=0.5"])
    assert recorded_config(made.folder) == config
    assert records(config, made.folder)
    assert records(
        load_settings(BuildConfig, made.config, ["targets.shrink_ratio=0.5", "runtime.workers=2"]),
        made.folder,
    )
    assert not records(load_settings(BuildConfig, made.config), made.folder)


def test_no_record_and_a_record_of_something_else(tmp_path: Path) -> None:
    config = load_settings(BuildConfig, built_set(tmp_path).config)
    assert recorded_config(tmp_path) is None
    assert not records(config, tmp_path)
    (tmp_path / "provenance.json").write_text(json.dumps({"config": {"source": {"format": "of later days"}}}))
    with pytest.raises(UsageError, match="the configuration recorded in"):
        recorded_config(tmp_path)


def test_the_pace_is_of_the_last_build_that_rendered(tmp_path: Path) -> None:
    made = built_set(tmp_path)
    config, pace = load_settings(BuildConfig, made.config), written(made.folder)["build"]
    assert pace["samples"] == 5
    idle = json.loads(provenance(config, ["x"], Work(0, 9.0), made.folder))
    assert (idle["build"], idle["command"]) == (pace, ["x"])
    busy = json.loads(provenance(config, ["x"], Work(8, 4.0), made.folder))
    assert busy["build"]["samples_per_second"] == 2.0
    assert json.loads(provenance(config, ["x"], Work(0, 9.0), tmp_path))["build"]["samples_per_second"] == 0.0


def test_workers_are_told_where_they_are_known(tmp_path: Path) -> None:
    made = built_set(tmp_path)
    for words, known in ((["engine=dask", "workers=3"], 3), (["engine=dask", "scheduler=tcp://a:1"], None)):
        config = load_settings(BuildConfig, made.config, [f"runtime.{word}" for word in words])
        record = json.loads(provenance(config, ["x"], Work(8, 4.0), made.folder))
        assert record["build"].get("workers") == known
