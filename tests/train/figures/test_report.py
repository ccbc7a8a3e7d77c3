from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from formats.pictures.picture import save_png
from train.figures.report import ReportRow, write_report

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects a page's text, attributes and tags; an end tag that closes no open one is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def _row(key: str, score: float, size: tuple[int, int] = (60, 40), note: str = "") -> ReportRow:
    picture = np.full((*size, 3), (10, 120, 200), np.uint8)
    return ReportRow(key, score, {"precision": 0.5, "texts": 7}, picture, note)


def _read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def page(tmp_path: Path) -> Reader:
    save_png(tmp_path / "curves.png", np.zeros((20, 30, 3), np.uint8))
    rows = [_row("b.jpg", 0.9), _row("a.jpg", 0.25, note="two lines joined"), _row("c.jpg", 0.25)]
    summary = {"H-mean": 0.91234, "pages": 3, "checkpoint": "best.pt"}
    plots = {"losses and scores": tmp_path / "curves.png"}
    write_report(tmp_path / "out.html", "Quickstart", summary, rows, intro="Trained here.", plots=plots)
    return _read(tmp_path / "out.html")


def test_everything_said_is_there(page: Reader) -> None:
    for word in (
        "Quickstart",
        "Trained here.",
        "0.912",
        "best.pt",
        "two lines joined",
        "losses and scores",
        "found",
    ):
        assert word in page.text


def test_the_worst_page_stands_first_and_the_table_links_to_its_picture(page: Reader) -> None:
    alts = [alt for alt in page.all("alt") if alt.endswith(".jpg")]
    assert alts == ["a.jpg", "c.jpg", "b.jpg"]
    assert [f"#{name}" for name in page.all("id")] == page.all("href")
    assert page.tags.count("tr") == 4


def test_nothing_is_fetched_and_nothing_runs(page: Reader, tmp_path: Path) -> None:
    assert all(url.startswith("data:image/") for url in page.all("src"))
    assert all(url.startswith("#page-") for url in page.all("href"))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    source = (tmp_path / "out.html").read_text()
    assert "http://" not in source
    assert "https://" not in source
    assert "url(" not in source
    assert "@import" not in source


def test_it_suits_dark_screens_and_phones(page: Reader, tmp_path: Path) -> None:
    assert "width=device-width, initial-scale=1" in page.all("content")
    assert "prefers-color-scheme: dark" in (tmp_path / "out.html").read_text()


def test_pictures_are_the_ones_given_and_never_too_large(tmp_path: Path) -> None:
    write_report(tmp_path / "out.html", "t", {}, [_row("big.jpg", 0.5, (4000, 1000))])
    reader = _read(tmp_path / "out.html")
    url = reader.all("src")[0]
    image = simplejpeg.decode_jpeg(base64.b64decode(url.split(",")[1]))
    assert image.shape == (1200, 300, 3)
    assert (reader.all("height"), reader.all("width")) == (["1200"], ["300"])
    assert np.abs(image.astype(int) - (10, 120, 200)).max() < 12


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    evil = "\"><script>alert(1)</script>&amp;'{style}"
    rows = [ReportRow(evil, 0.1, {evil: evil}, np.zeros((8, 8, 3), np.uint8), note=evil)]
    save_png(tmp_path / "p.png", np.zeros((8, 8, 3), np.uint8))
    plots = {evil: tmp_path / "p.png"}
    legend = [(evil, (1, 2, 3))]
    write_report(
        tmp_path / "out.html",
        evil,
        {evil: evil},
        rows,
        intro=evil,
        score_name=evil,
        plots=plots,
        legend=legend,
    )
    reader = _read(tmp_path / "out.html")
    assert "script" not in reader.tags
    assert reader.text.count(evil) >= 12
    assert reader.all("alt") == [evil, evil]


def test_no_pages_make_a_page_of_figures(tmp_path: Path) -> None:
    write_report(tmp_path / "out.html", "Empty", {"H-mean": 0.0}, [])
    reader = _read(tmp_path / "out.html")
    assert "0.000" in reader.text
    assert "table" not in reader.tags


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [_row(f"{n}.jpg", 0.5) for n in range(4)]
    write_report(tmp_path / "a.html", "t", {"n": 1}, rows)
    write_report(tmp_path / "b.html", "t", {"n": 1}, rows[::-1])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
