"""Shards are hashed as a whole when they are first read: what that finds, and that nothing waits for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_run import CANVAS as RUN_CANVAS
from made_run import WORDS
from made_set import made_sample, make_set

from formats.errors import DamageError, SetError
from formats.shard_index import ShardIndex
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from train.augment import AugmentSettings
from train.evaluation import evaluate_checkpoint
from train.feeds.batches import BatchFeed
from train.shard_hashes import ShardHashes
from train.stream import Stream, StreamSettings

CANVAS = (128, 96)
SAMPLES = [made_sample(number, CANVAS) for number in range(12)]


def never() -> bool:
    return False


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    encoding = EncodingSpec(container=getattr(request, "param", "tar"))
    return make_set(tmp_path / "set", SAMPLES, encoding=encoding, canvas=CANVAS, samples_per_shard=4)


def stream_of(folder: Path, **values: object) -> Stream:
    settings = StreamSettings.model_validate({"batch_size": 2, "crop": (64, 96), "prefetch": 1} | values)
    return Stream(ShardSet(folder), settings, seed=0, augment=AugmentSettings())


def hurt(shard: ShardIndex, folder: Path, at: int) -> Path:
    """Turn a bit of a shard's first file over."""
    path = folder / next(iter(shard.files.values())).path
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


def read_whole(stream: Stream) -> None:
    list(stream.epoch(0))
    stream.finish_hashing(never)


def unused(shard: ShardIndex) -> int:
    """Return a byte of a tar that is in no member: of the header of its last one."""
    return int(shard.columns["meta"].offset[-1]) - 500


@pytest.mark.parametrize("folder", ["tar", "zarr"], indirect=True)
def test_every_shard_that_is_read_is_hashed(folder: Path) -> None:
    stream = stream_of(folder)
    assert len(list(stream.epoch(0))) == 6
    stream.finish_hashing(never)
    assert stream.shards_verified == 3
    list(stream.epoch(1))
    stream.finish_hashing(never)
    assert stream.shards_verified == 3


def test_what_no_member_covers_ends_the_epoch_or_the_run(folder: Path) -> None:
    path = hurt(ShardSet(folder).shards[1], folder, unused(ShardSet(folder).shards[1]))
    stream = stream_of(folder)
    with pytest.raises(DamageError) as caught:
        read_whole(stream)
    assert caught.value.thing == str(path)
    assert "SHA-256" in caught.value.expected and "formats.verify" in caught.value.next_step
    with pytest.raises(DamageError):  # and it stays said
        stream.finish_hashing(never)
    members_alone = stream_of(folder, verify="members")
    assert len(list(members_alone.epoch(0))) == 6
    members_alone.finish_hashing(never)
    assert members_alone.shards_verified == 0


def test_damage_in_a_member_names_its_sample(folder: Path) -> None:
    shard_set = ShardSet(folder)
    shard = shard_set.shards[2]
    hurt(shard, folder, int(shard.columns["meta"].offset[3]) + 5)
    hashes = ShardHashes(shard_set, shard_set.shards)
    hashes.ask([shard.name])
    with pytest.raises(DamageError, match=f"meta of {shard.keys[3]}"):
        hashes.finish(never)


def test_a_shard_that_is_gone_is_not_garbage(folder: Path) -> None:
    shard_set = ShardSet(folder)
    hashes = ShardHashes(shard_set, shard_set.shards)
    hashes.ask(shard.name for shard in shard_set.shards)
    (folder / next(iter(shard_set.shards[0].files.values())).path).unlink()
    with pytest.raises(SetError, match="rebuilt meanwhile"):
        hashes.finish(never)


def test_only_what_was_asked_for_is_read_and_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train import shard_hashes

    read: list[str] = []
    real = shard_hashes._as_recorded
    monkeypatch.setattr(
        shard_hashes, "_as_recorded", lambda *words: read.append(words[1].path) or real(*words)
    )
    shard_set = ShardSet(folder)
    hashes = ShardHashes(shard_set, shard_set.shards[:2])  # another process answers for the third
    names = [shard.name for shard in shard_set.shards]
    with hashes.working():
        hashes.ask([names[0], names[2], names[0]])
    hashes.finish(never)
    assert read.count(f"shards/{names[0]}.tar") >= 1  # begun again where the block ended first
    assert {f"shards/{names[0]}.tar"} == set(read)
    read.clear()
    hashes.ask(names)
    hashes.finish(never)
    assert read == [f"shards/{names[1]}.tar"]
    assert hashes.verified == 2


