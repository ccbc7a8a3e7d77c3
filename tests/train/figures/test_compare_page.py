from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_run_folder import made_run_folder

from formats.pictures.palette import CYCLE, hex_of
from formats.runs.diff import Comparison, compare_runs
from formats.runs.record import read_run
from train.figures.compare_page import curves, write_comparison


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    words = [("seed=1",), ("seed=2",), ("seed=1", "optim.lr=0.5"), ("seed=2", "optim.lr=0.5")]
    made = [made_run_folder(tmp_path / f"run{number}", *each) for number, each in enumerate(words)]
    killed = made_run_folder(tmp_path / "killed", hmeans=(), finished=None)
    config = (killed / "config.yaml").read_text()
    (killed / "config.yaml").write_text(config.replace("exp_name: killed", "exp_name: <i>&"))
    return [*made, killed]


def comparison(folders: list[Path]) -> Comparison:
    return compare_runs([read_run(folder) for folder in folders])


def test_the_page_stands_alone(folders: list[Path], tmp_path: Path) -> None:
    write_comparison(comparison(folders), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    assert "<script" not in page
    assert "&lt;i&gt;&amp; is unfinished" in page
    assert "<i>" not in page
    for text in ("optim.lr", "run3", "CLEval, last", "0.8000"):
        assert text in page, text


def test_the_page_is_the_same_whatever_the_order(folders: list[Path], tmp_path: Path) -> None:
    write_comparison(comparison(folders), tmp_path / "one.html")
    write_comparison(comparison(folders[::-1]), tmp_path / "other.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_a_colour_a_run_and_a_kind_of_line_a_setting(folders: list[Path]) -> None:
    compared = comparison(folders)
    loss, hmean, cleval = curves(compared).axes
    assert [axes.get_ylabel() for axes in (loss, hmean, cleval)] == ["loss", "hmean", "cleval/hmean"]
    for axes in (loss, hmean, cleval):
        lines = {str(line.get_label()): line for line in axes.lines}
        assert list(lines) == list(compared.runs)
        colors = [line.get_color() for line in lines.values()]
        assert colors == [hex_of(color) for color in CYCLE[: len(colors)]]
        for setting in compared.settings:
            assert len({lines[label].get_linestyle() for label in setting.runs}) == 1
        assert len({line.get_linestyle() for line in lines.values()}) == len(compared.settings)
    assert list(hmean.lines[0].get_ydata()) == [0.5, 0.8, 0.7]
    assert list(hmean.lines[0].get_xdata()) == [10, 20, 30]
