"""Streaming from a real object store: the batches of the local set, in two round trips, come what may."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_proxy import FaultProxy
from stored_set import StoredSet, stored_set

from formats.errors import DamageError, StorageError
from formats.fingerprint import sha256
from formats.places import Place
from formats.remote_path import RemotePath
from formats.set_index import INDEX
from formats.shards import ShardSet
from train import shard_cache
from train.augment import AugmentSettings
from train.reading_ahead import spans_of
from train.remote_reader import RemoteReader
from train.shard_cache import ShardCache
from train.storage_settings import StorageSettings
from train.stream import Stream, StreamSettings

SETTINGS = StreamSettings(batch_size=4, threads=4, prefetch=1, crop=(64, 64))


def remote(made: StoredSet, cache: ShardCache | None, **settings: object) -> tuple[Stream, RemoteReader]:
    reader = RemoteReader(StorageSettings.model_validate(settings), cache)
    opened = reader.open(made.place)
    return Stream(opened, SETTINGS, seed=1, augment=AugmentSettings()), reader


def batches(stream: Stream, epoch: int) -> list[dict[str, torch.Tensor]]:
    return [
        {"images": batch.images_NHWC.clone(), **{n: p.clone() for n, p in batch.planes.items()}}
        for batch in stream.epoch(epoch)
    ]


def same(one: list[dict[str, torch.Tensor]], other: list[dict[str, torch.Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a
    )


def settled(reader: RemoteReader, cache: ShardCache, files: int) -> None:
    """Wait until so many whole files are here."""
    end = time.monotonic() + 20
    while time.monotonic() < end and len(whole_files(cache)) < files:
        time.sleep(0.02)


def whole_files(cache: ShardCache) -> set[str]:
    return {path.name for path in cache.folder.iterdir() if path.is_file() and not path.suffix}


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_batches_are_those_of_the_local_set(storage: str, tmp_path: Path, container: str) -> None:
    made = stored_set(tmp_path, storage, container=container)
    local = Stream(ShardSet(made.folder), SETTINGS, seed=1, augment=AugmentSettings())
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    for kept in (None, cache):
        stream, reader = remote(made, kept)
        for epoch in range(3):
            assert same(batches(stream, epoch), batches(local, epoch))
        assert reader.traffic.late == 0
    assert reader.traffic.hit_rate > 0


def test_a_warm_cache_asks_storage_for_nothing_but_the_manifests(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    stream, reader = remote(made, cache)
    for batch in stream.epoch(0):
        assert len(batch) == 4
        settled(reader, cache, 4)
    proxied.clear()
    stream, reader = remote(made, cache)
    batches(stream, 0)
    assert reader.traffic.hit_rate == 1.0
    assert sorted(Path(passed.path).name for passed in proxied.passed) == [INDEX, "manifest.json"]


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_the_first_batch_takes_two_round_trips_and_no_listing(
    storage: str, proxied: FaultProxy, tmp_path: Path, container: str
) -> None:
    made = stored_set(tmp_path, storage, container=container)
    proxied.clear()
    proxied.hold()
    with ThreadPoolExecutor(1) as person:
        opening = person.submit(remote, made, None, ahead=4, requests=64)
        proxied.let(2)  # the manifest and the index
        stream, reader = opening.result(30)
        epoch = stream.epoch(0)
        batch = person.submit(lambda: next(epoch))
        proxied.let(asked_for(stream, 0, 4) + asked_for(stream, 4, 8))  # this batch, and the next meanwhile
        assert len(batch.result(30)) == 4
    proxied.release()
    assert reader.traffic.late == 0
    assert all("list-type" not in passed.path for passed in proxied.passed)
    stream.close()


def test_an_epoch_that_is_left_ends_though_threads_wait_for_ranges_in_the_queue(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage)
    stream, reader = remote(made, None, ahead=4, requests=1)
    assert asked_for(stream, 4, 8) > 1
    proxied.hold()
    with ThreadPoolExecutor(1) as person:
        epoch = stream.epoch(0)
        batch = person.submit(lambda: next(epoch))
        for _ in range(asked_for(stream, 0, 4)):
            proxied.let(1)
        assert len(batch.result(30)) == 4
        leaving = person.submit(stream.close)
        with pytest.raises(TimeoutError):  # its threads are at the next batch, whose first range is held
            leaving.result(0.3)
        proxied.release()
        leaving.result(30)
    assert reader.traffic.late == 0


def asked_for(stream: Stream, begin: int, end: int) -> int:
    """Return the number of requests for the images and maps of samples of the first epoch's order."""
    opened, members = stream._set, stream._read_members
    wanted: dict[Place, dict[int, tuple[int, int]]] = {}
    for number in stream._order.epoch(0)[begin:end]:
        shard, row = opened.locate(int(number))
        for column in (shard.columns[name] for name in members if shard.columns[name].size[row]):
            wanted.setdefault(column.path, {})[int(column.offset[row])] = (int(column.size[row]), 0)
    return sum(len(spans_of(members)) for members in wanted.values())


