"""Builds from and into a real object store: the bytes of a local build, whole or absent, no keys anywhere."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from built_set import BuiltSet, built_set, invoke
from fault_proxy import FaultProxy

from formats.diff import main as diff
from formats.errors import AccessError, DamageError, StorageError, UsageError
from formats.manifest import SET_MANIFEST, named_manifest
from formats.manifest_files import read_set_manifest
from formats.places import name_below
from formats.remote_path import RemotePath
from formats.set_index import INDEX
from formats.settings import load_settings
from formats.show import main as show
from formats.verify import main as verify
from pipeline.assemble import BuildReport, build
from pipeline.build import main as build_command
from pipeline.clean import main as clean
from pipeline.config import BuildConfig
from pipeline.health import main as health
from pipeline.scratch import scratch_of


def build_into(made: BuiltSet, place: RemotePath, *words: str) -> BuildReport:
    config = load_settings(BuildConfig, made.config, words)
    return build(config, place, command=["build.py", "--out", str(place), *words])


def contents(place: RemotePath) -> dict[str, bytes]:
    return {name_below(path, place): path.read_bytes() for path in place.rglob("*")}


def put_pages(made: BuiltSet, place: RemotePath) -> None:
    for path in made.pages.rglob("*"):
        if path.is_file():
            (place / path.relative_to(made.pages).as_posix()).upload(path)


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_a_set_in_storage_has_the_bytes_of_a_local_one(storage: str, tmp_path: Path, container: str) -> None:
    made = built_set(tmp_path, f"encoding.container={container}")
    put_pages(made, RemotePath(storage) / "pages")
    for number, words in enumerate([(), (f"source.root={storage}/pages",)]):
        place = RemotePath(storage) / f"set{number}"
        report = build_into(made, place, f"encoding.container={container}", *words)
        found = contents(place)
        for path in (path for path in made.folder.rglob("*") if path.is_file()):
            name = path.relative_to(made.folder).as_posix()
            if not name.startswith((".", "provenance")):
                assert found.pop(name) == path.read_bytes(), name
        assert set(found) == {"provenance.json", INDEX, named_manifest(report.manifest)}
        assert found[named_manifest(report.manifest)] == (made.folder / SET_MANIFEST).read_bytes()


def test_a_second_build_makes_nothing_and_a_change_one_shard(storage: str, tmp_path: Path) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    first = build_into(made, place)
    assert build_into(made, place).made == 0
    made.add_pages(6)
    second = build_into(made, place)
    assert 0 < second.made < len(second.shards)
    # A reader of the former version still finds everything, and it is no problem; cleaning removes it.
    assert invoke(verify, place).return_value == 0
    former = read_set_manifest(place, named_manifest(first.manifest))
    assert all((place / entry.manifest.path).is_file() for entry in former.shards)
    assert invoke(diff, f"{place}/{named_manifest(first.manifest)}", place).return_value == 1
    removed = invoke(clean, place).output
    assert named_manifest(first.manifest) in removed
    assert not (place / named_manifest(first.manifest)).is_file()
    assert invoke(verify, place, "--deep").return_value == 0


def test_a_manifest_that_never_comes_as_it_was_written_is_damage(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    """S3's clients compare an object with the checksum it was written with, where the server gives that."""
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    build_into(made, place)
    read = RemotePath.read_bytes

    def spoilt(path: RemotePath) -> bytes:
        if path.name == SET_MANIFEST:
            raise DamageError(f"reading {path}", expected="its bytes", found="others, in each of 3 attempts")
        return read(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemotePath, "read_bytes", spoilt)
        told = invoke(verify, place)
        assert told.return_value == 1 and "damaged: " in told.stdout and "manifest.json" in told.stdout
        assert build_into(made, place).made == 0
    assert invoke(verify, place).return_value == 0


def test_what_no_version_of_a_set_in_storage_names_is_for_clean_to_remove(
    storage: str, tmp_path: Path
) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    build_into(made, place)
    (place / "shards/train-0-000000000000.tar").write_bytes(b"?")
    told = invoke(verify, place)
    assert told.return_value == 1 and "pipeline.build" not in told.stdout
    assert f"next step: run python -m pipeline.clean {place}: " in told.stdout
    next(place.rglob("train-*.json")).unlink()
    told = invoke(verify, place).stdout
    assert "makes missing and damaged shards again; then run python -m pipeline.clean" in told
    build_into(made, place)
    invoke(clean, place)
    assert invoke(verify, place).return_value == 0


