"""The command: exit codes, kinds of problems, the two forms of its report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from encoded_sets import MadeSet, load_shards, write_set
from refused_reading import refuse_reading

from formats.checks.sets import verify_set
from formats.checks.verified import VERIFIED
from formats.errors import DamageError, SetError
from formats.manifest_files import read_set_manifest
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from formats.verify import main


def run(*words: object) -> Any:
    return CliRunner().invoke(
        main, [str(word) for word in words], catch_exceptions=False, standalone_mode=False
    )


def test_every_encoding_is_sound(made: MadeSet) -> None:
    report = verify_set(made.folder, deep=True)
    assert report.problems == ()
    assert (report.samples, report.shards) == (len(made.samples), 2)
    listed = [p for p in made.folder.rglob("*") if p.is_file() and p.name != "manifest.json"]
    assert (report.files, report.bytes) == (len(listed), sum(path.stat().st_size for path in listed))


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_each_kind_of_problem(fresh: Callable[..., MadeSet], container: str) -> None:
    folder = fresh(container).folder
    first, second = load_shards(folder)
    (folder / first.files[0].path).unlink()
    damaged = folder / second.files[0].path
    data = bytearray(damaged.read_bytes())
    data[10] ^= 1
    damaged.write_bytes(data)
    (folder / "shards" / "stray.tar.partial").write_bytes(b"half")
    (folder / "manifest.json.77.partial").write_bytes(b"half")
    (folder / "quarantine.jsonl").write_bytes(b"{}\n")
    (folder / "notes.txt").write_text("mine")
    found = [(problem.kind, problem.path) for problem in verify_set(folder).problems]
    assert found == [
        ("missing", first.files[0].path),
        ("damaged", second.files[0].path),
        ("inconsistent", "quarantine.jsonl"),
        ("extra", "manifest.json.77.partial"),
        ("extra", "shards/stray.tar.partial"),
    ]


def test_human_and_json_say_the_same(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    sound = run(folder)
    assert (sound.return_value, sound.stdout.splitlines()[0]) == (0, f"{folder}: sound")
    path = folder / load_shards(folder)[0].files[0].path
    path.write_bytes(path.read_bytes()[:-1])
    human, machine = run(folder), run(folder, "--json")
    assert human.return_value == machine.return_value == 1
    record = json.loads(machine.stdout)
    assert (record["ok"], record["deep"], len(record["problems"])) == (False, False, 1)
    assert set(record["problems"][0]) == {"kind", "path", "key", "expected", "found"}
    for text in ("1 problem\n", "damaged: ", record["problems"][0]["path"], record["problems"][0]["found"]):
        assert text in human.stdout
    assert "python -m pipeline.build" in human.stdout


@pytest.mark.parametrize("harm", ["gone", "short", "flipped"])
@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_what_was_not_looked_at_is_not_counted(
    fresh: Callable[..., MadeSet], container: str, harm: str
) -> None:
    folder = fresh(container).folder
    whole = verify_set(folder, deep=True)
    assert whole.decoded == whole.samples
    shard = load_shards(folder)[0]
    for file in shard.files:
        path = folder / file.path
        data = path.read_bytes()
        path.unlink()
        if harm != "gone":
            path.write_bytes(data[:-1] if harm == "short" else data[:-1] + bytes([data[-1] ^ 1]))
    for deep in (False, True):
        report = verify_set(folder, deep=deep)
        lost = shard.files if harm != "flipped" else []
        assert report.files == whole.files - len(lost)
        assert report.bytes == whole.bytes - sum(file.bytes for file in lost)
        assert report.decoded == (deep and whole.samples - (len(shard.samples.keys) if lost else 0))
    if harm != "flipped":
        assert f"hashed, {report.decoded} of {whole.samples} samples decoded" in report.human_text()


def test_a_manifest_that_is_missing_is_not_counted(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    whole = verify_set(folder)
    (folder / "shards" / f"{load_shards(folder)[0].name}.json").unlink()
    assert verify_set(folder).files == whole.files - 2


def test_what_cannot_be_judged(fresh: Callable[..., MadeSet], tmp_path: Path) -> None:
    absent = run(tmp_path / "nowhere")
    assert absent.return_value == 2
    assert "no set of shards" in absent.stderr
    folder = fresh("tar").folder
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    newer = run(folder, "--json")
    assert (newer.return_value, newer.stdout) == (2, "")
    assert "version 2" in newer.stderr


def test_a_damaged_set_manifest(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"train", b"traim"))
    report = verify_set(folder, deep=True)
    assert [(p.kind, p.path) for p in report.problems] == [("damaged", "manifest.json")]


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_deep_names_the_damaged_sample(fresh: Callable[..., MadeSet], container: str) -> None:
    made = fresh(container)
    shard = load_shards(made.folder)[1]
    member = shard.samples.members["image"]
    path = made.folder / shard.files[member.file].path
    data = bytearray(path.read_bytes())
    data[member.offset[1] + 3] ^= 16
    path.write_bytes(data)
    assert [p.key for p in verify_set(made.folder).problems] == [None]
    deep = verify_set(made.folder, deep=True).problems
    assert [p.key for p in deep] == [None, shard.samples.keys[1]]
    assert "image" in deep[1].found


def finds_something(folder: Path) -> bool:
    try:
        return bool(verify_set(folder).problems)
    except SetError as error:
        return "version" in error.found


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_flips_anywhere_are_found(tmp_path: Path, container: str) -> None:
    made = write_set(tmp_path / "set", EncodingSpec(container=container))
    rng = np.random.default_rng(9)
    paths = sorted(path for path in made.folder.rglob("*") if path.is_file())
    sizes = np.array([path.stat().st_size for path in paths])
    for _ in range(60):
        path = paths[rng.choice(len(paths))] if rng.random() < 0.5 else paths[int(sizes.argmax())]
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        assert finds_something(made.folder)
        path.write_bytes(whole)
    assert verify_set(made.folder).problems == ()


def test_hostile_names_are_problems_not_crashes(fresh: Callable[..., MadeSet]) -> None:
    from encoded_sets import rewrite_shard

    folder = fresh("tar").folder
    shard = load_shards(folder)[0]
    outside = shard.files[0].model_copy(update={"path": "../outside.tar"})
    shutil.copy(folder / shard.files[0].path, folder.parent / "outside.tar")
    rewrite_shard(folder, shard.model_copy(update={"files": [outside]}))
    problems = verify_set(folder, deep=True).problems
    assert ("inconsistent", "../outside.tar") in [(p.kind, p.path) for p in problems]
    assert ("extra", shard.files[0].path) in [(p.kind, p.path) for p in problems]


@pytest.mark.parametrize(("container", "member"), [("tar", "maps"), ("zarr", "distance")])
def test_an_index_without_a_member_is_a_problem_not_a_crash(
    fresh: Callable[..., MadeSet], container: str, member: str
) -> None:
    from encoded_sets import rewrite_shard

    folder = fresh(container).folder
    shard = load_shards(folder)[0]
    members = {name: index for name, index in shard.samples.members.items() if name != member}
    samples = shard.samples.model_copy(update={"members": members})
    rewrite_shard(folder, shard.model_copy(update={"samples": samples}))
    found = [p.expected for p in verify_set(folder, deep=True).problems if p.kind == "inconsistent"]
    assert any(expected.startswith("members ") and member in expected for expected in found)
    with pytest.raises(DamageError, match=f"an index of .*{member}"):
        ShardSet(folder)


def test_help_is_quick_and_short() -> None:
    code = (
        "import formats.verify, sys; print([m for m in ('numpy', 'zarr', 'numcodecs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    shown = run("--help").stdout.splitlines()
    assert len(shown) <= 24
    assert any("python -m formats.verify" in line for line in shown)


def test_files_of_a_shard_whose_manifest_is_gone_are_not_extra(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("zarr").folder
    path = read_set_manifest(folder).shards[0].manifest.path
    (folder / path).unlink()
    assert [(p.kind, p.path) for p in verify_set(folder, deep=True).problems] == [("missing", path)]


def test_a_file_that_may_not_be_read_is_no_damage(
    fresh: Callable[..., MadeSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By root everything may be read: so the system's refusal is made up."""
    made = fresh("tar")
    for suffix in ("tar", "json"):
        victim = min((made.folder / "shards").glob(f"*.{suffix}"))
        refuse_reading(monkeypatch, victim)
        with pytest.raises(PermissionError) as caught:
            run(made.folder)
        assert caught.value.filename == str(victim)
        assert not (made.folder / VERIFIED).exists()
        monkeypatch.undo()
