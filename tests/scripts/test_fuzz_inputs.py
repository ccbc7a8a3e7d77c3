"""A few hundred of the cases of scripts/fuzz_inputs, and that a fault would be told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
BROKEN = """
        if number == 1:
            sys.exit(9)
        while number == 2:
            time.sleep(1)
        try:
            assert number, "made to fail"
"""


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    words = [sys.executable, str(SCRIPTS / "fuzz_inputs"), "--cases", "400", "--seed", "11", "--json"]
    done = subprocess.run([*words, "--data", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_no_case_is_at_fault(cases: list[dict[str, Any]]) -> None:
    assert len(cases) == 400
    assert not [case for case in cases if case["fault"]]
    assert max(case["seconds"] for case in cases) < 10


def test_cases_of_every_kind_are_refused_and_used(cases: list[dict[str, Any]]) -> None:
    kinds = {case["kind"] for case in cases}
    assert kinds == {
        *("image", "annotation", "polygon", "configuration", "name", "folder", "manifest", "set", "note"),
    }
    for kind in kinds - {"note", "folder"}:
        assert len({case["outcome"] for case in cases if case["kind"] == kind}) > 1, kind


def test_a_case_is_made_from_its_number_alone(cases: list[dict[str, Any]]) -> None:
    for case in cases[:2]:
        words = [sys.executable, str(SCRIPTS / "fuzz_inputs"), "--only", str(case["number"]), "--seed", "11"]
        done = subprocess.run([*words, "--data", "nowhere"], capture_output=True, text=True)
        assert f"outcome='{case['outcome']}'" in done.stdout


def test_a_crash_and_a_hang_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "scripts"
    broken.mkdir()
    for path in SCRIPTS.iterdir():
        (broken / path.name).symlink_to(path)
    for name in ("formats", "pipeline", "tests"):
        (tmp_path / name).symlink_to(SCRIPTS.parent / name)
    script = broken / "fuzz_inputs"
    text = script.read_text(encoding="utf-8").replace("LOST_S = 60.0", "LOST_S = 8.0")
    text = text.replace("        try:\n            outcome = self", BROKEN + "            outcome = self")
    script.unlink()
    script.write_text(text, encoding="utf-8")
    words = [sys.executable, str(script), "--cases", "4", "--json", "--data", "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    faults = [case["fault"] for case in json.loads(done.stdout)]
    assert "made to fail" in faults[0]
    assert faults[1:] == ["the process died: 9", "no end after 8 s", ""]
