from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import shapely
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from formats.levels import offset_level
from train.boxes import BoxSettings, Detections, boxes_from_probability, to_source

RATIO = 0.4
EXACT = BoxSettings(unclip="exact")


def exact_map(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """The probability map by its definition, by shapely: {inside and d >= D}."""
    prob_HW = np.zeros((height, width), np.float32)
    for polygon_V2 in polygons:
        text = shapely.Polygon(polygon_V2)
        D = offset_level(RATIO) * text.area / text.length
        x0, y0, x1, y1 = (int(side) for side in text.bounds)
        y, x = np.mgrid[max(y0, 0) : min(y1 + 2, height), max(x0, 0) : min(x1 + 2, width)]
        inside = shapely.contains_xy(text, x, y)
        inside[inside] = shapely.distance(shapely.points(x[inside], y[inside]), text.exterior) >= D
        prob_HW[y[inside], x[inside]] = 1.0
    return prob_HW


@lru_cache
def receipts(data: Path, longest: int, count: int = 6) -> list[tuple[list[np.ndarray], int, int]]:
    """Texts of real pages scaled so that the longest side has so many pixels; height, width."""
    pages = []
    for line in (data / "sroie/test_list.txt").read_text().splitlines()[:count]:
        image, truth = line.split("\t")
        height, width, *_ = simplejpeg.decode_jpeg_header((data / "sroie" / image).read_bytes())
        scale = longest / max(height, width)
        rows = (data / "sroie" / truth).read_text("utf-8", errors="replace").splitlines()
        quads = [np.array(row.split(",")[:8], float).reshape(4, 2) for row in rows if row.strip()]
        moved = [(quad_42 + 0.5) * scale - 0.5 for quad_42 in quads]
        kept = [quad_42 for quad_42 in moved if shapely.Polygon(quad_42).area > 0.0]
        pages.append((kept, round(height * scale), round(width * scale)))
    return pages


def curved(data: Path) -> list[np.ndarray]:
    """Valid polygons of Total-Text with more than four vertices."""
    rows = [
        row
        for path in sorted((data / "totaltext/gt").iterdir())
        for row in path.read_text("utf-8-sig").splitlines()
    ]
    values = [row.split(",")[:-1] for row in rows if row.count(",") >= 12]
    polygons = [np.array(value[: len(value) // 2 * 2], float).reshape(-1, 2) for value in values]
    return [polygon_V2 for polygon_V2 in polygons if shapely.Polygon(polygon_V2).is_valid]


def best_iou(truth: list[np.ndarray], found: Detections) -> np.ndarray:
    regions = [shapely.make_valid(shapely.Polygon(polygon_V2)) for polygon_V2 in found.polygons]
    best = []
    for polygon_V2 in truth:
        text = shapely.make_valid(shapely.Polygon(polygon_V2))
        best.append(max((text.intersection(box).area / text.union(box).area for box in regions), default=0.0))
    return np.array(best)


@pytest.mark.parametrize(("longest", "mean"), [(640, 0.89), (1280, 0.94)])
@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_exact_maps_of_receipts_give_their_texts_back(
    shared_data: Path, longest: int, mean: float, shape: str
) -> None:
    iou = {}
    for unclip in (1.5, 2.0, "exact"):
        settings = BoxSettings(unclip=unclip, shape=shape)
        found = [
            best_iou(quads, boxes_from_probability(exact_map(quads, height, width), settings, RATIO))
            for quads, height, width in receipts(shared_data, longest)
        ]
        iou[unclip] = np.concatenate(found)
    assert iou["exact"].mean() > mean
    assert (iou["exact"] > 0.5).mean() > 0.99
    assert (iou["exact"] > 0.7).mean() > 0.98
    assert iou["exact"].mean() > max(iou[1.5].mean(), iou[2.0].mean()) + 0.08


def test_exact_maps_of_curved_texts_give_their_outlines_back(shared_data: Path) -> None:
    settings = BoxSettings(unclip="exact", shape="polygon")
    iou = []
    polygons = curved(shared_data)
    for polygon_V2 in polygons:
        width, height = polygon_V2.max(axis=0).astype(int) + 5
        found = boxes_from_probability(exact_map([polygon_V2], height, width), settings, RATIO)
        iou.append(best_iou([polygon_V2], found)[0])
    assert len(polygons) >= 5
    assert np.mean(iou) > 0.92
    assert min(iou) > 0.8


def test_a_block_of_pixels_is_as_wide_as_its_pixels_and_lies_on_their_centres() -> None:
    prob_HW = np.zeros((60, 80), np.float32)
    prob_HW[20:30, 10:50] = 0.9
    found = boxes_from_probability(prob_HW, BoxSettings(unclip=1.0), RATIO)
    D = 40 * 10 / 100
    corners = [[9.5 - D, 19.5 - D], [49.5 + D, 19.5 - D], [49.5 + D, 29.5 + D], [9.5 - D, 29.5 + D]]
    assert len(found) == 1
    np.testing.assert_allclose(found.polygons[0], corners, atol=1e-4)
    assert found.scores == pytest.approx([0.9])


def test_bytes_give_what_floats_give() -> None:
    random = np.random.default_rng(3)
    apart = np.pad(np.ones((9, 13), np.uint8), 2)
    bytes_HW = np.kron(random.integers(0, 256, (12, 12), np.uint8), apart)
    from_bytes = boxes_from_probability(bytes_HW, EXACT, RATIO)
    from_floats = boxes_from_probability((bytes_HW / 255.0).astype(np.float32), EXACT, RATIO)
    assert len(from_bytes) == len(from_floats) > 3
    np.testing.assert_allclose(from_bytes.scores, from_floats.scores, rtol=1e-6)
    np.testing.assert_allclose(np.stack(from_bytes.polygons), np.stack(from_floats.polygons))


def blocks(values: list[float], size: int = 6) -> np.ndarray:
    """A column of blocks, each of one probability, in a map that is 0 elsewhere."""
    prob_HW = np.zeros((20 * len(values) + 20, 60), np.float32)
    for index, value in enumerate(values):
        prob_HW[20 * index + 10 : 20 * index + 10 + size, 10:50] = value
    return prob_HW


def test_regions_are_judged_by_their_mean_and_the_best_come_first() -> None:
    found = boxes_from_probability(blocks([0.5, 0.35, 0.95, 0.29, 0.7]), BoxSettings(), RATIO)
    assert found.scores == pytest.approx([0.95, 0.7, 0.5])
    tops = [polygon_V2[:, 1].mean() for polygon_V2 in found.polygons]
    assert tops == pytest.approx([52.5, 92.5, 12.5])


@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_of_too_many_the_best_are_kept(shape: str) -> None:
    values = [0.5, 0.9, 0.6, 0.8, 0.7]
    found = boxes_from_probability(blocks(values), BoxSettings(max_boxes=2, shape=shape), RATIO)  # type: ignore[arg-type]
    assert found.scores == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_the_least_size_is_asked_of_the_box_not_of_the_strip(shape: str) -> None:
    strip_HW = blocks([0.9], size=2)  # the shrunk form of a line some 7 px high
    prob_HW = strip_HW.copy()
    prob_HW[2, 2] = 0.9
    found = boxes_from_probability(prob_HW, BoxSettings(unclip="exact", shape=shape), RATIO)  # type: ignore[arg-type]
    assert len(found) == 1
    assert np.ptp(found.polygons[0][:, 1]) > 7.0


def test_a_text_in_the_hole_of_another_is_found_and_the_hole_is_not() -> None:
    prob_HW = np.zeros((80, 80), np.float32)
    prob_HW[10:70, 10:70] = 1.0
    prob_HW[16:64, 16:64] = 0.0
    prob_HW[35:45, 30:50] = 1.0
    sizes = [
        np.ptp(quad_42, axis=0).max()
        for quad_42 in boxes_from_probability(prob_HW, BoxSettings(unclip=0.1), RATIO).polygons
    ]
    assert sorted(round(size) for size in sizes) == [21, 62]


@pytest.mark.parametrize("shape", ["quad", "polygon"])
def test_an_empty_map_has_no_boxes(shape: str) -> None:
    found = boxes_from_probability(np.zeros((32, 64), np.float32), BoxSettings(shape=shape), RATIO)  # type: ignore[arg-type]
    assert len(found) == 0
    assert found.scores.shape == (0,)
    assert len(to_source(found, np.eye(2, 3), (10, 10))) == 0


@given(st.integers(0, 2**32 - 1))
def test_noise_gives_finite_boxes_of_both_shapes(seed: int) -> None:
    prob_HW = np.random.default_rng(seed).random((24, 24), np.float32)
    for shape in ("quad", "polygon"):
        for unclip in (2.0, "exact"):
            settings = BoxSettings(threshold=0.6, unclip=unclip, min_size=0.0, shape=shape)  # type: ignore[arg-type]
            found = boxes_from_probability(prob_HW, settings, RATIO)
            assert len(found) == len(found.scores) > 0
            assert all(len(polygon_V2) >= 3 for polygon_V2 in found.polygons)
            assert all(np.isfinite(polygon_V2).all() for polygon_V2 in found.polygons)
            assert (np.diff(found.scores) <= 0).all()
            assert ((found.scores >= 0.4) & (found.scores <= 1.0)).all()


def test_boxes_go_back_through_the_matrix_onto_the_page() -> None:
    quad_42 = np.array([[-3.0, 4.0], [30.0, 4.0], [30.0, 12.0], [-3.0, 12.0]])
    matrix_23 = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]])
    found = Detections((quad_42,), np.array([0.8]))
    moved = to_source(found, matrix_23)
    np.testing.assert_allclose(moved.polygons[0], quad_42 * 2 + 0.5)
    clipped = to_source(found, matrix_23, (22, 50))
    np.testing.assert_allclose(clipped.polygons[0], [[0, 8.5], [49, 8.5], [49, 21], [0, 21]])
    assert clipped.scores is found.scores


@pytest.mark.parametrize("unclip", [0.0, -1.0, "about", float("nan")])
def test_an_unclip_that_is_none_is_refused(unclip: object) -> None:
    with pytest.raises(ValidationError):
        BoxSettings(unclip=unclip)  # type: ignore[arg-type]


def test_a_box_of_just_the_least_size_is_kept() -> None:
    (quad_42,) = boxes_from_probability(blocks([0.9]), EXACT, RATIO).polygons
    side = float(np.linalg.norm(np.diff(quad_42[:3], axis=0), axis=1).min())
    for least, count in ((side, 1), (side + 1e-6, 0)):
        settings = EXACT.model_copy(update={"min_size": least})
        assert len(boxes_from_probability(blocks([0.9]), settings, RATIO)) == count
