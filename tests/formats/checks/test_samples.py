"""Samples that are whole and wrong: each rule of the deep verification, broken once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_sets import CANVAS, MadeSet, load_shards, rewrite_shard, write_set
from made_set import made_sample

from formats.checks.samples import Box, check_maps, check_meta, covered
from formats.checks.sets import verify_set
from formats.manifest import SetSettings
from formats.sample import DistanceMaps, Meta, Sample, Text
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec

SETTINGS = SetSettings(
    geometry=GeometrySpec(canvas=CANVAS),
    targets=TargetsSpec(),
    encoding=EncodingSpec(),
    layout=LayoutSpec(),
    renderer=1,
)
SAMPLE = made_sample(0, CANVAS)
COUNTS = {"care": 3, "dont_care": 1}


def maps() -> DistanceMaps:
    assert isinstance(SAMPLE.maps, DistanceMaps)
    return SAMPLE.maps


def found(sample_maps: Any = None, meta: Meta = SAMPLE.meta, settings: SetSettings = SETTINGS) -> list[str]:
    return [finding.expected for finding in check_maps(sample_maps or maps(), meta, settings)]


@pytest.mark.parametrize("number", range(6))
def test_true_samples_pass(number: int) -> None:
    sample = made_sample(number, CANVAS)
    assert found(sample.maps, sample.meta) == []
    assert found(sample.maps.target_maps(0.4), sample.meta) == []


def test_maps_of_another_page() -> None:
    turned = DistanceMaps(*(np.ascontiguousarray(plane[::-1]) for plane in vars(maps()).values()))
    assert {text.partition(" ")[0] for text in found(turned)} >= {"prob", "prob_mask"}


def test_maps_of_another_ratio_reach_too_far() -> None:
    targets = SETTINGS.targets.model_copy(update={"shrink_ratio": 0.9})
    assert found(settings=SETTINGS.model_copy(update={"targets": targets})) == [
        "thresh_mask only around them"
    ]


@pytest.mark.parametrize(
    ("plane", "value", "expected"),
    [
        ("prob_HW", 1, "prob only inside thresh_mask"),
        ("thresh_HW", 9, "thresh only inside thresh_mask"),
        ("thresh_mask_HW", 1, "thresh_mask only around them"),
        ("prob_mask_HW", 0, "prob_mask 0 only in ignored texts"),
    ],
)
def test_a_pixel_out_of_place(plane: str, value: int, expected: str) -> None:
    read = maps().target_maps(0.4)
    changed_HW = getattr(read, plane).copy()
    changed_HW[1, 1] = value
    assert expected in found(replace(read, **{plane: changed_HW}))


def test_overlap_beyond_the_level() -> None:
    overlap_HW = np.full(CANVAS, 255, np.uint8)
    assert "overlap at most" in found(replace(maps(), overlap_HW=overlap_HW))[0]


def test_a_text_without_a_pixel() -> None:
    tiny = Text(np.array([[2.0, 2], [3, 2], [3, 3]]), np.zeros((0, 2)), "care")
    meta = replace(SAMPLE.meta, texts=(*SAMPLE.meta.texts, tiny))
    assert found(meta=meta) == ["prob in every text to learn"]
    # Of a text that reaches out of the canvas, what is left after the shrink may lie outside.
    reaching = replace(tiny, polygon_V2=tiny.polygon_V2 - [2.6, 0])
    assert found(meta=replace(meta, texts=(*SAMPLE.meta.texts, reaching))) == []
    keep = SETTINGS.targets.model_copy(update={"empty_shrink": "keep"})
    assert found(meta=meta, settings=SETTINGS.model_copy(update={"targets": keep})) == []


def meta_findings(**fields: Any) -> list[str]:
    meta = replace(SAMPLE.meta, **fields)
    return [finding.expected for finding in check_meta(meta, SAMPLE.meta.key, "train", COUNTS)]


def test_meta_against_the_index() -> None:
    first = SAMPLE.meta.texts[0]
    moved = replace(first, polygon_V2=first.polygon_V2 + 0.01)
    assert meta_findings() == []
    assert meta_findings(key="other") == [f"key {SAMPLE.meta.key} as in the index"]
    assert meta_findings(split="test") == ["split train as in the index"]
    assert meta_findings(texts=()) == [f"texts {COUNTS} as in the index"]
    assert meta_findings(to_canvas_23=np.zeros((2, 3))) == ["a matrix that can be inverted"]
    assert "where the matrix takes" in meta_findings(texts=(moved, *SAMPLE.meta.texts[1:]))[0]
    odd = replace(SAMPLE.meta.texts[-1], status="unreadable")
    assert any(text.startswith("statuses among") for text in meta_findings(texts=(odd,)))
    flat = replace(first, polygon_V2=first.polygon_V2[:2])
    assert "text 0: three finite vertices or more" in meta_findings(texts=(flat,))


@pytest.mark.parametrize("container", ["tar", "zarr"])
def test_a_set_tells_which_sample(tmp_path: Path, container: str) -> None:
    wrong = replace(SAMPLE, maps=replace(maps(), distance_HW=np.roll(maps().distance_HW, 30, axis=0)))
    right = made_sample(1, CANVAS)
    samples: list[Sample] = [replace(wrong, meta=replace(wrong.meta, key="wrong.jpg")), right]
    made = write_set(tmp_path / "set", EncodingSpec(container=container), samples=samples)
    assert verify_set(made.folder).problems == ()
    problems = verify_set(made.folder, deep=True).problems
    assert {(problem.kind, problem.key) for problem in problems} == {("inconsistent", "wrong.jpg")}


def test_index_that_counts_other_texts(fresh: Callable[..., MadeSet]) -> None:
    folder = fresh("tar").folder
    shard = load_shards(folder)[0]
    texts = shard.samples.texts | {"care": [count + 1 for count in shard.samples.texts["care"]]}
    samples = shard.samples.model_copy(update={"texts": texts})
    rewrite_shard(folder, shard.model_copy(update={"samples": samples}))
    problems = verify_set(folder, deep=True).problems
    assert [problem.key for problem in problems] == shard.samples.keys


def test_boxes() -> None:
    box = Box.around(np.array([[2.2, 3.0], [4.6, 3.5]]), 1.0)
    assert box == Box(top=2, bottom=6, left=1, right=7)
    assert Box.around(np.array([[-9.0, -9.0], [-5.0, -5.0]]), 1.0).cut(np.ones((8, 8), np.uint8)).size == 0
    assert Box.around(np.array([[np.nan, 1.0]]), 1.0) == Box(0, 0, 0, 0)
    assert covered([box], (8, 8)).sum() == 4 * 6
