"""What a verification finds, a build repairs; what is not a set's, it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from built_set import built_set
from made_pages import made_config, made_page, made_pages
from refused_reading import refuse_reading
from set_content import content

from formats.checks.sets import verify_set
from formats.checks.verified import VERIFIED
from formats.errors import UsageError
from formats.fingerprint import canonical, sha256
from formats.settings import validate_settings
from pipeline.assemble import BuildReport, build
from pipeline.config import BuildConfig
from pipeline.stat_cache import STAT_CACHE


def run(folder: Path, root: Path, *, paranoid: bool = False, **sections: dict[str, object]) -> BuildReport:
    config = validate_settings(BuildConfig, made_config(root, **sections), "test")
    return build(config, folder, paranoid=paranoid, command=["test"])


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return made_pages(tmp_path / "pages", 6)


def first(folder: Path, pattern: str) -> Path:
    return sorted(path for path in folder.glob(pattern) if path.is_file())[0]


def flip(path: Path, position: int) -> None:
    """Flip a bit in place, leaving the file's times as they are: what a failing disk does."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


ZARR = ("a chunk file is gone", "a flipped zarr.json")
DAMAGE: dict[str, tuple[str, int, Callable[[Path], object]]] = {
    "a data file is gone": ("missing", 1, lambda s: first(s, "shards/*.tar").unlink()),
    "a chunk file is gone": ("missing", 1, lambda s: first(s, "shards/*.zarr/image/c/0").unlink()),
    "a shard's manifest is gone": ("missing", 1, lambda s: first(s, "shards/*.json").unlink()),
    "a flipped data file": ("damaged", 1, lambda s: flip(first(s, "shards/*.tar"), 700)),
    "a flipped zarr.json": ("damaged", 1, lambda s: flip(first(s, "shards/*.zarr/zarr.json"), 40)),
    "a flipped shard's manifest": ("damaged", 1, lambda s: flip(first(s, "shards/*.json"), 900)),
    "a shard cut short": ("damaged", 1, lambda s: os.truncate(first(s, "shards/*.tar"), 100)),
    "a flipped set's manifest": ("damaged", 0, lambda s: flip(s / "manifest.json", 900)),
    "another ledger": ("inconsistent", 0, lambda s: (s / "quarantine.jsonl").write_text("{}\n")),
    "a strange file": ("extra", 0, lambda s: (s / "shards/strange.tar").write_bytes(b"x")),
    "a half-written file": ("extra", 0, lambda s: (s / "manifest.json.9.partial").write_bytes(b"x")),
}
"""What happened: the kind of problem it is, how many shards are made again, and how it is done."""


@pytest.mark.parametrize("what", DAMAGE)
def test_a_build_repairs_what_verify_finds(tmp_path: Path, pages: Path, what: str) -> None:
    kind, made, strike = DAMAGE[what]
    encoding: dict[str, object] = {"container": "zarr" if what in ZARR else "tar"}
    run(tmp_path / "set", pages, encoding=encoding)
    whole = content(tmp_path / "set")
    strike(tmp_path / "set")
    assert {problem.kind for problem in verify_set(tmp_path / "set").problems} == {kind}
    assert run(tmp_path / "set", pages, paranoid=True, encoding=encoding).made == made
    assert content(tmp_path / "set") == whole
    assert not verify_set(tmp_path / "set", deep=True).problems


