"""Manifests at odds with each other, though each is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from encoded_sets import MadeSet, load_shards, rewrite, rewrite_shard

from formats.checks.files import check_manifests
from formats.checks.sets import verify_set
from formats.errors import DamageError
from formats.fingerprint import digest
from formats.manifest import Quarantined
from formats.manifest_files import read_set_manifest
from formats.shards import ShardSet


def test_source_part_of_other_samples(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    rewrite(folder, parts={"source": digest("other")})
    (problem,) = verify_set(folder).problems
    assert (problem.kind, problem.path) == ("inconsistent", "manifest.json")
    assert "part source" in problem.expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inputs": digest("other")}, {"inputs", "inputs of its samples"}),
        ({"bytes": 5}, {"bytes"}),
        ({"quarantined": 1}, {"quarantined"}),
    ],
)
def test_entry_at_odds_with_its_shard(
    fresh: Callable[..., MadeSet], fields: dict[str, Any], said: set[str]
) -> None:
    folder = fresh("tar").folder
    first, second = read_set_manifest(folder).shards
    rewrite(folder, shards=[first.model_copy(update=fields), second])
    problems = verify_set(folder).problems
    assert verify_set(folder, deep=True).problems == problems
    assert {problem.path for problem in problems} == {first.manifest.path}
    assert {problem.expected.rpartition(" ")[0] for problem in problems} == said


def test_a_shard_of_another_split_than_its_entry(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    first, _ = load_shards(folder)
    rewrite_shard(folder, first.model_copy(update={"split": "val"}))
    problems = verify_set(folder).problems
    assert f"split {first.split}" in [problem.expected for problem in problems]
    assert verify_set(folder, deep=True).problems == problems
    with pytest.raises(DamageError) as caught:
        ShardSet(folder)
    assert caught.value.expected == f"split {first.split}, as the set's manifest says of shard {first.name}"
    assert caught.value.found == "split val"


def test_a_key_in_two_shards_and_a_sample_of_other_inputs(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    first, second = load_shards(folder)
    key = second.samples.keys[0]
    keys = sorted([key, *first.samples.keys[1:]])
    samples = first.samples.model_copy(update={"keys": keys})
    rewrite_shard(folder, first.model_copy(update={"samples": samples}))
    problems = verify_set(folder).problems
    assert key in [problem.key for problem in problems]
    assert any("inputs of its samples" in problem.expected for problem in problems)


def test_a_quarantined_sample_that_the_set_does_not_list(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    first, second = load_shards(folder)
    lost = Quarantined(key="bad.jpg", split=first.split, reason="no image", where="gt.txt")
    rewrite_shard(folder, first.model_copy(update={"quarantined": [lost]}))
    entries = [entry.model_copy(update={"quarantined": 1}) for entry in read_set_manifest(folder).shards[:1]]
    rewrite(folder, shards=[*entries, *read_set_manifest(folder).shards[1:]])
    assert [problem.key for problem in verify_set(folder).problems] == ["bad.jpg"]
    rewrite(folder, quarantined=[lost])
    assert verify_set(folder).problems == ()
    assert second.quarantined == []


def test_quarantined_samples_are_not_compared_each_with_each(
    fresh: Callable[..., MadeSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fresh("tar").folder
    shard = load_shards(folder)[0]
    rows = [Quarantined(key=f"{n:02}.jpg", split=shard.split, reason="-", where="-") for n in range(50)]
    rewrite_shard(folder, shard.model_copy(update={"quarantined": rows}))
    manifest, loaded = rewrite(folder, quarantined=rows), {s.name: s for s in load_shards(folder)}
    compared, equal = [], Quarantined.__eq__
    monkeypatch.setattr(Quarantined, "__eq__", lambda *pair: compared.append(1) or equal(*pair))
    assert not [problem for problem in check_manifests(folder, manifest, loaded) if problem.key]
    assert len(compared) <= 2 * len(rows)


def test_members_that_the_encoding_does_not_have(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("zarr").folder
    shard = load_shards(folder)[0]
    members = {name: member for name, member in shard.samples.members.items() if name != "overlap"}
    samples = shard.samples.model_copy(update={"members": members})
    rewrite_shard(folder, shard.model_copy(update={"samples": samples}))
    assert any("members" in problem.expected for problem in verify_set(folder).problems)
