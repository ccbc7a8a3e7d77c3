from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.image_paths import (
    Inside,
    check_file,
    has_controls,
    image_path,
    locate,
    printable,
    relative_name,
)
from pipeline.sources.record import UnusableError


@pytest.mark.parametrize(
    ("folder", "written", "key"),
    [
        ("", "a.jpg", "a.jpg"),
        ("train/images", "a.jpg", "train/images/a.jpg"),
        ("train", "./x//a.jpg", "train/x/a.jpg"),
        ("train/gt", "../images/a.jpg", "train/images/a.jpg"),
        ("../formats", "../root/a.jpg", None),
        ("", "x\\a.jpg", "x/a.jpg"),
        ("", "e\u0301.jpg", "\u00e9.jpg"),
        ("", "..a/...jpg", "..a/...jpg"),
    ],
)
def test_keys(folder: str, written: str, key: str | None) -> None:
    if key is None:
        with pytest.raises(UnusableError):
            image_path(folder, written)
    else:
        assert image_path(folder, written).key == key


@pytest.mark.parametrize(
    "written",
    [
        "../a.jpg",
        "x/../../a.jpg",
        "..",
        ".",
        "",
        "x/",
        "/etc/passwd",
        "//host/a",
        "C:\\a.jpg",
        "c:a.jpg",
        "..\\a.jpg",
        "a\0.jpg",
        "a\n.jpg",
        "\ud800.jpg",
        "x/\x7f",
    ],
)
def test_paths_that_are_refused(written: str) -> None:
    with pytest.raises(UnusableError, match="expected an image path") as caught:
        image_path("", written)
    caught.value.reason.encode()


def test_only_the_name_may_come_from_anywhere() -> None:
    for written in ("/other/machine/a.jpg", "C:\\x\\a.jpg", "../../a.jpg", "a.jpg"):
        assert image_path("train", written, only_name=True).key == "train/a.jpg"
    for written in ("x/..", "..", "x/"):
        with pytest.raises(UnusableError):
            image_path("", written, only_name=True)


@given(st.text(st.sampled_from("ab./\\:é\0"), max_size=12), st.sampled_from(["", "x", "x/y", "../x"]))
def test_no_key_ever_leaves_the_root(written: str, folder: str) -> None:
    try:
        key = image_path(folder, written).key
    except UnusableError:
        return
    assert not Path(key).is_absolute()
    assert ".." not in Path(key).parts
    assert key == Path(key).as_posix() != "."


def test_a_file_is_found_in_either_unicode_form(tmp_path: Path) -> None:
    for stored in ("NFC", "NFD"):
        root = tmp_path / stored
        root.mkdir()
        name = unicodedata.normalize(stored, "é.jpg")
        (root / name).touch()
        for written in ("NFC", "NFD"):
            path = image_path("", unicodedata.normalize(written, "é.jpg"))
            assert path.key == "\u00e9.jpg"
            assert locate(root, path).name == name


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("none.jpg", "folder", "pipe", "x" * 300, "folder/x.jpg"):
        with pytest.raises(UnusableError):
            locate(tmp_path, image_path("", name))


def test_links_within_the_root_and_out_of_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "a.jpg").touch()
    (root / "inner.jpg").symlink_to("a.jpg")
    (root / "out.jpg").symlink_to(outside / "a.jpg")
    (root / "out").symlink_to(outside)
    (root / "circle.jpg").symlink_to("circle.jpg")
    assert locate(root, image_path("", "inner.jpg")) == root / "inner.jpg"
    for name in ("out.jpg", "out/a.jpg"):
        with pytest.raises(UnusableError, match="leaves the source root"):
            locate(root, image_path("", name))
    # By its text this is root/a.jpg, whatever the link makes of "..": what is checked is what is opened.
    assert locate(root, image_path("", "out/../a.jpg")) == root / "a.jpg"
    with pytest.raises(UnusableError):
        locate(root, image_path("", "circle.jpg"))


def test_names_for_messages(tmp_path: Path) -> None:
    assert relative_name(tmp_path / "root", tmp_path / "root/x/a.txt") == "x/a.txt"
    assert relative_name(tmp_path / "root", tmp_path / "formats/a.json") == "../formats/a.json"
    assert printable("a\n\ud800\x1b[31m") == "a\\n\\ud800\\x1b[31m"
    assert len(printable("x" * 10_000)) == 300


def test_knowing_a_folder_spares_no_look_at_a_file(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "in", outside):
        folder.mkdir(parents=True)
        (folder / "a.jpg").touch()
    within = Inside(root)
    for name in ("in/a.jpg", "in/none.jpg", "in"):
        assert within.holds(f"{root}/{name}") == (name == "in/a.jpg")
    (root / "in/out.jpg").symlink_to(outside / "a.jpg")
    (root / "in/inner.jpg").symlink_to("a.jpg")
    (root / "in/circle.jpg").symlink_to("circle.jpg")
    os.mkfifo(root / "in/pipe.jpg")
    (root / "out").symlink_to(outside)
    (root / "alias").symlink_to("in")
    for name in ("in/a.jpg", "in/inner.jpg", "alias/a.jpg"):
        assert locate(root, image_path("", name), within) == root / name
        check_file(root, root / name, within)
    for name in ("in/out.jpg", "in/circle.jpg", "in/pipe.jpg", "out/a.jpg", "in/none.jpg", "a\u0301/x.jpg"):
        for look in (lambda p, *w: locate(root, p, *w), lambda p, *w: check_file(root, root / p.spelled, *w)):
            with pytest.raises(UnusableError) as plain:
                look(image_path("", name))
            with pytest.raises(UnusableError) as known:
                look(image_path("", name), within)
            assert known.value.reason == plain.value.reason


def test_nothing_is_known_of_folders_outside_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "a.txt").touch()
    monkeypatch.chdir(tmp_path / "root")
    within = Inside(tmp_path / "root")
    for name in (f"{tmp_path}/a.txt", f"{tmp_path}/root/../a.txt", "../a.txt", "/a.txt", "a\0/b", "x" * 5000):
        assert not within.holds(name)
    Path("b.txt").touch()
    assert within.holds("b.txt")
    check_file(tmp_path / "root", tmp_path / "a.txt", within)  # where the configuration itself places it


@given(st.text(max_size=8))
def test_printable_names_are_told_quickly_and_the_others_slowly(name: str) -> None:
    slow = name.encode("utf-8", "backslashreplace").decode()
    slow = "".join(c if unicodedata.category(c) != "Cc" else ascii(c)[1:-1] for c in slow)
    assert printable(name) == unicodedata.normalize("NFC", slow)
    assert has_controls(name) == any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


@given(st.lists(st.sampled_from(["a", "b.c", "..", ".", ""]), max_size=4))
def test_names_for_messages_are_relative_paths(parts: list[str]) -> None:
    root, file = Path("/x/root"), Path("/x/root").joinpath(*parts)
    assert relative_name(root, file) == Path(os.path.relpath(file, root)).as_posix()
