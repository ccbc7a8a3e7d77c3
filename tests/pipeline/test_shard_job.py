"""A shard is the same however many of its pages are made together, and lists what it leaves out by key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_pages import made_config, made_pages

from formats.errors import SampleError
from formats.manifest import SHARD_FOLDER
from pipeline import shard_job
from pipeline.assemble import plan_set
from pipeline.config import BuildConfig
from pipeline.polygons import CleanPolygon
from pipeline.shard_job import HELD_BYTES, Shard, ShardJob, write_shard
from pipeline.sources.record import SourceRecord
from pipeline.stat_cache import StatCache


def written(root: Path, out: Path) -> Shard:
    """Write the one shard of a source."""
    (out / SHARD_FOLDER).mkdir(parents=True)
    config = BuildConfig.model_validate(made_config(root, layout={"samples_per_shard": 64}))
    plan = plan_set(config, StatCache(out))
    (shard,) = plan.shards
    return write_shard(ShardJob(out, shard, plan.settings, config.source.max_pixels))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return 20 pages: the first and the last have a damaged image, the third polygons that are refused."""
    root = made_pages(tmp_path / "source", 20)
    keys = sorted(f"train/{path.name}" for path in (root / "train").glob("*.jpg"))
    for key in (keys[0], keys[-1]):
        (root / key).write_bytes((root / key).read_bytes()[:-200])
    clean = shard_job.clean_texts

    def refusing(record: SourceRecord) -> list[CleanPolygon]:
        if record.key == keys[2]:
            raise SampleError("polygon", expected="one that no reader lets pass")
        return clean(record)

    monkeypatch.setattr(shard_job, "clean_texts", refusing)
    return root


@pytest.mark.parametrize("together", [1, 3, 64])
def test_pages_made_together(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    usual = written(root, tmp_path / "usual")
    monkeypatch.setattr(shard_job, "TOGETHER", together)
    shard = written(root, tmp_path / "other")
    assert shard == usual
    for file in shard.manifest.files:
        assert (tmp_path / "other" / file.path).read_bytes() == (tmp_path / "usual" / file.path).read_bytes()


def test_what_is_left_out_is_listed_by_key(root: Path, tmp_path: Path) -> None:
    manifest = written(root, tmp_path / "set").manifest
    left_out = {row.key: row.reason for row in manifest.quarantined}
    keys = sorted([*left_out, *manifest.samples.keys])
    assert len(keys) == 20
    assert [*left_out] == [keys[0], keys[2], keys[-1]]
    assert "damaged JPEG" in left_out[keys[0]] and "no reader lets pass" in left_out[keys[2]]
    stored = json.loads((tmp_path / "set" / SHARD_FOLDER / f"{manifest.name}.json").read_bytes())
    assert [row["key"] for row in stored["quarantined"]] == [*left_out]


@pytest.mark.parametrize(
    ("canvas", "pages"), [((640, 640), [16, 16, 8]), ((2048, 4096), [2] * 20), ((4096, 8192), [1] * 40)]
)
def test_few_large_pages_are_held(canvas: tuple[int, int], pages: list[int]) -> None:
    assert [len(some) for some in shard_job._some_at_a_time(range(40), canvas)] == pages
    assert all(3 * canvas[0] * canvas[1] * some <= HELD_BYTES for some in pages if some > 1)
