"""Objects in object storage; a real store, and a proxy before it that spoils what passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fault_proxy import FaultProxy

from formats import remote_path
from formats.errors import AccessError, DamageError, StorageError, UsageError
from formats.object_store import attempts, request, timeout_s
from formats.places import name_below
from formats.remote_path import RemotePath


def test_an_unknown_kind_of_storage_is_named() -> None:
    with pytest.raises(UsageError, match="nothing://"):
        (RemotePath("nothing://a/b")).read_bytes()


def test_objects_are_written_read_listed_and_removed(storage: str) -> None:
    root = RemotePath(storage)
    assert not root.is_dir()
    (root / "a" / "x.bin").write_bytes(b"0123456789")
    (root / "y.txt").write_bytes(b"")
    assert (root / "a" / "x.bin").read_range(2, 3) == b"234"
    assert (root / "a" / "x.bin").stat().st_size == 10
    assert (root / "y.txt").read_bytes() == b""
    assert root.is_dir() and (root / "y.txt").is_file() and not (root / "a").is_file()
    assert sorted(name_below(path, root) for path in root.rglob("*")) == ["a/x.bin", "y.txt"]
    assert sorted(path.name for path in root.iterdir()) == ["a", "y.txt"]
    assert [path.name for path in root.rglob("*.txt")] == ["y.txt"]
    (root / "y.txt").unlink()
    (root / "y.txt").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (root / "y.txt").read_bytes()


def test_listings_answer_for_objects_without_a_request_each(storage: str, proxied: FaultProxy) -> None:
    root = RemotePath(storage)
    for number in range(5):
        (root / "img" / f"{number}.jpg").write_bytes(b"x" * number)
    listed = root.listed()
    proxied.clear()
    assert [(listed / "img" / f"{number}.jpg").stat().st_size for number in range(5)] == list(range(5))
    assert not (listed / "img" / "9.jpg").is_file()
    assert len(proxied.passed) == 1


def test_a_long_file_goes_up_in_parts(
    storage: str, proxied: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_path, "PART", 5 << 20)
    data = os.urandom(11 << 20)
    (tmp_path / "long").write_bytes(data)
    (RemotePath(storage) / "long").upload(tmp_path / "long")
    assert sum("partNumber" in passed.path for passed in proxied.passed) == 3
    (RemotePath(storage) / "long").download(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize("fault", ["503", "500", "cut", "refuse", "stall", "trickle"])
def test_a_fault_that_passes_is_recovered_from(
    storage: str, proxied: FaultProxy, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = RemotePath(storage) / "x.bin"
    data = os.urandom(30_000)
    path.write_bytes(data)
    monkeypatch.setenv("TEXTSHARDS_STORAGE_TIMEOUT", "0.5")
    proxied.clear()
    proxied.rule = lambda method, path, number: fault if number == 0 else None
    assert path.read_range(0, len(data)) == data
    assert len(proxied.passed) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [("503", "slow down"), ("500", "at fault"), ("cut", "connection fails"), ("stall", "no answer in time")],
)
def test_a_fault_that_stays_has_an_end_and_an_error_of_its_own(
    storage: str, proxied: FaultProxy, fault: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = RemotePath(storage) / "x.bin"
    path.write_bytes(b"x" * 1000)
    monkeypatch.setenv("TEXTSHARDS_STORAGE_TIMEOUT", "0.3")
    proxied.rule = lambda method, path, number: fault
    with pytest.raises(StorageError, match=told) as caught:
        path.read_bytes()
    assert "3 attempts" in caught.value.found
    assert caught.value.exit_code == 1


def test_a_write_that_is_cut_shows_nothing(storage: str, proxied: FaultProxy) -> None:
    path = RemotePath(storage) / "x.bin"
    proxied.rule = lambda method, path, number: "refuse" if method == "PUT" else None
    with pytest.raises(StorageError):
        path.write_bytes(b"x" * 100_000)
    proxied.rule = lambda method, path, number: None
    assert not path.is_file()


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_keys_are_told_at_once_and_not_shown(
    storage: str, proxied: FaultProxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "not-the-one-it-was")
    with pytest.raises(AccessError, match="refuses them") as caught:
        (RemotePath(storage) / "x").read_bytes()
    assert len(proxied.passed) == 1
    assert caught.value.exit_code == 2
    for key in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        assert os.environ[key] not in str(caught.value)


def test_a_missing_bucket_is_told_at_once(storage: str, proxied: FaultProxy) -> None:
    with pytest.raises(AccessError, match="bucket s3://no-such-bucket"):
        RemotePath("s3://no-such-bucket/set/manifest.json").read_bytes()
    assert len(proxied.passed) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("ATTEMPTS", "0"), ("ATTEMPTS", "x"), ("ATTEMPTS", "inf"), ("TIMEOUT", "-1"), ("TIMEOUT", "0")],
)
def test_numbers_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TEXTSHARDS_STORAGE_{name}", value)
    with pytest.raises(UsageError, match=f"TEXTSHARDS_STORAGE_{name}") as caught:
        attempts() if name == "ATTEMPTS" else timeout_s()
    assert caught.value.found == value


def test_bytes_that_are_not_those_of_the_storages_checksum_are_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exceptions = pytest.importorskip("botocore.exceptions")

    def other_bytes(*_: object) -> bytes:
        raise exceptions.FlexibleChecksumError(error_msg="Expected checksum a did not match calculated: b")

    monkeypatch.setenv("TEXTSHARDS_STORAGE_ATTEMPTS", "2")
    monkeypatch.setattr("formats.object_store.file_system", lambda _: None)
    with pytest.raises(DamageError, match=r"reading s3://pages/set/manifest\.json") as caught:
        request("reading", "s3://pages/set/manifest.json", other_bytes)
    assert "in each of 2 attempts" in caught.value.found and "connection" not in str(caught.value)
