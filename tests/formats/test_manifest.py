"""Manifests: canonical, complete, versioned, and never believed when a byte of them has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoded_sets import MadeSet, load_shards, rewrite_shard

from formats.errors import DamageError, SetError
from formats.fingerprint import canonical, digest, digest_pairs, sha256
from formats.manifest import CHECKSUM_HEAD, SET_MANIFEST, SampleTable, shard_inputs, source_part
from formats.manifest_files import load_set_manifest, load_shard_manifest, read_set_manifest
from formats.shards import ShardSet


def set_bytes(made: MadeSet) -> bytes:
    return (made.folder / SET_MANIFEST).read_bytes()


def shard_bytes(made: MadeSet) -> bytes:
    return (made.folder / read_set_manifest(made.folder).shards[0].manifest.path).read_bytes()


def sealed(values: dict[str, Any]) -> bytes:
    """Values as a manifest whose checksum holds."""
    rest = b'",' + canonical({key: values[key] for key in values if key != "checksum"})[1:]
    return CHECKSUM_HEAD + sha256(rest).encode() + rest


def test_writing_what_was_read_changes_no_byte(made: MadeSet) -> None:
    assert load_set_manifest(set_bytes(made), "x").dump() == set_bytes(made)
    assert load_shard_manifest(shard_bytes(made), "x").dump() == shard_bytes(made)


def test_manifests_are_canonical_and_sealed(made: MadeSet) -> None:
    for data in (set_bytes(made), shard_bytes(made)):
        assert canonical(json.loads(data)) == data
        assert sealed(json.loads(data)) == data


@pytest.mark.parametrize("found", [2, "1", None, [1], 1.5])
def test_other_versions_are_refused_by_name(fresh: Callable[..., MadeSet], found: object) -> None:
    made = fresh("tar")
    for data, load in ((set_bytes(made), load_set_manifest), (shard_bytes(made), load_shard_manifest)):
        values = json.loads(data)
        with pytest.raises(SetError, match=r"version 1\n.*found: .*version") as caught:
            load(canonical(values | {"version": found}), "set/manifest.json")
        assert not isinstance(caught.value, DamageError)
        assert "set/manifest.json" in str(caught.value)
        assert f"{found!r}" in str(caught.value)
        assert "needs a newer textshards" in str(caught.value)


def test_one_kind_is_not_the_other(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("tar")
    with pytest.raises(SetError, match="textshards-shard"):
        load_set_manifest(shard_bytes(made), "x")
    with pytest.raises(SetError, match="textshards-set"):
        load_shard_manifest(set_bytes(made), "x")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b"null", b'{"a":1e999999}'])
def test_what_is_no_manifest(data: bytes) -> None:
    for load in (load_set_manifest, load_shard_manifest):
        with pytest.raises(SetError) as caught:
            load(data, "x")
        assert caught.value.expected and caught.value.found and caught.value.next_step


@pytest.mark.parametrize(
    ("data", "found"), [(b"null", "null, no manifest"), (b'{"a":1}', '{"a": 1}, no manifest')]
)
def test_json_of_something_else_is_told_as_that(data: bytes, found: str) -> None:
    with pytest.raises(SetError) as caught:
        load_set_manifest(data, "x")
    assert caught.value.found == found
    assert "newer" not in caught.value.next_step


def test_a_cut_manifest_is_told_as_that(made: MadeSet) -> None:
    for cut, found in ((set_bytes(made)[:701], "that it is cut off after 701 bytes"), (b"", "an empty file")):
        with pytest.raises(DamageError) as caught:
            load_set_manifest(cut, "x")
        assert caught.value.found == found
        assert "run python -m pipeline.build" in caught.value.next_step


def test_a_file_outside_of_the_set_is_told_with_the_manifest_that_names_it(
    fresh: Callable[..., MadeSet],
) -> None:
    folder = fresh("tar").folder
    shard = load_shards(folder)[0]
    outside = shard.files[0].model_copy(update={"path": "../../etc/passwd"})
    rewrite_shard(folder, shard.model_copy(update={"files": [outside]}))
    with pytest.raises(SetError) as caught:
        ShardSet(folder)
    assert str(folder / "shards" / f"{shard.name}.json") in caught.value.thing
    assert caught.value.found and caught.value.next_step


def test_every_flipped_bit_of_a_set_manifest_is_found(fresh: Callable[..., MadeSet]) -> None:
    data = set_bytes(fresh("tar"))
    for position in range(0, len(data) * 8, 3):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(SetError):
            load_set_manifest(bytes(flipped), "x")
    for cut in (data[:-1], data + b"\n", data[:100]):
        with pytest.raises(DamageError):
            load_set_manifest(cut, "x")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda v: v["parts"].pop("source"), "parts are"),
        (lambda v: v["parts"].update(source=digest("other")), "not that of its parts"),
        (lambda v: v["settings"]["targets"].update(shrink_ratio=0.5), "part targets"),
        (lambda v: v["splits"].update(train=3), "the shards hold"),
        (lambda v: v["shards"].reverse(), "sorted and unique"),
        (lambda v: v["shards"][0].update(more=1), "a field shards.0.more that no manifest has"),
        (lambda v: v["shards"][0].update(samples=-1), "shards.0.samples -1, out of range"),
        (lambda v: v["shards"][0].update(inputs="md5:12"), "pattern"),
        (lambda v: v.pop("quarantined"), "no field quarantined"),
        (lambda v: v.update(shards=None), "valid list"),
    ],
)
def test_inconsistent_set_manifests(
    fresh: Callable[..., MadeSet], change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    values = json.loads(set_bytes(fresh("tar")))
    change(values)
    with pytest.raises(DamageError, match=problem):
        load_set_manifest(sealed(values), "x")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda v: v["samples"]["keys"].reverse(), "sorted and unique"),
        (lambda v: v["samples"]["keys"].pop(), "column sources has 2 rows, keys has 1"),
        (lambda v: v["samples"]["members"]["image"]["crc32c"].pop(), "members.image.crc32c"),
        (lambda v: v["samples"]["texts"]["care"].append(1), "texts.care"),
        (lambda v: v["samples"]["members"]["image"].update(file=9), "file 9 of 1"),
        (lambda v: v["samples"]["members"]["image"].update(bytes=[1, 10**9]), "beyond shards/"),
        (lambda v: v["samples"]["members"]["image"].update(offset=[0, 1.5]), "valid integer"),
        (lambda v: v["samples"]["members"]["image"].update(crc32c=[0, 2**32]), "4294967296, out of range"),
    ],
)
def test_inconsistent_shard_manifests(
    fresh: Callable[..., MadeSet], change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    values = json.loads(shard_bytes(fresh("tar")))
    change(values)
    with pytest.raises(DamageError, match=problem):
        load_shard_manifest(sealed(values), "x")


@pytest.mark.parametrize("text", [b"\\ud800", b"\xed\xa0\x80"])
def test_text_that_is_no_text(fresh: Callable[..., MadeSet], text: bytes) -> None:
    values = json.loads(shard_bytes(fresh("tar")))
    values["samples"]["keys"][1] = "z?"
    rest = sealed(values)[len(CHECKSUM_HEAD) + 64 :].replace(b"z?", b"z" + text)
    with pytest.raises(DamageError, match=r"surrogates not allowed|can't decode byte"):
        load_shard_manifest(CHECKSUM_HEAD + sha256(rest).encode() + rest, "x")


def test_no_set_and_an_unfinished_one(tmp_path: Path) -> None:
    with pytest.raises(SetError, match=r"No such file(.|\n)*pipeline.build --config FILE --out"):
        read_set_manifest(tmp_path)
    (tmp_path / "page.jpg").write_bytes(b"a source folder: no advice to build into it")
    with pytest.raises(SetError, match=r"a folder of other files\n.*name a set's folder"):
        read_set_manifest(tmp_path)
    (tmp_path / "shards").mkdir()
    with pytest.raises(SetError, match="an unfinished build"):
        read_set_manifest(tmp_path)


def test_shard_inputs_know_all_that_decides_a_shard() -> None:
    parts = {part: digest(part) for part in ("source", "geometry", "targets", "encoding", "layout")}
    rows = [("a", digest(1)), ("b", digest(2))]
    plain = shard_inputs(parts, "train", rows)
    changed = [
        shard_inputs(parts | {part: digest("new")}, "train", rows)
        for part in ("geometry", "targets", "encoding")
    ]
    changed += [shard_inputs(parts, "test", rows), shard_inputs(parts, "train", rows[:1])]
    changed += [shard_inputs(parts, "train", [("a", digest(1)), ("b", digest(3))])]
    assert len({plain, *changed}) == 7
    for part in ("source", "layout"):
        assert shard_inputs(parts | {part: digest("new")}, "train", rows) == plain


def test_source_part_knows_no_layout(fresh: Callable[..., MadeSet]) -> None:
    one, other = fresh("tar", "one"), fresh("zarr", "other", samples_per_shard=1)
    assert len(load_shards(other.folder)) > len(load_shards(one.folder))
    assert source_part(load_shards(one.folder)) == source_part(load_shards(other.folder))
    table = load_shards(one.folder)[0].samples
    assert source_part(load_shards(one.folder)[:1]) == digest_pairs(
        zip(table.keys, table.sources, strict=True)
    )


def test_empty_table_is_rectangular() -> None:
    assert SampleTable(keys=[], sources=[], texts={}, members={}).keys == []
