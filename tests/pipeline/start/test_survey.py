"""Which canvas suits a source, from the sizes of its pages and texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_pages import made_pages

from pipeline.sources import SourceSettings, read_annotations
from pipeline.start.survey import Survey, survey


def made(sizes: list[tuple[int, int]], sides: list[float]) -> Survey:
    texts = tuple(np.array(sides) for _ in sizes)
    return Survey(len(sizes), np.array(sizes, np.int64).reshape(-1, 2), texts, Counter())


def test_a_text_is_lost_where_the_canvas_makes_it_too_small() -> None:
    found = made([(1280, 640)], [8.0, 15.9, 16.1, 40.0])
    assert found.lost((1280, 640)) == 0.0
    assert found.lost((640, 320)) == 0.5


def test_the_smallest_canvas_on_which_few_are_lost_is_taken() -> None:
    assert made([(1280, 640)], [16.1]).canvas() == (640, 320)
    assert made([(1280, 640)], [8.1]).canvas() == (1280, 640)
    assert made([(1280, 640)], [1.0]).canvas() == (640, 320)  # none helps: the cheapest


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ([(1000, 500)] * 10, (640, 320)),
        ([(500, 1000)] * 10, (320, 640)),
        ([(1000, 500)] * 5 + [(500, 1000)] * 5, (640, 640)),
    ],
)
def test_the_canvas_is_shaped_like_the_pages(sizes: list[tuple[int, int]], shape: tuple[int, int]) -> None:
    found = made(sizes, [100.0]).canvas()
    assert found == shape


def test_pages_are_measured_without_decoding_and_unreadable_ones_left_out(tmp_path: Path) -> None:
    made_pages(tmp_path, 4)
    (tmp_path / "train" / "page_2.jpg").write_bytes(b"no image")
    settings = SourceSettings(format="icdar", root=tmp_path, splits={"train": "train_list.txt"})
    found = survey(read_annotations(settings).records)
    assert found.pages == 3
    assert found.sizes_N2.tolist() == [[96, 128]] * 3
    assert [sorted(sides.tolist()) for sides in found.texts] == [[4.0, 20.0, 20.0]] * 3
    assert found.transcriptions["###"] == 3


def test_pages_of_another_size_than_stated_are_told(tmp_path: Path) -> None:
    made_pages(tmp_path, 3)
    settings = SourceSettings(format="icdar", root=tmp_path, splits={"train": "train_list.txt"})
    sizes = [None, (96, 128), (128, 96)]
    records = [
        replace(record, stated_size=size)
        for record, size in zip(read_annotations(settings).records, sizes, strict=True)
    ]
    assert survey(records).other_sizes == ("train/page_2.jpg",)