def test_a_flipped_version_is_no_other_version(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    whole = content(tmp_path / "set")
    manifest = tmp_path / "set/manifest.json"
    flip(manifest, manifest.read_bytes().rindex(b'"version":1') + len(b'"version":'))
    assert b'"version":5' in manifest.read_bytes()
    assert run(tmp_path / "set", pages).made == 0
    assert content(tmp_path / "set") == whole


@pytest.mark.parametrize("pattern", ["shards/*.tar", "shards/*.json"])
def test_what_verify_found_is_read_again_whatever_its_time(tmp_path: Path, pages: Path, pattern: str) -> None:
    run(tmp_path / "set", pages)
    whole = content(tmp_path / "set")
    flip(first(tmp_path / "set", pattern), 800)
    verify = [sys.executable, "-m", "formats.verify", str(tmp_path / "set")]
    assert run(tmp_path / "set", pages).made == (0 if pattern.endswith("tar") else 1)
    flip(first(tmp_path / "set", "shards/*.tar"), 900)
    assert subprocess.run(verify, capture_output=True).returncode == 1
    assert run(tmp_path / "set", pages).made == 1
    assert content(tmp_path / "set") == whole
    assert not (tmp_path / "set" / VERIFIED).exists()
    assert subprocess.run(verify, capture_output=True).returncode == 0


def test_provenance_that_is_gone_is_written_again(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    (tmp_path / "set/provenance.json").unlink()
    assert run(tmp_path / "set", pages).made == 0
    assert json.loads((tmp_path / "set/provenance.json").read_bytes())["command"] == ["test"]


def test_no_bit_of_an_unfinished_shard_is_believed(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    whole = content(tmp_path / "set")
    (tmp_path / "set/manifest.json").unlink()
    victim = first(tmp_path / "set", "shards/*.json")
    counts = victim.read_bytes().index(b'"texts":{"care":[') + 17
    victim.write_bytes(victim.read_bytes()[:counts] + b"3" + victim.read_bytes()[counts + 1 :])
    assert run(tmp_path / "set", pages).made == 1
    assert content(tmp_path / "set") == whole


@pytest.mark.parametrize("limit", [9_000, 12_287, 12_288, 12_289])
def test_the_page_limit_is_not_remembered_by_shards(tmp_path: Path, pages: Path, limit: int) -> None:
    (pages / "train/page_2.jpg").write_bytes(made_page(2, (90, 100)))
    allowed = {"workers": 1, "max_quarantined": 1.0}
    wide, narrow = made_config(pages)["source"], made_config(pages)["source"]
    assert isinstance(wide, dict) and isinstance(narrow, dict)
    narrow["max_pixels"] = limit
    for order, (before, after) in {"down": (wide, narrow), "up": (narrow, wide)}.items():
        run(tmp_path / order, pages, source=before, runtime=allowed)
        report = run(tmp_path / order, pages, source=after, runtime=allowed)
        run(tmp_path / f"fresh {order}", pages, source=after, runtime=allowed)
        assert content(tmp_path / order) == content(tmp_path / f"fresh {order}")
        few = 1 if limit < 12_288 else 6
        assert report.manifest.splits == {"train": few if after is narrow else 6}


def test_a_flipped_stat_cache_costs_time_only(tmp_path: Path, pages: Path) -> None:
    for path in pages.rglob("*.jpg"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    run(tmp_path / "set", pages)
    whole = content(tmp_path / "set")
    cache = tmp_path / "set" / STAT_CACHE
    assert b"page_3.jpg" in cache.read_bytes()
    for position in range(0, cache.stat().st_size, 97):
        flip(cache, position)
        assert run(tmp_path / "set", pages).made == 0
        assert content(tmp_path / "set") == whole


def test_what_is_no_set_is_left_alone(tmp_path: Path, pages: Path) -> None:
    (tmp_path / "mine/shards").mkdir(parents=True)
    (tmp_path / "mine/shards/photos.tar").write_bytes(b"mine")
    with pytest.raises(UsageError, match="no build has written"):
        run(tmp_path / "mine", pages)
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["shards", "photos.tar"]
    before = {path: path.read_bytes() for path in pages.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"train, train_list\.txt.* that no build has written"):
        run(pages, pages)
    assert {path: path.read_bytes() for path in pages.rglob("*") if path.is_file()} == before


def test_a_build_killed_before_it_held_its_folder_is_no_stranger(tmp_path: Path, pages: Path) -> None:
    (tmp_path / "mine/shards").mkdir(parents=True)
    assert run(tmp_path / "mine", pages).made


@pytest.mark.parametrize("version", [2, None])
def test_another_manifest_is_not_replaced(tmp_path: Path, pages: Path, version: int | None) -> None:
    run(tmp_path / "set", pages)
    manifest = tmp_path / "set/manifest.json"
    values = json.loads(manifest.read_bytes()) | {"version": version}
    rest = b'",' + canonical({name: value for name, value in values.items() if name != "checksum"})[1:]
    other = b'{"checksum":"' + sha256(rest).encode() + rest if version else b'{"name": "a web site"}'
    manifest.write_bytes(other)
    before = content(tmp_path / "set")
    with pytest.raises(UsageError, match="version 1" if version else "no manifest") as caught:
        run(tmp_path / "set", pages)
    assert "name another --out" in caught.value.next_step
    assert content(tmp_path / "set") == before


def test_a_shard_that_may_not_be_read_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built_set(tmp_path)
    for victim in (made.shard_files(".tar")[0], made.shard_files(".json")[0], made.folder / "manifest.json"):
        (made.folder / ".stat-cache.json").unlink(missing_ok=True)
        before = {path: path.read_bytes() for path in made.shard_files("")}
        refuse_reading(monkeypatch, victim)
        with pytest.raises(UsageError, match=f"cannot use {victim}") as caught:
            made.build()
        assert caught.value.found == "permission denied" and caught.value.exit_code == 2
        monkeypatch.undo()
        assert {path: path.read_bytes() for path in made.shard_files("")} == before
