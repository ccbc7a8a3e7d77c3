"""Whole files fetched once a machine, checked on arrival, within a limit; a real object store behind."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_proxy import FaultProxy

from formats.errors import DamageError, StorageError
from formats.fingerprint import sha256
from formats.manifest import FileRecord
from formats.remote_path import RemotePath
from train import shard_cache
from train.shard_cache import ShardCache


def stored(url: str, count: int, size: int = 1000) -> list[tuple[RemotePath, FileRecord]]:
    made = []
    for number in range(count):
        data = os.urandom(size)
        path = RemotePath(url) / f"{number}.tar"
        path.write_bytes(data)
        made.append((path, FileRecord(path=f"{number}.tar", bytes=size, sha256=sha256(data))))
    return made


def fetch_all(job: tuple[Path, list[tuple[RemotePath, FileRecord]]]) -> int:
    cache = ShardCache(job[0], 1 << 30)
    return sum(cache.fetch(path, record) or 0 for path, record in job[1])


def test_a_file_is_fetched_once_by_all_processes_and_threads(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    files = stored(storage, 4, 50_000)
    proxied.clear()
    proxied.latency_s = 0.2
    jobs = [(tmp_path / "cache", files)] * 3
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        travelled = list(pool.map(fetch_all, jobs))
    assert sum(travelled) == 4 * 50_000
    assert len(proxied.passed) == 4
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(fetch_all, jobs)) == [0, 0, 0]
    for _, record in files:
        assert sha256((tmp_path / "cache" / record.sha256).read_bytes()) == record.sha256


def test_the_least_recently_used_go_first(storage: str, tmp_path: Path) -> None:
    files = stored(storage, 4)
    cache = ShardCache(tmp_path / "cache", 3000)
    for number, (path, record) in enumerate(files[:3]):
        assert cache.fetch(path, record) == 1000
        os.utime(cache.folder / record.sha256, ns=(number, number))
    assert ShardCache(cache.folder, 3000).get(files[0][1].sha256) is not None  # used again: now the newest
    cache.fetch(*files[3])
    here = [(cache.folder / record.sha256).is_file() for _, record in files]
    assert here == [True, False, True, True]


def test_a_download_that_comes_damaged_is_fetched_once_more(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    (path, record), *_ = stored(storage, 1)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    proxied.clear()
    proxied.rule = lambda method, path, number: "flip" if number == 0 else None
    assert cache.fetch(path, record) == 2000
    assert sha256((cache.folder / record.sha256).read_bytes()) == record.sha256


def test_damage_that_stays_is_an_error_and_leaves_nothing(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    (path, record), *_ = stored(storage, 1)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    proxied.clear()
    proxied.rule = lambda method, path, number: "flip"
    with pytest.raises(DamageError, match="twice"):
        cache.fetch(path, record)
    assert len(proxied.passed) == 2
    assert not [found for found in cache.folder.iterdir() if found.is_file()]


def test_a_fetch_that_ends_in_a_fault_shows_nothing_and_goes_on_where_it_was(
    storage: str, proxied: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path, record), *_ = stored(storage, 1)
    monkeypatch.setenv("TEXTSHARDS_STORAGE_ATTEMPTS", "1")
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    monkeypatch.setattr(shard_cache, "PIECE", 300)
    proxied.clear()
    proxied.rule = lambda method, path, number: "cut" if number == 2 else None
    with pytest.raises(StorageError):
        cache.fetch(path, record)
    assert cache.get(record.sha256) is None
    proxied.clear()
    assert cache.fetch(path, record) == 400
    assert len(proxied.passed) == 2
    assert [found.name for found in cache.folder.iterdir() if found.is_file()] == [record.sha256]


def test_who_does_not_wait_is_told_that_another_is_at_it(storage: str, tmp_path: Path) -> None:
    (path, record), *_ = stored(storage, 1)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    with cache._held(record.sha256[:2], wait=True):
        assert cache.fetch(path, record, wait=False) is None
    assert cache.fetch(path, record, stop=lambda: True) is None
    assert cache.fetch(path, record) == 1000
