from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from built_set import BuiltSet, built_set

from pipeline.building import NOTE, BuildProgress, progress_note, read_progress
from pipeline.examine import examine
from pipeline.existing import locked
from pipeline.health_text import human_text


def test_a_note_tells_how_far_a_build_has_come_and_goes_with_it(tmp_path: Path) -> None:
    with progress_note(tmp_path, 10, 2) as note:
        assert read_progress(tmp_path) == BuildProgress(0, 10, 0, 2, 0.0)
        note._told = -1e9
        note.advance(4)
        told = read_progress(tmp_path)
        assert told is not None and (told.samples, told.shards) == (4, 1)
        assert told.seconds_left == pytest.approx(1.5 * told.seconds)
    assert [*tmp_path.iterdir()] == []


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with progress_note(tmp_path / "gone", 1, 1) as note:
        note.advance(1)


WRONG = json.dumps({"samples": "x", "of_samples": 1, "shards": 1, "of_shards": 1, "seconds": 1})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"samples": 1}', WRONG])
def test_another_file_is_no_note(tmp_path: Path, text: str) -> None:
    (tmp_path / NOTE).write_text(text)
    assert read_progress(tmp_path) is None


def test_health_tells_the_progress_of_a_running_build_alone(tmp_path: Path) -> None:
    made = built_set(tmp_path)
    (made.folder / NOTE).write_text(json.dumps(vars(BuildProgress(3, 10, 1, 2, 6.0))))
    assert examine(made.folder, sources=False).progress is None
    with locked(made.folder):
        found = examine(made.folder, sources=False)
        assert found.progress == BuildProgress(3, 10, 1, 2, 6.0)
        assert "3 of 10 pages rendered, 1 of 2 shards, about 14 s left" in human_text(found)
    made.build()
    assert not (made.folder / NOTE).exists()


def test_a_build_in_a_process_of_its_own_is_seen_and_leaves_no_note(tmp_path: Path) -> None:
    made = built_set(tmp_path, count=40, layout={"samples_per_shard": 1})
    seen = watched_rebuild(made)
    assert seen, "no note was seen while the build ran"
    assert all(note.of_samples == 40 for note in seen)
    assert not (made.folder / NOTE).exists()


def watched_rebuild(made: BuiltSet) -> list[BuildProgress]:
    words = [sys.executable, "-m", "pipeline.build", "--config", str(made.config), "--out", str(made.folder)]
    seen = []
    with subprocess.Popen(
        [*words, "--force", "--workers", "1"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as build:
        while build.poll() is None:
            note = read_progress(made.folder)
            if note is not None:
                seen.append(note)
            time.sleep(0.005)
    assert build.returncode == 0
    return seen