@pytest.mark.parametrize("index", [b"", b"not an index", None])
def test_without_an_index_or_with_another_sets_shard_manifests_are_read(
    storage: str, proxied: FaultProxy, tmp_path: Path, index: bytes | None
) -> None:
    made = stored_set(tmp_path, storage, index=False)
    if index is not None:
        (made.place / INDEX).write_bytes(index)
    proxied.clear()
    proxied.hold()
    with ThreadPoolExecutor(1) as person:
        opening = person.submit(remote, made, None)
        proxied.let(2)  # the manifest and what should be the index
        proxied.let(4)  # the shards' manifests
        stream, _ = opening.result(30)
    proxied.release()
    assert len(batches(stream, 0)) == 3


def test_what_does_not_fit_is_read_by_ranges_and_the_rest_stays(storage: str, tmp_path: Path) -> None:
    made = stored_set(tmp_path, storage)
    size = max(entry.bytes for entry in ShardSet(made.folder).manifest.shards)
    cache = ShardCache(tmp_path / "cache", 2 * size)
    stream, reader = remote(made, cache)
    for _ in stream.epoch(0):
        settled(reader, cache, 2)
    first, travelled = whole_files(cache), reader.traffic.file_bytes
    assert len(first) == 2
    batches(stream, 1)
    assert whole_files(cache) == first
    assert reader.traffic.file_bytes == travelled
    assert reader.traffic.late == 0


