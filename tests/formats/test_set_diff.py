"""Comparing two sets: exactly what differs is named, and no shard is read that need not be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_sets import CANVAS, load_shards, made_samples, rewrite, rewrite_shard, write_set
from made_set import made_sample

from formats.manifest import Quarantined, SetManifest, ShardEntry, ShardManifest
from formats.manifest_files import read_set_manifest
from formats.sample import Sample
from formats.set_diff import SampleChanges, SetDiff, compare, compare_settings
from formats.spec import EncodingSpec, TargetsSpec

NOTHING = SampleChanges((), (), ())


class Sides:
    """Two sets on disk, and which shards' manifests were read."""

    def __init__(self, a: Path, b: Path) -> None:
        self.folders = {"a": a, "b": b}
        self.read: list[str] = []

    def load_shard(self, side: str, entry: ShardEntry) -> ShardManifest:
        self.read.append(f"{side}:{entry.split}")
        return next(shard for shard in load_shards(self.folders[side]) if shard.name == entry.name)

    def compare(self) -> SetDiff:
        a, b = (read_set_manifest(folder) for folder in self.folders.values())
        return compare(a, b, self.load_shard)


def sides(tmp_path: Path, samples: list[Sample] | None = None, **more: Any) -> Sides:
    a = write_set(tmp_path / "a", EncodingSpec())
    b = write_set(tmp_path / "b", more.pop("encoding", EncodingSpec()), samples=samples, **more)
    return Sides(a.folder, b.folder)


def keyed(samples: list[Sample], key: str) -> int:
    return next(number for number, sample in enumerate(samples) if sample.meta.key == key)


def test_the_same(tmp_path: Path) -> None:
    both = sides(tmp_path)
    diff = both.compare()
    assert diff.same
    assert (diff.parts, diff.fields, diff.samples, both.read) == ((), (), NOTHING, [])
    assert (diff.shards.kept, diff.shards.samples, diff.shards.other_bytes) == (2, 0, ())


def test_a_setting_invalidates_all_without_reading_a_shard(tmp_path: Path) -> None:
    both = sides(tmp_path, targets=TargetsSpec(shrink_ratio=0.5))
    diff = both.compare()
    assert not diff.same
    assert diff.parts == ("targets",)
    assert [(f.field, f.a, f.b, f.part) for f in diff.fields] == [
        ("targets.shrink_ratio", 0.4, 0.5, "targets")
    ]
    assert (diff.samples, both.read) == (NOTHING, [])
    assert (len(diff.shards.rebuild), len(diff.shards.remove), diff.shards.kept) == (2, 2, 0)
    assert diff.shards.samples == 6
    assert diff.shards.bytes == sum(entry.bytes for entry in read_set_manifest(both.folders["b"]).shards)


@pytest.mark.parametrize("what", ["added", "removed", "changed"])
def test_samples_of_one_shard(tmp_path: Path, what: str) -> None:
    samples = made_samples()
    place = keyed(samples, "a.png")
    if what == "added":
        new = made_sample(50, CANVAS)
        samples.append(replace(new, meta=replace(new.meta, key="new.jpg")))
    elif what == "removed":
        del samples[place]
    else:
        samples[place] = replace(samples[place], image_HWC=np.zeros_like(samples[place].image_HWC))
    both = sides(tmp_path, samples)
    diff = both.compare()
    assert diff.parts == ("source",)
    assert both.read == ["a:train", "b:train"]
    key = "new.jpg" if what == "added" else "a.png"
    assert diff.samples == replace(NOTHING, **{what: (key,)})
    assert (len(diff.shards.rebuild), len(diff.shards.remove), diff.shards.kept) == (1, 1, 1)


def test_a_sample_that_moves_to_another_split_has_changed(tmp_path: Path) -> None:
    samples = made_samples()
    place = keyed(samples, "a.png")
    samples[place] = replace(samples[place], meta=replace(samples[place].meta, split="test"))
    assert sides(tmp_path, samples).compare().samples == replace(NOTHING, changed=("a.png",))


def test_a_layout_moves_samples_and_changes_none(tmp_path: Path) -> None:
    diff = sides(tmp_path, samples_per_shard=1).compare()
    assert (diff.parts, diff.samples) == (("layout",), NOTHING)
    assert (len(diff.shards.rebuild), diff.shards.kept) == (6, 0)


def test_settings_without_effect_are_no_difference(tmp_path: Path) -> None:
    a = write_set(tmp_path / "a", EncodingSpec(image="raw"))
    b = write_set(tmp_path / "b", EncodingSpec(image="raw", jpeg_quality=50))
    diff = Sides(a.folder, b.folder).compare()
    assert diff.same
    assert [(change.field, change.part) for change in diff.fields] == [("encoding.jpeg_quality", None)]


def test_a_setting_that_comes_into_effect_counts(tmp_path: Path) -> None:
    a = write_set(tmp_path / "a", EncodingSpec(image="raw", jpeg_quality=50))
    b = write_set(tmp_path / "b", EncodingSpec())
    changes = compare_settings(*(read_set_manifest(made.folder).settings for made in (a, b)))
    assert {(change.field, change.part) for change in changes} == {
        ("encoding.image", "encoding"),
        ("encoding.jpeg_quality", "encoding"),
    }


def test_renderer_counts_among_the_targets(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a", EncodingSpec()).folder
    old = read_set_manifest(folder)
    settings = old.settings.model_copy(update={"renderer": 2})
    new: SetManifest = rewrite(folder, settings=settings, parts=settings.part_digests())
    diff = compare(old, new, None)
    assert [(change.field, change.part) for change in diff.fields] == [("renderer", "targets")]
    assert diff.parts == ("targets",)


def test_quarantine_is_a_difference_of_its_own(tmp_path: Path) -> None:
    both = sides(tmp_path)
    shard = load_shards(both.folders["b"])[0]
    rows = [Quarantined(key="bad.jpg", split=shard.split, reason="no image", where="gt.txt")]
    rewrite_shard(both.folders["b"], shard.model_copy(update={"quarantined": rows}))
    rewrite(both.folders["b"], quarantined=rows)
    diff = both.compare()
    assert (diff.same, diff.parts, diff.quarantined, diff.released) == (False, (), ("bad.jpg",), ())
    back = Sides(both.folders["b"], both.folders["a"]).compare()
    assert (back.quarantined, back.released) == ((), ("bad.jpg",))


def test_other_bytes_of_the_same_inputs_are_told(tmp_path: Path) -> None:
    both = sides(tmp_path)
    shard = load_shards(both.folders["b"])[0]
    samples = shard.samples.model_copy(update={"texts": {}})
    rewrite_shard(both.folders["b"], shard.model_copy(update={"samples": samples}))
    diff = both.compare()
    assert diff.same
    assert diff.shards.other_bytes == (shard.name,)


def test_without_shard_manifests_samples_are_unknown(tmp_path: Path) -> None:
    both = sides(tmp_path, made_samples()[1:])
    a, b = (read_set_manifest(folder) for folder in both.folders.values())
    diff = compare(a, b, None)
    assert (diff.parts, diff.samples) == (("source",), None)
    assert compare(a, a, None).samples == NOTHING
