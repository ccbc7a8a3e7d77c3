"""Which shards of a folder a build takes as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from built_set import built_set

from formats.manifest_files import load_set_manifest
from formats.settings import load_settings
from pipeline.assemble import plan_set
from pipeline.config import BuildConfig
from pipeline.existing import standing_shards
from pipeline.stat_cache import StatCache


def test_a_shard_of_other_inputs_does_not_stand_though_it_has_the_name(tmp_path: Path) -> None:
    # A name holds a few digits of the fingerprint of the inputs: two may have them in common.
    made = built_set(tmp_path, count=4)
    cache = StatCache(made.folder)
    planned = plan_set(load_settings(BuildConfig, made.config, ()), cache).shards
    old = load_set_manifest((made.folder / "manifest.json").read_bytes(), "manifest.json")
    assert set(standing_shards(made.folder, planned, old, cache)) == {shard.name for shard in planned}
    first, *others = planned
    other = replace(first, inputs=first.inputs[:-1] + ("0" if first.inputs[-1] != "0" else "1"))
    assert other.name == first.name
    found = standing_shards(made.folder, [other, *others], old, cache)
    assert set(found) == {shard.name for shard in others}
