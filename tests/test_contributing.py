"""The worked example of CONTRIBUTING.md works: its file and its row make a label format."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from made_pages import made_page

from formats.errors import UsageError
from pipeline.sources import FORMATS, SourceSettings, read_annotations
from train.evaluate import main
from train.scoring import PROTOCOLS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_a_label_format_is_one_file_and_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    row = re.search(r'`"(\w+)": "([^"]+)"`', PAGE)
    assert row is not None
    module = ModuleType(f"pipeline.sources.{row[1]}")
    exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(FORMATS, row[1], row[2])
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(made_page(number))
    lines = ["0.jpg;10;8;90;28;a; b", "0.jpg;12;40;120;60;###", "1.jpg;12;40;oh;60;c"]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    found = read_annotations(SourceSettings(format=row[1], root=tmp_path, splits={"train": "train.txt"}))
    (page,) = found.records
    assert [(text.text, text.dont_care) for text in page.texts] == [("a; b", False), ("###", True)]
    assert page.texts[0].polygon_V2.tolist() == [[10, 8], [90, 8], [90, 28], [10, 28]]
    assert page.annotation == "train.txt"
    (bad,) = found.rejected
    assert bad.where == "train.txt:3"
    assert "expected x0;y0;x1;y1;text" in bad.reason
    absolute = {"train": str(tmp_path / "train.txt")}
    again = read_annotations(SourceSettings(format=row[1], root=tmp_path, splits=absolute))
    assert (again.records, again.rejected) == (found.records, found.rejected), "a path of this machine"


def test_a_metric_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gt", "res"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_1.txt").write_text("0,0,9,0,9,9,0,9,word\n")
    words = [f"--ground-truth={tmp_path / 'gt'}", f"--detections={tmp_path / 'res'}", "--protocol=mine"]
    with pytest.raises(UsageError, match="one of: icdar2015, polygon, cleval, total_text"):
        CliRunner().invoke(main, words, catch_exceptions=False)
    monkeypatch.setitem(PROTOCOLS, "mine", PROTOCOLS["icdar2015"])
    known = CliRunner().invoke(main, [*words, "--json"])
    assert json.loads(known.stdout)["metrics"]["mine"]["hmean"] == 1.0


def test_files_it_points_to_hold_what_it_says() -> None:
    for name, path in re.findall(r"`([A-Z_]{4,})`(?: of `([a-z_/]+\.py)`)?", PAGE):
        assert not path or f"\n{name}" in (ROOT / path).read_text(), (name, path)