def test_every_command_takes_a_url(storage: str, tmp_path: Path) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "sets" / "one"
    done = invoke(build_command, "--config", made.config, "--out", place, "--workers", "1")
    assert done.return_value == 0
    assert invoke(build_command, "--config", made.config, "--out", place, "--check").return_value == 0
    assert invoke(diff, place, made.folder).return_value == 0
    assert invoke(verify, place).return_value == 0
    assert invoke(health, place.parent).return_value == 0
    assert "valid" in invoke(health, place).output
    assert invoke(show, place, "--out", tmp_path / "sheet.png").return_value == 0
    assert "5 samples" in invoke(show, place).output


def test_damage_in_storage_is_found_and_mended(storage: str, tmp_path: Path) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    build_into(made, place)
    before = contents(place)
    tar = next(path for path in place.rglob("*.tar"))
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(bytes(data))
    for words in ((), ("--deep",)):
        assert invoke(verify, place, *words).return_value == 1
    assert invoke(health, place).return_value == 1
    assert build_into(made, place).made == 1
    after = contents(place)
    assert {name: after[name] for name in before if name != "provenance.json"} == {
        name: data for name, data in before.items() if name != "provenance.json"
    }
    tar.unlink()
    assert invoke(verify, place).return_value == 1
    assert build_into(made, place).made == 1
    assert invoke(verify, place).return_value == 0


