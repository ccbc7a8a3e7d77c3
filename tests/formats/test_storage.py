"""Files whole or absent, names that stay inside, bytes that are those recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import DamageError, SetError
from formats.storage import checked, crc32c, inside, whole_file, write_whole


def test_crc32c_is_castagnoli() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(memoryview(b"123456789")) == 0xE3069283
    assert crc32c(b"") == 0


def fail_half_way(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        assert path.read_bytes() == b"old"
        raise RuntimeError


def test_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(RuntimeError):
        fail_half_way(path)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("file", b"old")]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append(f"synced {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def named(path: Path, target: Path) -> Path:
        done.append(f"named {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    write_whole(tmp_path / "file", b"whole")
    assert done == ["synced 5 bytes", "named file"]


def test_two_that_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as last, whole_file(path) as first:
        last.write(b"last")
        first.write(b"first")
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("file", b"last")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../x",
        "shards/../../x",
        "a\\..\\b",
        "a\0b",
        "a\nb",
        "\ud800",
        "//x",
        "./..",
    ],
)
def test_names_that_leave_the_folder(name: str) -> None:
    with pytest.raises(SetError, match="below the set's folder"):
        inside(Path("/data/set"), name)


@given(st.text(max_size=20) | st.lists(st.sampled_from(["..", ".", "/", "a", "\\", "~"])).map("".join))
def test_names_never_leave(name: str) -> None:
    folder = Path("/data/set")
    try:
        path = inside(folder, name)
    except SetError:
        return
    assert folder.resolve() in path.resolve().parents


@given(st.binary(min_size=1, max_size=64), st.data())
def test_changed_bytes_are_found(data: bytes, draw: st.DataObject) -> None:
    assert checked(data, crc32c(data), "x") is data
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(DamageError, match="image of a"):
        checked(bytes(changed), crc32c(data), "image of a.jpg")
    with pytest.raises(DamageError):
        checked(data[:-1], crc32c(data), "x")
