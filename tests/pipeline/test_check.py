"""``pipeline.build --check``: what it tells of a set, its exit codes, and that it touches nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from built_set import BuiltSet, built_set, invoke, snapshot
from made_pages import made_page

from formats.errors import SetError, StorageError, TextshardsError, UsageError
from pipeline.build import main
from pipeline.examine import examine
from pipeline.existing import locked


@pytest.fixture
def made(tmp_path: Path) -> BuiltSet:
    return built_set(tmp_path)


def check(made: BuiltSet, *words: str) -> Any:
    return invoke(main, "--config", made.config, "--out", made.folder, "--check", *words)


def as_json(made: BuiltSet, *words: str) -> dict[str, Any]:
    return dict(json.loads(check(made, "--json", *words).stdout))


def test_the_real_command_ends_with_its_codes_and_touches_nothing(made: BuiltSet) -> None:
    (made.folder / ".lock").unlink()
    before = snapshot(made.folder.parent)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.build", "--check", "--config", str(made.config)]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    valid = run("--out", str(made.folder))
    assert (valid.returncode, valid.stderr) == (0, "")
    assert valid.stdout.startswith(f"{made.folder}: valid, sha256-ts1:")
    stale = run("--out", str(made.folder), "targets.shrink_ratio=0.5")
    assert stale.returncode == 1
    assert "targets.shrink_ratio  0.4 -> 0.5" in stale.stdout
    assert stale.stdout.endswith("next step: the same command without --check builds what is needed\n")
    assert "pipeline.build" not in stale.stdout
    absent = run("--out", str(made.folder.parent / "absent"))
    assert absent.returncode == 1
    assert "no set of shards" in absent.stderr and "without --check builds it" in absent.stderr
    usage = run("--out", str(made.folder), "targets.shrink_ration=0.5")
    assert usage.returncode == 2
    assert "Traceback" not in valid.stderr + stale.stderr + absent.stderr + usage.stderr
    assert snapshot(made.folder.parent) == before


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("geometry.pad_color=[9,9,9]", "geometry"),
        ("targets.thresh_max=0.8", "targets"),
        ("encoding.jpeg_quality=70", "encoding"),
        ("layout.samples_per_shard=3", "layout"),
    ],
)
def test_the_changed_setting_is_named(made: BuiltSet, word: str, part: str) -> None:
    before = snapshot(made.folder)
    told = check(made, word)
    name, _, value = word.partition("=")
    assert told.return_value == 1
    assert name in told.stdout
    assert f"different in {part}" in told.stdout
    assert value.replace(",", ", ") in told.stdout
    found = as_json(made, word)
    assert ([change["field"] for change in found["settings"]], found["valid"]) == ([name], False)
    assert snapshot(made.folder) == before


def change_image(made: BuiltSet) -> None:
    (made.pages / "train/page_3.jpg").write_bytes(made_page(99))


def change_coordinate(made: BuiltSet) -> None:
    path = made.pages / "train/page_3.txt"
    path.write_text(path.read_text().replace("10,8,", "11,8,", 1))


def add_page(made: BuiltSet) -> None:
    made.add_pages(6)


def remove_page(made: BuiltSet) -> None:
    path = made.pages / "train_list.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "page_3" not in line))


@pytest.mark.parametrize(
    ("change", "kind", "key"),
    [
        (change_image, "changed", "train/page_3.jpg"),
        (change_coordinate, "changed", "train/page_3.jpg"),
        (add_page, "added", "train/page_5.jpg"),
        (remove_page, "removed", "train/page_3.jpg"),
    ],
)
def test_the_sample_is_named(made: BuiltSet, change: Callable[[BuiltSet], None], kind: str, key: str) -> None:
    change(made)
    before = snapshot(made.folder)
    told, found = check(made), as_json(made)
    assert told.return_value == 1
    assert f"1 sample {kind}" in told.stdout and key in told.stdout
    counts = {name: found["samples"][name]["count"] for name in ("added", "removed", "changed")}
    assert counts == {"added": 0, "removed": 0, "changed": 0} | {kind: 1}
    assert found["samples"][kind]["keys"] == [key]
    assert found["parts"] == ["source"]
    assert len(found["shards"]["rebuild"]) <= 2
    assert found["shards"]["kept"] >= 1
    assert snapshot(made.folder) == before
    made.build()
    assert check(made).return_value == 0


@pytest.mark.parametrize("how", ["flipped", "short", "gone", "manifest gone"])
def test_a_broken_shard_is_told_and_made_again(made: BuiltSet, how: str) -> None:
    victim = made.shard_files(".json" if how == "manifest gone" else ".tar")[0]
    data = victim.read_bytes()
    if how == "flipped":
        victim.write_bytes(data[:700] + bytes([data[700] ^ 4]) + data[701:])
    elif how == "short":
        victim.write_bytes(data[:-512])
    else:
        victim.unlink()
    before = snapshot(made.folder)
    told = check(made)
    assert told.return_value == 1
    assert f"1 shard is missing or damaged on disk: {victim.stem}" in told.stdout
    found = as_json(made)
    assert (found["same"], found["valid"], found["broken"]) == (True, False, [victim.stem])
    assert snapshot(made.folder) == before
    assert made.build().made == 1
    assert check(made).return_value == 0
    assert victim.read_bytes() == data


UNREADABLE = b"\xff\xd8\xff\xe0" + bytes(200)
"""Begins as a JPEG does: that it is none shows when it is decoded."""


def with_unusable(tmp_path: Path, *numbers: int) -> BuiltSet:
    made = built_set(
        tmp_path, layout={"samples_per_shard": 8}, runtime={"workers": 1, "max_quarantined": 1.0}
    )
    for number in numbers:
        (made.pages / f"train/page_{number}.jpg").write_bytes(UNREADABLE)
    report = made.build()
    assert sum(shard.quarantined for shard in report.manifest.shards) == len(numbers)  # by rendering them
    return made


def add_other_page(made: BuiltSet) -> None:
    (made.pages / "train/other.jpg").write_bytes(made_page(9))
    with (made.pages / "train_list.txt").open("a") as file:
        file.write("train/other.jpg\ttrain/page_3.txt\n")


@pytest.mark.parametrize("change", [change_coordinate, add_other_page, remove_page])
def test_a_page_that_was_unusable_and_has_not_changed_still_is(
    tmp_path: Path, change: Callable[[BuiltSet], None]
) -> None:
    made = with_unusable(tmp_path, 1, 2)
    assert check(made).return_value == 0
    change(made)
    found = as_json(made)
    assert found["parts"] == ["source"]
    assert found["quarantined"] == {name: {"count": 0, "keys": []} for name in ("added", "removed")}
    assert "page_1" not in json.dumps(found) and "page_2" not in json.dumps(found)
    planned = check(made).stdout
    report = made.build()
    assert [row.key for row in report.manifest.quarantined] == ["train/page_1.jpg", "train/page_2.jpg"]
    assert f"{report.made_samples + 2} samples," in planned


@pytest.mark.parametrize("word", ["targets.shrink_ratio=0.5", "layout.samples_per_shard=2"])
def test_another_setting_makes_no_page_usable(tmp_path: Path, word: str) -> None:
    made = with_unusable(tmp_path, 1)
    assert "page_1" not in check(made, word).stdout


def test_an_unusable_page_that_has_changed_is_tried_again(tmp_path: Path) -> None:
    made = with_unusable(tmp_path, 1)
    (made.pages / "train/page_1.jpg").write_bytes(made_page(1))
    assert as_json(made)["quarantined"]["removed"]["keys"] == ["train/page_1.jpg"]
    told = check(made).stdout
    assert "1 sample quarantined, to be tried again" in told and "added" not in told
    assert examine(made.folder).validity.why == ("1 quarantined, to be tried again: train/page_1.jpg",)


def test_damage_is_told_of_a_shard_that_a_build_would_replace(made: BuiltSet) -> None:
    victim = made.shard_files(".tar")[0]
    victim.write_bytes(victim.read_bytes()[:-512])
    told = check(made, "targets.shrink_ratio=0.5").stdout
    assert "different in targets" in told
    assert f"1 shard is missing or damaged on disk: {victim.stem}" in told


def test_a_set_that_is_stale_and_broken_is_still_compared(made: BuiltSet) -> None:
    change_image(made)
    for manifest in made.shard_files(".json"):
        manifest.unlink()
    told = check(made)
    assert told.return_value == 1
    assert "different in source" in told.stdout
    assert "missing or damaged" in told.stdout


def test_a_file_with_the_same_size_and_time_is_believed_unless_paranoid(made: BuiltSet) -> None:

    path = made.pages / "train/page_3.jpg"
    os.utime(path, ns=(1, 1))
    made.build()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    assert check(made).return_value == 0
    assert check(made, "--paranoid").return_value == 1


def test_the_json_is_that_of_a_diff_and_more(made: BuiltSet) -> None:
    from formats.diff import compare_paths
    from formats.diff_text import as_json as diff_json

    same = as_json(made)
    assert same["valid"] and same["same"]
    assert set(same) == {*diff_json(compare_paths(made.folder, made.folder)), "valid", "broken", "why"}
    assert same["why"] is None
    assert same["cost"]["samples"] == 0


@pytest.mark.parametrize("how", ["absent", "cut", "flipped", "empty folder"])
def test_where_there_is_no_set_the_json_has_the_same_fields(made: BuiltSet, how: str) -> None:
    fields, path = as_json(made).keys(), made.folder / "manifest.json"
    data = path.read_bytes()
    if how in ("absent", "empty folder"):
        path.unlink()
    else:
        path.write_bytes(data[:200] if how == "cut" else data.replace(b"train", b"traim", 1))
    if how == "empty folder":
        shutil.rmtree(made.folder)
        made.folder.mkdir()
    before = snapshot(made.folder)
    told = check(made, "--json")
    found = json.loads(told.stdout)
    assert told.return_value == 1 and found.keys() == fields
    assert (found["same"], found["valid"], found["broken"]) == (False, False, [])
    assert found["a"]["fingerprint"] is None and str(made.folder) in found["why"]
    assert found["b"]["samples"] == 5
    # What stands needs its manifest only; of nothing, all is to be made.
    standing = how != "empty folder"
    assert (found["shards"]["kept"] > 0, found["cost"]["samples"]) == (standing, 0 if standing else 5)
    assert snapshot(made.folder) == before
    assert made.build().made_samples == found["cost"]["samples"]


def test_another_version_is_refused_as_a_build_refuses_it(made: BuiltSet) -> None:
    path = made.folder / "manifest.json"
    path.write_text('{"format": "textshards-set", "version": 99}')
    for words in ((), ("--json",)):
        with pytest.raises(UsageError, match=r"manifest\.json"):
            check(made, *words)


def test_storage_that_does_not_answer_keeps_it_from_telling(
    made: BuiltSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StorageError("reading s3://pages/set/manifest.json")

    for name in ("check", "check_whatever"):
        monkeypatch.setattr(f"pipeline.check.{name}", silent)
    assert check(made).return_value == check(made, "--json").return_value == 2


def test_a_set_that_cannot_be_written_to_needs_no_build_where_it_is_valid(
    made: BuiltSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--config", made.config, "--out", made.folder)
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    monkeypatch.setattr("pipeline.assemble.build", lambda *_, **__: pytest.fail("it was built"))
    before = snapshot(made.folder)
    assert "nothing: every shard stands" in invoke(main, *words).stdout
    assert snapshot(made.folder) == before
    with locked(made.folder), pytest.raises(TextshardsError, match="being built by another process"):
        invoke(main, *words)
    for stale in (("--force",), ("targets.shrink_ratio=0.5",)):
        with pytest.raises(pytest.fail.Exception, match="it was built"):
            invoke(main, *words, *stale)


def test_a_damaged_manifest_is_no_set_to_compare(made: BuiltSet) -> None:
    path = made.folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"train", b"traim", 1))
    with pytest.raises(SetError, match=r"manifest\.json"):
        check(made)


def test_where_a_build_would_end_with_an_error_that_is_told(made: BuiltSet) -> None:
    (made.pages / "train/page_1.jpg").unlink()
    assert "next step: 1 of 5 pages cannot be used, more than a build bears" in check(made).stdout
    with pytest.raises(TextshardsError, match="1 of 5 samples cannot be used"):
        made.build()
    bearing = "runtime.max_quarantined=0.5"
    assert "next step: the same command without --check" in check(made, bearing).stdout
    assert made.build(bearing).manifest.splits == {"train": 4}