def test_a_stop_leaves_the_rest_for_later(folder: Path) -> None:
    shard_set = ShardSet(folder)
    hashes = ShardHashes(shard_set, shard_set.shards)
    hashes.ask(shard.name for shard in shard_set.shards)
    hashes.finish(lambda: True)
    assert hashes.verified == 0
    with hashes.working():
        pass
    hashes.finish(never)
    assert hashes.verified == 3


def test_processes_share_the_shards_out(folder: Path) -> None:
    settings = StreamSettings(batch_size=2, crop=(64, 96))
    streams = [
        Stream(ShardSet(folder), settings, seed=0, augment=None, rank=rank, world=2) for rank in range(2)
    ]
    for stream in streams:
        list(stream.epoch(0))
        stream.finish_hashing(never)
    assert [stream.shards_verified for stream in streams] == [2, 1]


def test_a_feed_tells_at_the_end_of_its_epoch(folder: Path) -> None:
    shard = ShardSet(folder, ["train"]).shards[0]
    feed = BatchFeed(folder, stream=StreamSettings(batch_size=2, crop=(64, 96)))
    assert len(list(feed.epoch(0))) == len(feed)
    path = hurt(shard, folder, unused(shard))
    with pytest.raises(DamageError, match=path.name):
        list(BatchFeed(folder, stream=StreamSettings(batch_size=2, crop=(64, 96))).epoch(0))


def test_the_setting_reaches_evaluation(small_run: Path, small_set: Path, tmp_path: Path) -> None:
    copy = tmp_path / "set"
    shutil.copytree(small_set, copy)
    shard = ShardSet(copy, ["test"]).shards[0]
    path = hurt(shard, copy, unused(shard))
    with pytest.raises(DamageError, match=path.name):
        evaluate_checkpoint(small_run, copy, "test")
    report = evaluate_checkpoint(small_run, copy, "test", overrides=["data.stream.verify=members"])
    assert report.what["pages"] == 8


@pytest.mark.parametrize(("verify", "code"), [("shards", 1), ("members", 0)])
def test_the_command_ends_with_an_error_that_names_the_file(tmp_path: Path, verify: str, code: int) -> None:
    pages = [made_sample(number, RUN_CANVAS) for number in range(16)]
    small = make_set(tmp_path / "set", pages, encoding=EncodingSpec(), canvas=RUN_CANVAS)
    shard = ShardSet(small).shards[0]
    path = hurt(shard, small, unused(shard))
    words = [*WORDS, "data.val=null", "trainer.max_epochs=1", f"data.stream.verify={verify}"]
    command = [sys.executable, "-m", "train.run", "--shards", str(small), *words]
    done = subprocess.run([*command, f"logger.folder={tmp_path}"], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    if code:
        assert f"error: {path}\n  expected:  SHA-256" in done.stderr and "Traceback" not in done.stderr
    else:
        summary = json.loads((tmp_path / "run/summary.json").read_text())
        assert (summary["shards_opened"], summary["shards_verified"]) == (1, 0)


def test_processes_hash_together_what_any_of_them_reads(tmp_path: Path) -> None:
    # One page a shard, so that most shards a process answers for are read by the others alone.
    make_set(tmp_path, SAMPLES, encoding=EncodingSpec(), canvas=CANVAS, samples_per_shard=1)
    settings = StreamSettings.model_validate({"batch_size": 4, "crop": (64, 96), "prefetch": 1})
    streams = [
        Stream(ShardSet(tmp_path), settings, seed=0, augment=AugmentSettings(), rank=rank, world=2)
        for rank in range(2)
    ]
    for stream in streams:
        read_whole(stream)
    assert [stream.shards_verified for stream in streams] == [6, 6]