def test_a_file_that_could_not_be_fetched_keeps_no_room(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stored_set(tmp_path, storage)
    size = max(entry.bytes for entry in ShardSet(made.folder).manifest.shards)
    cache = ShardCache(tmp_path / "cache", size)
    fetch, failed = ShardCache.fetch, list[RemotePath]()

    def first_fails(self: ShardCache, source: RemotePath, *rest: Any, **options: Any) -> int | None:
        if not failed:
            failed.append(source)
            raise OSError("storage hiccup")
        return fetch(self, source, *rest, **options)

    monkeypatch.setattr(ShardCache, "fetch", first_fails)
    stream, reader = remote(made, cache, downloads=1)
    for _ in stream.epoch(0):
        settled(reader, cache, 1)
    assert failed
    assert len(whole_files(cache)) == 1
    assert reader.traffic.values()["files_not_kept"] == 1
    assert reader.fallbacks == "1 file not kept in the local cache but read by ranges (storage hiccup)"


def test_a_full_disk_under_the_cache_is_told_once_and_read_past(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored_set(tmp_path, storage)
    local = Stream(ShardSet(made.folder), SETTINGS, seed=1, augment=AugmentSettings())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shard_cache, "_Copy", full)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    stream, reader = remote(made, cache)
    for epoch in range(2):
        assert same(batches(stream, epoch), batches(local, epoch))
    end = time.monotonic() + 20
    while time.monotonic() < end and not reader.fallbacks:
        time.sleep(0.02)
    said = capsys.readouterr().err
    assert said.count("note: ") == 1 and "no space left on device" in said
    assert str(cache.folder) in reader.fallbacks
    assert "no space left" in reader.fallbacks and "read by ranges" in reader.fallbacks


def test_a_file_that_is_damaged_in_the_cache_is_dropped_and_storage_asked(
    storage: str, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage)
    local = Stream(ShardSet(made.folder), SETTINGS, seed=1, augment=AugmentSettings())
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    stream, reader = remote(made, cache)
    for _ in stream.epoch(0):
        settled(reader, cache, 4)
    here = whole_files(cache)
    for name in here:
        data = bytearray((cache.folder / name).read_bytes())
        data[600:] = data[600:][::-1]
        (cache.folder / name).write_bytes(data)
    stream, reader = remote(made, cache)
    assert same(batches(stream, 1), batches(local, 1))
    assert reader.traffic.again > 0
    for _ in stream.epoch(2):  # whole files come while an epoch goes on
        settled(reader, cache, 4)
    assert whole_files(cache) == here
    assert all(sha256((cache.folder / name).read_bytes()) == name for name in here)


def test_a_range_that_comes_damaged_is_fetched_once_more(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage)
    local = Stream(ShardSet(made.folder), SETTINGS, seed=1, augment=AugmentSettings())
    spoilt: set[str] = set()

    def once(method: str, path: str, number: int) -> str | None:
        if not path.endswith(".tar") or path in spoilt:
            return None
        spoilt.add(path)
        return "flip"

    proxied.rule = once
    stream, reader = remote(made, None)
    assert same(batches(stream, 0), batches(local, 0))
    assert reader.traffic.again > 0


def test_a_range_that_stays_damaged_names_the_sample(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage)
    stream, _ = remote(made, None)
    proxied.rule = lambda method, path, number: "flip" if path.endswith(".tar") else None
    with pytest.raises(DamageError, match=r"pages/000.*\.jpg in s3://"):
        batches(stream, 0)


def test_a_file_that_stays_damaged_ends_the_epoch_though_its_members_are_whole(
    storage: str, tmp_path: Path
) -> None:
    made = stored_set(tmp_path, storage, count=4, per_shard=4)
    tar = next(made.place.rglob("*.tar"))
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    stream, reader = remote(made, cache)

    def epochs() -> None:
        for epoch in range(200):
            batches(stream, epoch)
            time.sleep(0.05)

    with pytest.raises(DamageError, match="twice"):
        epochs()
    assert reader.fault is not None
    assert not whole_files(cache)


def test_storage_that_goes_away_ends_the_epoch_with_its_error(
    storage: str, proxied: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stored_set(tmp_path, storage)
    stream, _ = remote(made, None)
    monkeypatch.setenv("TEXTSHARDS_STORAGE_ATTEMPTS", "2")
    proxied.rule = lambda method, path, number: "503"
    with pytest.raises(StorageError, match="slow down"):
        batches(stream, 0)


@pytest.mark.parametrize("kept", [0, 600])
def test_an_object_that_was_cut_short_is_damage(storage: str, tmp_path: Path, kept: int) -> None:
    made = stored_set(tmp_path, storage, count=4, per_shard=4)
    (path,) = (path for path in made.place.rglob("*.tar"))
    path.write_bytes(path.read_bytes()[:kept])
    assert path.read_range(1 << 20, 10) == b""
    with pytest.raises(DamageError, match="cut short") as caught:
        ShardSet(made.place).image(2)
    assert "formats.verify" in caught.value.next_step
    stream, _ = remote(made, None)
    with pytest.raises(DamageError, match="cut short"):
        batches(stream, 0)
