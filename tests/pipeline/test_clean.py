"""``pipeline.clean``: what it removes, what it never does, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from built_set import BuiltSet, built_set, invoke, snapshot
from click.testing import CliRunner

from formats.checks.sets import verify_set
from formats.errors import DamageError, SetError, TextshardsError, UsageError
from formats.shards import ShardSet
from pipeline.clean import main
from pipeline.existing import locked

STRANGERS = ("shards/notes.txt", "shards/test-0-000000000000.tar", "shards/x.tar.partial", "a.7.partial")


def litter(made: BuiltSet) -> list[str]:
    """Put strangers into a set; return their paths, sorted."""
    for name in STRANGERS:
        (made.folder / name).write_bytes(b"12345")
    old = made.folder / "shards/train-1-000000000000.zarr"
    (old / "image").mkdir(parents=True)
    (old / "image/c").write_bytes(b"1234567890")
    return sorted([*STRANGERS, "shards/train-1-000000000000.zarr"])


@pytest.fixture(params=["tar", "zarr"])
def made(request: Any, tmp_path: Path) -> BuiltSet:
    return built_set(tmp_path, encoding={"container": request.param})


def test_it_removes_what_no_manifest_names_and_nothing_else(made: BuiltSet) -> None:
    before = snapshot(made.folder)
    (made.folder / "mine.txt").write_text("kept: beside the manifest, but none of a build's")
    expected = litter(made)
    done = invoke(main, made.folder)
    lines = done.stdout.splitlines()
    assert sorted(line.removeprefix("removed ") for line in lines[:-1]) == expected
    assert lines[-1] == "5 removed, 0.00 MB"
    after = snapshot(made.folder)
    assert after.pop("mine.txt")
    for name in (".", "shards", ".lock"):  # their times move; so they must
        assert before.pop(name)[1:] == after.pop(name)[1:]
    assert after == before
    assert invoke(main, made.folder).stdout == "nothing to remove\n"


def test_what_could_not_be_removed_is_not_told_as_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built_set(tmp_path)
    litter(made)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # as where the system refuses it
    done = CliRunner().invoke(main, [str(made.folder)])
    assert isinstance(done.exception, UsageError)
    assert done.exception.thing == f"cannot remove {made.folder / 'shards/train-1-000000000000.zarr'}"
    assert "train-1-000000000000.zarr" not in done.stdout
    for line in done.stdout.splitlines():
        assert not (made.folder / line.removeprefix("removed ")).exists()


def test_a_dry_run_tells_the_same_and_touches_nothing(made: BuiltSet) -> None:
    expected = litter(made)
    (made.folder / ".lock").unlink()
    before = snapshot(made.folder)
    lines = invoke(main, made.folder, "--dry-run").stdout.splitlines()
    assert sorted(line.removeprefix("would remove ") for line in lines[:-1]) == expected
    assert lines[-1] == "5 to remove, 0.00 MB"
    assert snapshot(made.folder) == before


def test_strangers_inside_a_shard_are_found_removed_and_verified_away(tmp_path: Path) -> None:
    made = built_set(tmp_path, encoding={"container": "zarr"})
    inside = made.shard_files(".zarr")[0]
    for clean in (lambda: invoke(main, made.folder), made.build):
        stray = inside / "image/stray"
        stray.write_bytes(b"?")
        assert [problem.kind for problem in verify_set(made.folder).problems] == ["extra"]
        clean()
        assert not stray.exists()
        assert verify_set(made.folder, deep=True).problems == ()


def test_a_folder_without_a_manifest_is_refused(made: BuiltSet, tmp_path: Path) -> None:
    (made.folder / "manifest.json").unlink()
    before = snapshot(made.folder)
    for words in ((), ("--dry-run",)):
        with pytest.raises(SetError, match="no set of shards"):
            invoke(main, made.folder, *words)
        with pytest.raises(SetError, match="no set of shards"):
            invoke(main, tmp_path / "absent", *words)
    assert snapshot(made.folder) == before
    assert not (tmp_path / "absent").exists()


def test_a_damaged_manifest_is_refused(made: BuiltSet) -> None:
    path = made.folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"train", b"traim", 1))
    before = snapshot(made.folder)
    with pytest.raises(DamageError):
        invoke(main, made.folder)
    assert snapshot(made.folder) == before


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_set_being_built_is_left_alone(made: BuiltSet, words: tuple[str, ...]) -> None:
    litter(made)
    with locked(made.folder):
        before = snapshot(made.folder)
        with pytest.raises(TextshardsError, match="being built by another process") as caught:
            invoke(main, made.folder, *words)
        assert "process" in caught.value.found
        assert snapshot(made.folder) == before


def test_files_of_a_shard_whose_manifest_is_gone_stay(made: BuiltSet) -> None:
    victim = made.shard_files(".json")[0]
    files = json.loads(victim.read_bytes())["files"]
    victim.unlink()
    assert invoke(main, made.folder).stdout == "nothing to remove\n"
    assert all((made.folder / file["path"]).is_file() for file in files)


@pytest.mark.parametrize(
    ("word", "clean"), [("targets.shrink_ratio=0.5", False), ("geometry.exif=ignore", True)]
)
def test_a_reader_of_the_old_set_gets_a_clear_error_never_garbage(
    made: BuiltSet, word: str, clean: bool
) -> None:
    opened = ShardSet(made.folder)
    opened.sample(0)
    made.build(word)
    if clean:
        invoke(main, made.folder)
    for number in range(len(opened)):
        for read in (opened.image, opened.maps, opened.meta):
            with pytest.raises(SetError) as caught:
                read(number)
            assert "shards/" in caught.value.thing
            assert "open it again" in caught.value.next_step
    ShardSet(made.folder).sample(0)


def test_a_reader_of_a_shard_made_again_with_other_bytes_gets_a_clear_error(made: BuiltSet) -> None:
    opened = ShardSet(made.folder)
    victim = opened.shards[0].columns["image"].path
    victim.write_bytes(bytes(reversed(victim.read_bytes())))  # as another library version might write it
    with pytest.raises(DamageError, match="image of"):
        opened.image(0)