@pytest.mark.parametrize("name", ["train-", SET_MANIFEST, INDEX])
def test_a_build_that_storage_stops_shows_no_set_and_is_finished_later(
    storage: str, proxied: FaultProxy, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    monkeypatch.setenv("TEXTSHARDS_STORAGE_ATTEMPTS", "2")
    proxied.rule = lambda method, path, number: (
        "503" if method == "PUT" and path.rpartition("/")[2].startswith(name) else None
    )
    with pytest.raises(StorageError, match="slow down"):
        build_into(made, place)
    assert not (place / SET_MANIFEST).is_file()
    assert invoke(verify, place).return_value == 2
    proxied.rule = lambda method, path, number: (
        "503" if number % 7 == 0 else "cut" if number % 11 == 0 else None
    )
    build_into(made, place)
    proxied.rule = lambda method, path, number: None
    assert (place / SET_MANIFEST).read_bytes() == (made.folder / SET_MANIFEST).read_bytes()
    assert invoke(verify, place, "--deep").return_value == 0


def test_the_manifest_comes_last_and_nothing_is_listed(
    storage: str, proxied: FaultProxy, tmp_path: Path
) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    proxied.clear()
    build_into(made, place)
    written = [passed.path.rpartition("/")[2] for passed in proxied.passed if passed.method == "PUT"]
    assert written[-1] == SET_MANIFEST
    assert written[-2].startswith("manifest-")
    for shard in {name.rpartition(".")[0] for name in written if name.endswith(".tar")}:
        assert written.index(f"{shard}.tar") < written.index(f"{shard}.json")
    assert not [passed.path for passed in proxied.passed if "list-type" in passed.path]


def test_two_builders_end_in_one_set(storage: str, tmp_path: Path) -> None:
    """Each publishes while the other is under way; the last manifest wins, and all it names is there."""
    one, other = built_set(tmp_path / "a"), built_set(tmp_path / "b", count=6)
    place = RemotePath(storage) / "set"
    build_into(one, place)
    build_into(other, place)
    build_into(one, place)
    assert (place / SET_MANIFEST).read_bytes() == (one.folder / SET_MANIFEST).read_bytes()
    assert {path.name for path in place.iterdir()} >= {
        named_manifest(read_set_manifest(made.folder)) for made in (one, other)
    }
    assert _problems(place) == []


def _problems(place: RemotePath) -> list[object]:
    from formats.checks.sets import verify_set

    return [*verify_set(place, deep=True).problems]


def test_keys_stand_in_nothing_that_is_written(storage: str, tmp_path: Path) -> None:
    made, place = built_set(tmp_path), RemotePath(storage) / "set"
    build_into(made, place, f"source.root={made.pages}")
    for name, data in contents(place).items():
        for key in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
            assert os.environ[key].encode() not in data, name
    assert json.loads((place / "provenance.json").read_bytes())["config"]["source"]["root"] == str(made.pages)


@pytest.mark.parametrize("url", ["s3://key:hidden@pages/x", "s3://pages/x?X-Amz-Signature=hidden"])
def test_a_source_with_keys_in_its_url_is_refused_without_showing_them(tmp_path: Path, url: str) -> None:
    made = built_set(tmp_path)
    with pytest.raises(UsageError) as caught:
        load_settings(BuildConfig, made.config, [f"source.root={url}"])
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("root", ["nothing-here", "img/none"])
def test_a_source_that_is_not_there_is_told(storage: str, tmp_path: Path, root: str) -> None:
    made = built_set(tmp_path)
    with pytest.raises(UsageError, match="source root s3://"):
        build_into(made, RemotePath(storage) / "set", f"source.root={storage}/{root}")


def test_wrong_keys_end_a_build_with_exit_code_2(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built_set(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-hidden")
    with pytest.raises(AccessError) as caught:
        build_into(made, RemotePath(storage) / "set")
    assert caught.value.exit_code == 2
    assert "hidden" not in str(caught.value)
    assert invoke(verify, storage).return_value == 2
    assert invoke(diff, storage, made.folder).return_value == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_that_fails_leaves_no_scratch_and_names_it(
    storage: str, tmp_path: Path, workers: int
) -> None:
    made, scratch = built_set(tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    words = ["--config", str(made.config), "--out", f"{storage}/set", "--workers", str(workers)]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.build", *words],
        env={**os.environ, "TMPDIR": str(scratch)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert f"error: cannot write in {scratch}, where shards are made" in done.stderr
    assert "set TMPDIR to another folder" in done.stderr
    assert list(scratch.iterdir()) == []


def stopped(storage: str, made: BuiltSet, scratch: Path, number: int, *, group: bool) -> tuple[int, str]:
    """Build with two workers, and send a signal while shards are made; return the exit code and stderr."""
    words = ["--config", str(made.config), "--out", f"{storage}/set", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.build", *words],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(scratch.glob("textshards-*/textshards-*/shards/*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    (os.killpg if group else os.kill)(process.pid, number)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


@pytest.mark.parametrize("group", [False, True])
def test_sigterm_stops_a_build_and_leaves_no_scratch(
    storage: str, proxied: FaultProxy, tmp_path: Path, group: bool
) -> None:
    made, scratch = built_set(tmp_path, count=30), tmp_path / "scratch"
    scratch.mkdir()
    proxied.latency_s = 0.2
    code, said = stopped(storage, made, scratch, signal.SIGTERM, group=group)
    assert code == 143 and "Traceback" not in said
    assert said.splitlines()[-1] == "stopped" and "made so far: they stay" in said
    assert list(scratch.iterdir()) == []


def test_scratch_of_a_killed_build_is_removed_by_the_next(
    storage: str, proxied: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, scratch = built_set(tmp_path, count=30), tmp_path / "scratch"
    scratch.mkdir()
    proxied.latency_s = 0.2
    code, _ = stopped(storage, made, scratch, signal.SIGKILL, group=False)
    assert code == -signal.SIGKILL
    (left,) = scratch.iterdir()
    (scratch / "textshards-other").mkdir()  # whose, nobody can tell
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with scratch_of(RemotePath(storage)) as one, scratch_of(RemotePath(storage)) as other:
        assert one is not None and other is not None
        assert {path.name for path in scratch.iterdir()} == {one.name, other.name, "textshards-other"}
    assert not left.exists()


def test_a_folder_for_temporary_files_that_is_not_there_is_refused_by_name(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built_set(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=f"TMPDIR={tmp_path}/none") as caught:
        build_into(made, RemotePath(storage) / "set")
    assert caught.value.found == "no such folder"
    made.build()  # a set on a disk needs none


def test_scratch_goes_where_a_worker_was_stopped(storage: str, tmp_path: Path) -> None:
    with scratch_of(RemotePath(storage)) as scratch:
        assert scratch is not None
        (scratch / "textshards-x/shards").mkdir(parents=True)
        (scratch / "textshards-x/shards/a.tar.1.partial").write_bytes(b"half")
    assert not scratch.exists()
    with scratch_of(tmp_path) as none:
        assert none is None
