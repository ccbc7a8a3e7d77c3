"""``pipeline.health``: verdicts, reasons, figures, exit codes, documentation; and that it touches nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from built_set import BuiltSet, built_set, invoke, snapshot
from made_pages import made_page
from refused_reading import refuse_reading

from formats.checks.verified import VERIFIED, Verification
from formats.errors import UsageError
from formats.settings import load_settings
from formats.shards import ShardSet
from formats.verify import main as verify
from pipeline.assemble import build
from pipeline.config import BuildConfig
from pipeline.examine import examine, find_sets
from pipeline.existing import locked
from pipeline.health import main
from pipeline.health_text import human_text
from pipeline.set_health import Contents, Orphan, RecordedValidity, SetHealth, StoredBytes

DOC = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


@pytest.fixture
def made(tmp_path: Path) -> BuiltSet:
    return built_set(tmp_path)


def told(found: SetHealth, now: float | None = None) -> str:
    return click.unstyle(human_text(found, now))


def health(made: BuiltSet, *words: object) -> Any:
    return invoke(main, made.folder, *words)


def test_the_real_command_ends_with_its_codes_and_touches_nothing(made: BuiltSet) -> None:
    (made.folder / ".lock").unlink()
    before = snapshot(made.folder.parent)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.health", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    valid = run(made.folder.parent)
    assert (valid.returncode, valid.stderr) == (0, "")
    assert valid.stdout.splitlines()[0] == f"{made.folder}: valid"
    assert snapshot(made.folder.parent) == before
    (made.pages / "train/page_3.jpg").write_bytes(made_page(99))
    stale = run(made.folder)
    assert stale.returncode == 1
    assert "why          1 changed: train/page_3.jpg" in stale.stdout
    nothing = run(made.pages)
    assert nothing.returncode == 2
    assert "expected:  a set of shards" in nothing.stderr
    assert snapshot(made.folder.parent) == before
    assert "Traceback" not in valid.stderr + stale.stderr + nothing.stderr


def test_variants_are_told_beside_the_pages(tmp_path: Path) -> None:
    words = ("variants.count=2", "variants.shear=0.1", "variants.splits=[train]")
    found = examine(built_set(tmp_path, *words).folder)
    assert found.contents is not None
    assert (found.contents.samples, found.contents.variants) == (5, 10)
    told_of = f"5 (5 train) and 10 distorted variants of them in {found.contents.shards} shards"
    assert told_of in told(found)
    assert found.verdict == "valid"


def test_what_a_valid_set_holds(made: BuiltSet) -> None:
    found = examine(made.folder)
    assert (found.verdict, found.healthy, found.fault) == ("valid", True, None)
    assert (found.problems, found.orphans, found.building, found.verified) == ((), (), None, None)
    contents = found.contents
    assert contents is not None
    assert (contents.samples, contents.splits) == (5, {"train": 5})
    files = [*made.shard_files(""), made.folder / "manifest.json"]
    assert contents.bytes.total == sum(path.stat().st_size for path in files)
    opened = ShardSet(made.folder)
    image, maps, meta = (
        sum(opened.stored_bytes(number, [name]) for number in range(5)) for name in ("image", "maps", "meta")
    )
    assert (contents.bytes.image, contents.bytes.maps, contents.bytes.meta) == (image, maps, meta)
    assert contents.image_ratio == pytest.approx(5 * 128 * 160 * 3 / image, abs=0.01)
    assert contents.maps_ratio == pytest.approx(5 * 128 * 160 * 4 / maps, abs=0.01)
    assert 0 <= (contents.age_s or -1) < 600
    assert 0 < found.disk_free < found.disk_total


def test_age_is_told_in_words(made: BuiltSet) -> None:
    assert "built        0 s ago" in told(examine(made.folder, now=0), now=0)
    later = time.time() + 3 * 86400
    assert "built        3 days ago, " in told(examine(made.folder, now=later), now=later)


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_missing_and_short_files_are_damage(tmp_path: Path, container: str) -> None:
    made = built_set(tmp_path, encoding={"container": container})
    files = [path for path in sorted((made.folder / "shards").rglob("*")) if path.is_file()]
    for path in (files[0], files[-1]):
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        short = examine(made.folder, sources=False)
        assert (short.verdict, [p.kind for p in short.problems]) == ("damaged", ["damaged"])
        path.unlink()
        gone = examine(made.folder)
        assert (gone.verdict, [p.kind for p in gone.problems]) == ("damaged", ["missing"])
        assert gone.problems[0].path == path.relative_to(made.folder).as_posix()
        assert gone.contents is not None and gone.contents.samples == 5
        assert "missing" in told(gone) and "next step" in told(gone)
        path.write_bytes(data)
        assert examine(made.folder).verdict == "valid"


def test_other_bytes_of_the_same_size_are_damage_where_the_time_has_moved(made: BuiltSet) -> None:
    victim = made.shard_files(".tar")[0]
    data = bytearray(victim.read_bytes())
    data[700] ^= 1
    victim.write_bytes(data)
    found = examine(made.folder)
    assert (found.verdict, [p.path for p in found.problems]) == ("damaged", [f"shards/{victim.stem}"])


def test_what_the_source_changed_is_why(made: BuiltSet) -> None:
    made.add_pages(7)
    (made.pages / "train/page_0.jpg").unlink()
    found = examine(made.folder)
    assert found.verdict == "stale"
    assert found.validity.why[0].startswith("2 added in the source: train/page_5.jpg, train/page_6.jpg")
    assert [why for why in found.validity.why if "page_0" in why] == [
        "1 cannot be used any more: train/page_0.jpg"  # and not "removed" besides
    ]
    assert found.validity.shards > 0 and found.validity.samples > 0 and (found.validity.seconds or 0) >= 0
    words = f"python -m pipeline.build --config {made.config} --out {made.folder}"
    assert found.validity.command == words
    assert words in told(found)


def test_a_renderer_of_another_version_is_why(made: BuiltSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import config

    version = config.RENDERER_VERSION
    monkeypatch.setattr(config, "RENDERER_VERSION", version + 1)
    found = examine(made.folder)
    assert found.validity.why == (f"renderer was {version}, is {version + 1}",)


def test_the_command_repeats_the_words_of_the_build(made: BuiltSet) -> None:
    words = ["targets.shrink_ratio=0.5", "source.dont_care=['###', x]"]
    made.build(*words)
    assert examine(made.folder).verdict == "valid"
    made.add_pages(6)
    command = examine(made.folder).validity.command
    assert shlex.split(command)[-4:] == ["--out", str(made.folder), *words]


def test_sources_out_of_reach_are_said_and_are_no_fault(made: BuiltSet) -> None:
    made.pages.rename(made.pages.with_name("elsewhere"))
    found = examine(made.folder)
    assert (found.verdict, found.healthy) == ("unchecked", True)
    assert f"its sources cannot be reached: {made.pages}" in told(found)
    assert health(made).return_value == 0
    (made.folder / "provenance.json").unlink()
    assert "no configuration is recorded" in told(examine(made.folder))
    (made.folder / "provenance.json").write_text('{"config": {"source": 7}, "time": 3, "command": "x"}')
    found = examine(made.folder)
    assert found.verdict == "unchecked"
    assert "the configuration recorded in" in told(found)
    assert "at a time that is not recorded" in told(found)


def test_sources_are_left_alone_where_told(made: BuiltSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.recheck.check", lambda *_: pytest.fail("looked"))
    shown = health(made, "--no-sources")
    assert shown.return_value == 0
    assert "unchecked" in shown.stdout and "--no-sources" in shown.stdout


def test_a_build_from_elsewhere_is_recorded_although_the_set_is_the_same(made: BuiltSet) -> None:
    moved = made.pages.with_name("moved")
    made.pages.rename(moved)
    before = (made.folder / "manifest.json").read_bytes()
    pace = json.loads((made.folder / "provenance.json").read_bytes())["build"]
    assert made.build(f"source.root={moved}").made == 0
    assert (made.folder / "manifest.json").read_bytes() == before
    assert json.loads((made.folder / "provenance.json").read_bytes())["build"] == pace
    assert examine(made.folder).verdict == "valid"


def test_a_relative_source_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = built_set(tmp_path)
    monkeypatch.chdir(made.pages.parent)
    made.build("source.root=pages")
    monkeypatch.chdir("/")
    assert examine(made.folder).verdict == "valid"


def test_the_command_names_a_configuration_that_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built_set(tmp_path)
    made.add_pages(6)
    monkeypatch.chdir(made.config.parent)
    command = ["pipeline.build", "--config", made.config.name, "--out", str(made.folder)]
    build(load_settings(BuildConfig, made.config), made.folder, command=command)
    made.add_pages(7)
    monkeypatch.chdir("/")
    words = shlex.split(examine(made.folder).validity.command)
    assert words[words.index("--config") + 1] == str(made.config)


def test_quarantined_samples_are_counted_by_reason(tmp_path: Path) -> None:
    made = built_set(tmp_path, runtime={"workers": 1, "max_quarantined": 1.0})
    for number in (0, 1):
        (made.pages / f"train/page_{number}.jpg").unlink()
    (made.pages / "train/page_2.jpg").write_bytes(b"not an image\xcc")
    made.build()
    contents = examine(made.folder).contents
    assert contents is not None
    assert list(contents.quarantined.values()) == [2, 1]
    assert [*contents.quarantined][1].endswith("image, found a file that begins otherwise")
    assert "page_" not in "".join(contents.quarantined)
    assert "does not exist" in next(iter(contents.quarantined))
    assert examine(made.folder).verdict == "valid"


def test_orphans_are_listed_and_no_fault(made: BuiltSet) -> None:
    (made.folder / "shards/old.tar").write_bytes(bytes(1500))
    found = examine(made.folder)
    assert found.orphans == (Orphan("shards/old.tar", 1500),)
    assert found.verdict == "valid"
    text = told(found)
    assert "orphans      1, 1.5 kB: shards/old.tar" in text
    assert f"python -m pipeline.clean {made.folder}" in text


def test_who_is_building_is_told(made: BuiltSet) -> None:
    with locked(made.folder):
        assert f"process {os.getpid()}" in (examine(made.folder).building or "")
        assert "building     now, by process" in told(examine(made.folder))
    assert examine(made.folder).building is None
    (made.folder / ".lock").write_text("process 1 on a host that was switched off\n")
    assert examine(made.folder).building is None
    with locked(made.folder):
        pass


def test_an_unfinished_build_and_a_damaged_manifest_are_no_sets(made: BuiltSet) -> None:
    path = made.folder / "manifest.json"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"train", b"traim", 1))
    damaged = examine(made.folder)
    assert (damaged.verdict, damaged.healthy, damaged.contents) == ("no set", False, None)
    assert "checksum" in (damaged.fault or "")
    path.write_bytes(data.replace(b'"version":1', b'"version":2'))
    assert "version 2" in (examine(made.folder).fault or "")
    path.unlink()
    unfinished = examine(made.folder)
    lines = [line.strip() for line in told(unfinished).splitlines()]
    assert lines[1].startswith("why          no set of shards in")
    assert lines[2:4] == ["expected:  manifest.json", "found:     an unfinished build"]
    assert health(made).return_value == 1


def test_the_last_verification_is_told_until_the_set_changes(made: BuiltSet) -> None:
    assert "verified     never since it was last built" in told(examine(made.folder))
    invoke(verify, made.folder, "--deep")
    found = examine(made.folder)
    assert found.verified is not None and found.verified.deep and found.verified_current
    assert re.search(r"verified     \d+ s ago, every sample decoded: sound", told(found))
    assert made.build().made == 0
    assert examine(made.folder).verified_current
    note = (made.folder / VERIFIED).read_bytes()
    made.build("targets.shrink_ratio=0.5")
    assert examine(made.folder).verified is None
    (made.folder / VERIFIED).write_bytes(note)  # as when a folder is copied over another
    assert "but the set has changed since" in told(examine(made.folder))


def test_a_verification_that_found_damage_makes_a_set_unhealthy_until_it_is_mended(made: BuiltSet) -> None:
    victim = made.shard_files(".tar")[0]
    stat = victim.stat()
    data = bytearray(victim.read_bytes())
    data[700] ^= 1
    victim.write_bytes(data)
    os.utime(victim, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert examine(made.folder).verdict == "valid"  # neither size nor time tells it
    assert invoke(verify, made.folder).return_value == 1
    found = examine(made.folder)
    assert (found.verdict, found.verified and found.verified.problems) == ("damaged", {"damaged": 1})
    assert made.build(paranoid=True).made == 1
    assert examine(made.folder).verdict == "valid"


def test_a_folder_that_cannot_be_written_to_is_verified_all_the_same(
    made: BuiltSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("formats.checks.verified.write_whole", refuse)
    assert invoke(verify, made.folder).return_value == 0
    assert not (made.folder / VERIFIED).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"time": 1}', '{"a": 1}', "\x00"])
def test_a_note_that_is_none_is_none(made: BuiltSet, text: str) -> None:
    (made.folder / VERIFIED).write_text(text)
    assert examine(made.folder).verified is None


def test_sets_are_found_in_folders_of_sets(made: BuiltSet, tmp_path: Path) -> None:
    other = made.folder.parent / "b"
    shutil.copytree(made.folder, other)
    (made.folder.parent / "notes").mkdir()
    assert find_sets([made.folder.parent]) == [other, made.folder]
    assert find_sets([made.folder, made.folder.parent]) == [made.folder, other]
    for wrong in (tmp_path / "absent", made.folder.parent / "notes", made.config):
        with pytest.raises(UsageError):
            find_sets([wrong])
    (other / "manifest.json").unlink()
    shown = invoke(main, made.folder.parent)
    assert shown.return_value == 1
    assert [line for line in shown.stdout.splitlines() if not line.startswith(" ") and line] == [
        f"{other}: no set",
        f"{made.folder}: valid",
    ]


@pytest.mark.parametrize("name", ["manifest.json", "shards/*.json"])
def test_a_set_that_may_not_be_read_leaves_the_others_told(
    made: BuiltSet, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = made.folder.parent / "b"
    shutil.copytree(made.folder, other)
    refuse_reading(monkeypatch, min(other.glob(name)))
    shown = invoke(main, made.folder.parent)
    assert shown.return_value == 1
    lines = shown.stdout.splitlines()
    assert (lines[0], f"{made.folder}: valid" in lines) == (f"{other}: no set", True)
    assert "permission denied" in shown.stdout.lower() and "pipeline.build" not in shown.stdout


def test_a_folder_that_may_not_be_looked_into_is_told(
    made: BuiltSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = made.folder.parent / "closed"
    closed.mkdir()
    looking = Path.is_file

    def refused(path: Path) -> bool:
        if path.parent == closed:
            raise PermissionError
        return looking(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert find_sets([made.folder.parent]) == [closed, made.folder]


def test_the_json_is_as_documented(made: BuiltSet) -> None:
    invoke(verify, made.folder)
    (made.folder / "shards/old.tar").write_bytes(b"1")
    made.shard_files(".tar")[-1].unlink()
    shown = health(made, "--json")
    record = json.loads(shown.stdout)
    assert (shown.return_value, record["healthy"], set(record)) == (1, False, {"healthy", "sets"})
    found = record["sets"][0]
    assert set(found) == {"verdict", "healthy", *(field.name for field in fields(SetHealth))}
    section = DOC[DOC.index("`python -m pipeline.health DIR... --json`") :].partition("\n\n`python")[0]
    words = set(re.findall(r"`(\w+)`", section))
    kinds = (SetHealth, Contents, RecordedValidity, StoredBytes, Orphan, Verification)
    assert {field.name for kind in kinds for field in fields(kind)} | {"verdict", "healthy", "sets"} <= words
    note = DOC[DOC.index("`.verified.json`") :].partition("\n\n")[0]
    assert {field.name for field in fields(Verification)} <= set(re.findall(r"`(\w+)`", note))


def test_colours_are_for_terminals_only(made: BuiltSet) -> None:
    assert "\x1b[" in human_text(examine(made.folder))
    assert "\x1b[" not in health(made).stdout
