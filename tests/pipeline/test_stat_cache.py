"""Hashes are remembered by size and time, and never wrongly."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from made_pages import made_page

from pipeline.stat_cache import STAT_CACHE, StatCache, hash_images


def aged(path: Path, data: bytes, seconds: int = 60) -> Path:
    path.write_bytes(data)
    stamp = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(stamp, stamp))
    return path


def saved(folder: Path, path: Path, **options: bool) -> str:
    cache = StatCache(folder, **options)
    value = cache.sha256(path)
    cache.save()
    return value


def test_a_settled_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = aged(tmp_path / "a", b"one")
    assert saved(tmp_path, path) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr("pipeline.stat_cache._hash", lambda path: pytest.fail("hashed again"))
    assert StatCache(tmp_path).sha256(path) == hashlib.sha256(b"one").hexdigest()


def test_size_or_time_that_differ_are_seen(tmp_path: Path) -> None:
    path = aged(tmp_path / "a", b"one")
    saved(tmp_path, path)
    for data, seconds in ((b"three", 60), (b"two", 30)):
        assert saved(tmp_path, aged(path, data, seconds)) == hashlib.sha256(data).hexdigest()


def test_paranoid_believes_nothing(tmp_path: Path) -> None:
    path = aged(tmp_path / "a", b"one")
    saved(tmp_path, path)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp, stamp))
    assert saved(tmp_path, path, paranoid=True) == hashlib.sha256(b"two").hexdigest()


def test_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    stamp = path.stat().st_mtime_ns
    saved(tmp_path, path)
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp, stamp))  # as in the same tick of the clock, with the same size
    assert StatCache(tmp_path).sha256(path) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("junk", [b"", b"[]", b"{", b'{"x": 3}', b'{"x": [1]}'])
def test_a_broken_cache_costs_time_only(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / STAT_CACHE).write_bytes(junk)
    path = aged(tmp_path / "a", b"one")
    assert StatCache(tmp_path).sha256(path) == hashlib.sha256(b"one").hexdigest()


def test_a_hash_that_changed_in_the_cache_is_not_believed(tmp_path: Path) -> None:
    path = aged(tmp_path / "a", b"one")
    right, wrong = saved(tmp_path, path), hashlib.sha256(b"two").hexdigest()
    cache = tmp_path / STAT_CACHE
    written = cache.read_bytes()
    cache.write_bytes(written.replace(right.encode(), wrong.encode()))
    assert cache.read_bytes() != written
    assert StatCache(tmp_path).sha256(path) == right


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    good = aged(tmp_path / "a", b"one")
    hashes, faults = hash_images([("a", good), ("b", tmp_path / "b")], StatCache(tmp_path))
    assert hashes == {"a": hashlib.sha256(b"one").hexdigest()}
    assert "No such file" in faults["b"]


def test_files_without_end_are_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    hashes, faults = hash_images([("a", huge)], StatCache(tmp_path))
    assert not hashes
    assert "at most 1073741824 bytes, found 1099511627776" in faults["a"]


def test_pages_beyond_the_limit_are_refused_by_their_header(tmp_path: Path) -> None:
    page = aged(tmp_path / "a", made_page(1, (40, 50)))
    for limit, count in ((1999, 0), (2000, 1)):
        for _ in range(2):  # the second time out of the cache
            cache = StatCache(tmp_path)
            hashes, faults = hash_images([("a", page)], cache, limit)
            cache.save()
            assert (len(hashes), len(faults)) == (count, 1 - count)
    assert "found 2000 by the image's header" in hash_images([("a", page)], StatCache(tmp_path), 9)[1]["a"]
