"""The replay of the accident on made pages: every command ends as it should, and a faulty one is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_pages import BOXES, made_page

SCRIPT = Path(__file__).parents[2] / "scripts" / "replay_accident"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pages and UFO annotations laid out as the real ones are."""
    words = {
        f"{number:04}": {"points": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]}
        for number, (x0, y0, x1, y1) in enumerate(BOXES)
    }
    (tmp_path / "formats/ufo").mkdir(parents=True)
    for split, count in (("train", 8), ("test", 2)):
        images = tmp_path / "sroie" / split / "images"
        images.mkdir(parents=True)
        for number in range(count):
            (images / f"{split}_{number}.jpg").write_bytes(made_page(number))
        pages = {path.name: {"words": words} for path in images.iterdir()}
        (tmp_path / f"formats/ufo/{split}.json").write_text(json.dumps({"images": pages}))
    return tmp_path


def replay(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--data", str(data), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_change_is_refused_told_mended_and_learnt_from(data: Path, tmp_path: Path) -> None:
    doc = tmp_path / "doc.md"
    doc.write_text("before\n<!-- transcript: scripts/replay_accident -->\nold\n<!-- end -->\nafter\n")
    done = replay(data, "--doc", str(doc))
    assert done.returncode == 0, done.stderr
    refused = done.stdout.index(
        "expected:  targets.shrink_ratio = 0.3\n  found:     targets.shrink_ratio = 0.4"
    )
    checked = done.stdout.index("targets.shrink_ratio  0.4 -> 0.3")
    learnt = done.stdout.index("finished: 1 epochs")
    healthy = done.stdout.index("sets/receipts: valid")
    assert refused < checked < learnt < healthy
    assert str(tmp_path) not in done.stdout
    assert doc.read_text() == (
        f"before\n<!-- transcript: scripts/replay_accident -->\n{done.stdout}<!-- end -->\nafter\n"
    )


def test_a_command_that_ends_otherwise_ends_the_replay(data: Path, tmp_path: Path) -> None:
    (data / "formats/ufo/train.json").write_text("{}")
    doc = tmp_path / "doc.md"
    doc.write_text("untouched")
    done = replay(data, "--doc", str(doc))
    assert done.returncode == 1
    assert 'expected:  UFO JSON: {"images"' in done.stderr
    assert doc.read_text() == "untouched"
