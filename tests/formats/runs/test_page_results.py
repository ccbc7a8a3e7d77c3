from __future__ import annotations

import json
from pathlib import Path

import pytest

from formats.errors import DamageError
from formats.runs.page_results import PageResult, PageResults, read_heading, read_page_results, write_page_results

BOX = ((1.5, 2.0), (9.0, 2.0), (9.0, 7.5))
PAGE = PageResult("a.jpg", 0.5, 1.0, 1 / 3, (BOX, BOX), (0.9, 0.4), (0,), (1,), (2, 3))
RESULTS = PageResults(70, "icdar2015", "hmean", 0.5, {"a.jpg": PAGE})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_page_results(tmp_path / "pages.jsonl", RESULTS)
    assert read_page_results(tmp_path / "pages.jsonl") == RESULTS
    assert read_heading(tmp_path / "pages.jsonl") == (70, "hmean", 0.5)


def test_no_file_is_no_result(tmp_path: Path) -> None:
    assert read_page_results(tmp_path / "pages.jsonl") is None
    assert read_heading(tmp_path / "pages.jsonl") is None


@pytest.mark.parametrize(
    "change", [{"matched": [2]}, {"scores": [0.9]}, {"found": [[1]]}, {"key": None, "hmean": "x"}]
)
def test_damage_is_told(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "pages.jsonl"
    write_page_results(path, RESULTS)
    heading, page = path.read_text().splitlines()
    path.write_text(f"{heading}\n{json.dumps(json.loads(page) | change)}\n")
    with pytest.raises(DamageError, match=r"pages\.jsonl"):
        read_page_results(path)


@pytest.mark.parametrize("text", ["", "{}\n", "no json\n", '{"format": "other", "step": 1, "value": 1}\n'])
def test_another_file_is_damage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text(text)
    with pytest.raises(DamageError):
        read_page_results(path)
