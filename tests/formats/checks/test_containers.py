"""Containers that plain readers would misread."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from encoded_sets import MadeSet, load_shards

from formats.checks.containers import check_container
from formats.manifest import MemberIndex, ShardManifest
from formats.manifest_files import read_set_manifest


def problems_of(made: MadeSet, shard: ShardManifest) -> list[str]:
    settings = read_set_manifest(made.folder).settings
    return [problem.expected for problem in check_container(made.folder, shard, settings)]


def moved(shard: ShardManifest, name: str, **columns: Any) -> ShardManifest:
    member: MemberIndex = shard.samples.members[name]
    members = shard.samples.members | {name: member.model_copy(update=columns)}
    return shard.model_copy(update={"samples": shard.samples.model_copy(update={"members": members})})


@pytest.mark.parametrize(
    ("container", "name"), [("tar", "image"), ("tar", "maps"), ("zarr", "distance"), ("zarr", "meta")]
)
def test_offsets_at_odds(fresh: Callable[..., MadeSet], container: str, name: str) -> None:
    made = fresh(container)
    shard = load_shards(made.folder)[0]
    assert problems_of(made, shard) == []
    offsets = shard.samples.members[name].offset
    found = problems_of(made, moved(shard, name, offset=[offsets[0], offsets[1] + 1]))
    assert len(found) == 1
    assert "offset" in found[0]


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_other_keys(fresh: Callable[..., MadeSet], container: str) -> None:
    made = fresh(container)
    shard = load_shards(made.folder)[0]
    samples = shard.samples.model_copy(update={"keys": ["x", "y"]})
    assert problems_of(made, shard.model_copy(update={"samples": samples}))


@pytest.mark.parametrize(("container", "content"), [("tar", b"\1" * 2048), ("zarr", b"{}")])
def test_containers_that_do_not_open(fresh: Callable[..., MadeSet], container: str, content: bytes) -> None:
    made = fresh(container)
    shard = load_shards(made.folder)[0]
    name = "" if container == "tar" else "zarr.json"
    path = made.folder / "shards" / f"{shard.name}.{container}" / name
    path.write_bytes(content)
    (found,) = problems_of(made, shard)
    assert found == f"a {container} that opens"


def test_a_plane_as_wide_as_another(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("zarr")
    shard = load_shards(made.folder)[0]
    path = made.folder / "shards" / f"{shard.name}.zarr" / "distance" / "zarr.json"
    record = json.loads(path.read_text())
    record["shape"][2] //= 8  # as wide as a packed mask
    path.write_text(json.dumps(record))
    assert f"an array of {len(shard.samples.keys)} samples" in problems_of(made, shard)


def test_damaged_chunk_index(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("zarr")
    shard = load_shards(made.folder)[0]
    path = made.folder / shard.files[shard.samples.members["distance"].file].path
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    assert problems_of(made, shard) == ["a zarr that opens"]
