"""Samples go to shards by key; a shard's name says what it is made of."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import UsageError
from formats.manifest import SetSettings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec, VariantsSpec
from pipeline.plan import Plan, make_plan, source_digest
from pipeline.sources.record import Annotations, SourceRecord, SourceText


def record(key: str, split: str = "train", shift: float = 0.0, **text: object) -> SourceRecord:
    polygon_V2 = np.array([[0.0, 0], [10 + shift, 0], [10, 10], [0, 10]])
    words = {"dont_care": False, "text": "a"} | text
    return SourceRecord(key, split, Path(key), (SourceText(polygon_V2=polygon_V2, **words),), "list:1")


def plan(records: list[SourceRecord], capacity: int = 4, images: str = "0", **sections: object) -> Plan:
    parts = {
        "geometry": GeometrySpec(),
        "targets": TargetsSpec(),
        "encoding": EncodingSpec(),
        "layout": LayoutSpec(samples_per_shard=capacity),
        "renderer": 1,
    } | sections
    hashes = {row.key: images * 64 for row in records}
    return make_plan(Annotations(tuple(records), ()), hashes, SetSettings(**parts))


KEYS = st.lists(st.text("abc/.é", min_size=1, max_size=8), unique=True, min_size=1, max_size=60)


@given(KEYS, st.integers(1, 9))
@settings(max_examples=50)
def test_every_sample_stands_in_exactly_one_shard(keys: list[str], capacity: int) -> None:
    made = plan([record(key) for key in keys], capacity)
    placed = [sample.record.key for shard in made.shards for sample in shard.samples]
    assert sorted(placed) == sorted(keys)
    assert all(len(shard.samples) <= capacity for shard in made.shards)
    assert all(
        [sample.record.key for sample in shard.samples] == sorted(s.record.key for s in shard.samples)
        for shard in made.shards
    )


@given(KEYS, st.integers(2, 9))
@settings(max_examples=50)
def test_order_of_annotations_has_no_effect(keys: list[str], capacity: int) -> None:
    records = [record(key) for key in keys]
    assert plan(records, capacity) == plan(records[::-1], capacity)


def test_adding_a_sample_touches_one_shard_or_splits_it() -> None:
    keys = [f"page_{number}.jpg" for number in range(200)]
    before = {shard.name for shard in plan([record(key) for key in keys], 16).shards}
    after = {shard.name for shard in plan([record(key) for key in [*keys, "new.jpg"]], 16).shards}
    assert len(before - after) == 1
    assert 1 <= len(after - before) <= 2


def test_what_a_sample_is_made_of_changes_its_shard_and_the_source_part_alone() -> None:
    keys = [f"{number}" for number in range(40)]
    plain = plan([record(key) for key in keys])
    changes = ({"shift": 1e-9}, {"dont_care": True}, {"text": "b"}, {"text": None})
    for change in changes:
        changed = plan([record(key, **change) if key == "7" else record(key) for key in keys])
        assert plain.fingerprint.differing(changed.fingerprint) == ("source",)
        touched = {shard.name for shard in plain.shards} - {shard.name for shard in changed.shards}
        assert len(touched) == 1, change


def test_an_image_byte_changes_every_shard_it_is_in() -> None:
    keys = [f"{number}" for number in range(40)]
    plain, changed = plan([record(key) for key in keys]), plan([record(key) for key in keys], images="1")
    assert plain.fingerprint.differing(changed.fingerprint) == ("source",)
    assert not {shard.name for shard in plain.shards} & {shard.name for shard in changed.shards}


def test_a_page_called_as_a_variant_of_another_is_refused_where_there_are_variants() -> None:
    records = [record("x.jpg"), record("x.jpg#v1"), record("y.jpg#v1")]
    assert plan(records).samples == 3
    with pytest.raises(UsageError, match=r"'x\.jpg#v1'"):
        plan(records, variants=VariantsSpec(count=1))
    assert plan(records[::2], variants=VariantsSpec(count=1)).samples == 2


def test_splits_have_shards_of_their_own() -> None:
    made = plan([record("a", "train"), record("b", "test"), record("c", "train")])
    assert {shard.split: len(shard.samples) for shard in made.shards} == {"train": 2, "test": 1}
    assert all(shard.name.startswith(f"{shard.split}-all-") for shard in made.shards)


def test_settings_touch_their_part_and_every_shard() -> None:
    records = [record("a"), record("b")]
    changed = plan(records, targets=TargetsSpec(shrink_ratio=0.5))
    assert plan(records).fingerprint.differing(changed.fingerprint) == ("targets",)
    assert plan(records).shards[0].name != changed.shards[0].name
    assert plan(records).fingerprint.differing(plan(records, renderer=2).fingerprint) == ("targets",)
    assert plan(records, 4).fingerprint.differing(plan(records, 5).fingerprint) == ("layout",)
    assert plan(records, 4).shards == plan(records, 5).shards


def test_a_source_is_hashed_field_by_field() -> None:
    made = SourceRecord(
        "é", "train", Path("x"), record("a").texts + record("b", text=None).texts, "x:1", (3, 4)
    )
    parts = [struct.pack("<Q", len(word)) + word for word in ("é".encode(), b"train", b"0" * 64)]
    parts.append(struct.pack("<QQ", 3, 4))
    for text in made.texts:
        parts.append(struct.pack("<I?", 4, False) + struct.pack("<8d", *text.polygon_V2.ravel()))
        parts.append(b"\0" if text.text is None else b"\1" + struct.pack("<Q", 1) + b"a")
    assert source_digest(made, "0" * 64) == f"sha256-ts1:{hashlib.sha256(b''.join(parts)).hexdigest()}"
