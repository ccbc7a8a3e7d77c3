"""The note of a verification: what it says, of which manifest, and that nothing depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from encoded_sets import MadeSet, load_shards

from formats.checks.sets import verify_set
from formats.checks.verified import (
    VERIFIED,
    Verification,
    last_verification,
    manifest_bytes,
    note_verification,
)
from formats.fingerprint import sha256
from formats.manifest_files import read_set_manifest


def verified(folder: Path, *, deep: bool = False) -> Verification | None:
    data = manifest_bytes(folder)
    note_verification(folder, verify_set(folder, deep=deep), data, began=0.0)
    return last_verification(folder)


def test_a_sound_set(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    assert last_verification(folder) is None
    done = verified(folder, deep=True)
    assert done == Verification(
        time="1970-01-01T00:00:00Z",
        deep=True,
        problems={},
        fingerprint=read_set_manifest(folder).fingerprint,
        manifest=sha256((folder / "manifest.json").read_bytes()),
    )
    assert done is not None and done.current(folder)
    assert verify_set(folder).problems == ()  # the note is no stranger


def test_problems_are_counted_by_kind(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    first, second = load_shards(folder)
    (folder / first.files[0].path).unlink()
    path = folder / second.files[0].path
    path.write_bytes(path.read_bytes()[:-1])
    (folder / "shards/a.tar").touch()
    (folder / "shards/b.tar").touch()
    done = verified(folder)
    assert done is not None and done.problems == {"missing": 1, "damaged": 1, "extra": 2}


def test_it_is_of_the_manifest_that_was_looked_at(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    report, before = verify_set(folder), manifest_bytes(folder)
    (folder / "manifest.json").write_bytes(before + b"\n")
    note_verification(folder, report, before, began=0.0)
    done = last_verification(folder)
    assert done is not None and not done.current(folder)


def test_a_manifest_that_cannot_be_read_has_no_fingerprint(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"train", b"traim"))
    done = verified(folder)
    assert done is not None
    assert (done.fingerprint, done.problems) == (None, {"damaged": 1})


@pytest.mark.parametrize(
    "change", [{"time": "yesterday"}, {"problems": 3}, {"problems": {"a": "b"}}, {"more": 1}]
)
def test_what_is_no_note_is_none(fresh: Callable[..., MadeSet], change: dict[str, object]) -> None:
    folder = fresh("tar").folder
    verified(folder)
    path = folder / VERIFIED
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert last_verification(folder) is None


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert manifest_bytes(tmp_path / "absent") == b""
    assert last_verification(tmp_path / "absent") is None
