from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import formats.pictures.picture
from formats.levels import PROB_LEVEL
from formats.pictures.lettering import strip
from formats.pictures.palette import IGNORED, PROB, TEXT
from formats.pictures.picture import View, draw_texts, page_view, sample_figure, save_png
from formats.sample import DistanceMaps, Meta, Sample, Text, Variant


def _box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


CARE, SMALL = _box(20, 40, 120, 70), _box(30, 200, 60, 206)


def _sample(*texts: Text) -> Sample:
    """A page of 300 x 160 on a canvas of 320 x 256: the rest is padding."""
    image_HWC = np.zeros((320, 256, 3), np.uint8)
    image_HWC[:300, :160] = 230
    distance_HW = np.zeros((320, 256), np.uint8)
    distance_HW[50:60, 30:110] = PROB_LEVEL
    mask_HW = np.ones((320, 256), np.uint8)
    mask_HW[200:207, 30:61] = 0
    meta = Meta("folder/page.jpg", "train", (600, 320), np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]), texts)
    return Sample(image_HWC, DistanceMaps(distance_HW, None, mask_HW), meta)


SAMPLE = _sample(Text(CARE, 2 * CARE, "care"), Text(SMALL, 2 * SMALL, "too_small"))


def _near(picture: np.ndarray, color: tuple[int, int, int], within: int = 8) -> np.ndarray:
    return (np.abs(picture.astype(int) - color) <= within).all(axis=2)


def test_texts_are_green_if_they_count_and_purple_if_not() -> None:
    drawn = draw_texts(SAMPLE.image_HWC, SAMPLE, width=3.0)
    assert _near(drawn[40, 25:115][None], TEXT).all()
    green, purple = (np.nonzero(_near(drawn, color)) for color in (TEXT, IGNORED))
    assert green[0].max() < 75
    assert purple[0].min() > 190


def test_a_view_maps_points_as_it_maps_pixels() -> None:
    image_HWC = np.zeros((40, 60, 3), np.uint8)
    image_HWC[20, 30] = 255
    view = View(10, 15, 25, 40, 3.0)
    bright = view.page(image_HWC)[..., 0].astype(float)
    rows, columns = np.mgrid[: bright.shape[0], : bright.shape[1]]
    centre = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()
    assert centre == pytest.approx(view.points(np.array([[30.0, 20.0]]))[0], abs=0.05)
    assert view.holds(np.array([[30.0, 20.0], [14.0, 20.0], [30.0, 36.0]])).tolist() == [True, False, False]


def test_the_figure_shows_the_page_without_its_padding() -> None:
    figure = sample_figure(SAMPLE, 0.4)
    assert figure.dtype == np.uint8
    assert figure.shape[1] <= 2000
    assert _near(figure, (0, 0, 0), 60).mean(axis=0).max() < 0.3


def test_the_figure_of_a_variant_shows_its_whole_canvas_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved = replace(SAMPLE, meta=replace(SAMPLE.meta, variant=Variant(1, np.eye(3), 0.0, 0.0, None)))
    assert page_view(moved, 320, 320) == View(0, 0, 320, 256, 1.0)
    titles = []
    monkeypatch.setattr(
        formats.pictures.picture, "strip", lambda text, *rest: titles.append(text) or strip(text, *rest)
    )
    sample_figure(moved, 0.4)
    assert "folder/page.jpg#v1" in titles


def test_the_figure_has_each_map_in_its_own_panel() -> None:
    figure = sample_figure(SAMPLE, 0.4)
    panels = figure[200:-150]
    blue = _near(panels, tuple(round(0.8 * c + 0.2 * 240) for c in PROB), 14).sum(axis=0)
    quarter = figure.shape[1] // 4
    shares = [blue[i * quarter : (i + 1) * quarter].sum() for i in range(4)]
    assert shares[1] > 1000
    assert shares[1] > 20 * max(shares[0], shares[2], shares[3])


def test_another_ratio_shows_another_map() -> None:
    stored = SAMPLE.maps
    assert isinstance(stored, DistanceMaps)
    sample = replace(
        SAMPLE, maps=replace(stored, distance_HW=np.where(stored.distance_HW, 215, 0).astype(np.uint8))
    )
    assert not np.array_equal(sample_figure(sample, 0.4), sample_figure(sample, 0.4, ratio=0.6))
    with pytest.raises(ValueError, match="cannot be read"):
        sample_figure(sample, 0.4, ratio=0.2)


def test_planes_give_the_same_figure_as_the_distance_plane() -> None:
    assert isinstance(SAMPLE.maps, DistanceMaps)
    planes = replace(SAMPLE, maps=SAMPLE.maps.target_maps(0.4))
    assert np.array_equal(sample_figure(planes, 0.4), sample_figure(SAMPLE, 0.4))


def test_a_page_without_texts_and_a_wide_one_have_figures() -> None:
    assert sample_figure(_sample(), 0.4).ndim == 3
    wide = replace(SAMPLE, meta=replace(SAMPLE.meta, source_size=(40, 512)))
    assert sample_figure(wide, 0.4).shape[1] <= 2000
    lost = Text(np.empty((0, 2)), np.empty((0, 2)), "degenerate")
    assert sample_figure(_sample(lost), 0.4).ndim == 3


def test_the_same_sample_gives_the_same_png(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / name, sample_figure(SAMPLE, 0.4))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), sample_figure(SAMPLE, 0.4))


def test_pictures_need_neither_opencv_nor_matplotlib() -> None:
    names = "{'cv2', 'torch', 'numba', 'matplotlib'}"
    code = f"import sys, formats.pictures.picture; print(*{names} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
