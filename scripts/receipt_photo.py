"""A photograph or scan of a sheet: paper, folds, light, background, a slight turn, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from receipt_sheet import PlacedText, Sheet

Floats = NDArray[np.float32]

BACKGROUNDS = (
    (96, 66, 44),
    (150, 112, 76),
    (52, 54, 60),
    (44, 66, 92),
    (66, 88, 70),
    (168, 160, 148),
    (120, 52, 48),
)


@dataclass(frozen=True)
class Photo:
    """A page: (H, W, 3) uint8 RGB, and its texts in the page's pixels."""

    image_HWC: NDArray[np.uint8]
    texts: tuple[PlacedText, ...]


def photograph(rng: np.random.Generator, sheet: Sheet) -> Photo:
    """Return a photo of the sheet; its texts' polygons go through the same projective map as its pixels."""
    paper_HWC = _paper(rng, sheet.image_HWC)
    height, width, matrix_33 = _view(rng, *sheet.image_HWC.shape[:2])
    page_HWC = _background(rng, height, width)
    warped_HWC = cv2.warpPerspective(paper_HWC, matrix_33, (width, height), flags=cv2.INTER_LINEAR)
    solid_HW = np.full(sheet.image_HWC.shape[:2], 1.0, np.float32)
    cover_HW = cv2.warpPerspective(solid_HW, matrix_33, (width, height), flags=cv2.INTER_LINEAR)
    page_HWC *= (1.0 - 0.55 * _shadow(rng, cover_HW))[..., None]
    page_HWC = page_HWC * (1.0 - cover_HW[..., None]) + warped_HWC
    texts = tuple(
        PlacedText(_project(matrix_33, placed.polygon_42), placed.text, placed.illegible)
        for placed in sheet.texts
    )
    return Photo(_expose(rng, page_HWC), texts)


def _smooth(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> Floats:
    """Return (height, width) noise of mean 0 and range about -1 to 1 with `cells` bumps down and across."""
    coarse = (2.0 * rng.random(cells) - 1.0).astype(np.float32)
    fine: Floats = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return fine


def _paper(rng: np.random.Generator, ink_HWC: NDArray[np.uint8]) -> Floats:
    """Return the sheet as paper: (H, W, 3) float32, 0..255, with texture, worn print and folds."""
    height, width = ink_HWC.shape[:2]
    white = np.array([1.0, rng.uniform(0.97, 1.0), rng.uniform(0.9, 1.0)], np.float32) * rng.uniform(225, 250)
    grain_HW = 1.0 + 0.012 * _smooth(rng, height, width, (height // 3, width // 3))
    grain_HW += 0.03 * _smooth(rng, height, width, (6, 4))
    for _ in range(rng.choice(3, p=(0.5, 0.35, 0.15))):
        grain_HW *= _fold(rng, height)[:, None]
    worn_HW = np.clip(0.12 + 0.25 * _smooth(rng, height, width, (7, 5)), 0.0, 0.35)
    ink_HWC1 = ink_HWC.astype(np.float32) / 255.0
    ink_HWC1 += (1.0 - ink_HWC1) * worn_HW[..., None]
    paper_HWC: Floats = ink_HWC1 * grain_HW[..., None] * white
    return paper_HWC


def _fold(rng: np.random.Generator, height: int) -> Floats:
    """Return the light along a sheet that was folded once across: a crease between two leanings."""
    distance = (np.arange(height) - height * rng.uniform(0.2, 0.8)) / height
    crease = 1.0 - rng.uniform(0.08, 0.2) * np.exp(-((distance * 260.0) ** 2))
    lean = 1.0 + rng.uniform(-0.07, 0.07) * np.sign(distance) * np.exp(-np.abs(distance) * 7.0)
    return (crease * lean).astype(np.float32)


def _view(rng: np.random.Generator, height: int, width: int) -> tuple[int, int, NDArray[np.float64]]:
    """Return the page's height and width, and the (3, 3) map from the sheet's points to the page's."""
    degrees = rng.choice((rng.uniform(-1.0, 1.0), rng.uniform(-7.0, 7.0)), p=(0.5, 0.5))
    squeeze = rng.uniform(0.88, 1.0)
    turn = np.deg2rad(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners_42 = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64) - 0.5
    seen_42 = (corners_42 * (squeeze, 1.0)) @ axes + rng.uniform(-0.008, 0.008, size=(4, 2)) * width
    extent = np.ptp(seen_42, axis=0)
    is_scan = abs(degrees) < 1.0 and rng.random() < 0.4
    room = rng.uniform(0.965, 0.985, size=2) if is_scan else rng.uniform(1.03, 1.16, size=2)
    page_w, page_h = np.ceil(extent * room).astype(int)
    free = np.array([page_w, page_h]) - extent
    seen_42 += free * rng.uniform(0.35, 0.65, size=2) - seen_42.min(axis=0)
    matrix_33 = cv2.getPerspectiveTransform(corners_42.astype(np.float32), seen_42.astype(np.float32))
    return int(page_h), int(page_w), matrix_33


def _project(matrix_33: NDArray[np.float64], points_V2: NDArray[np.float64]) -> NDArray[np.float64]:
    homogeneous_V3 = np.hstack([points_V2, np.ones((len(points_V2), 1))]) @ matrix_33.T
    points_V2 = homogeneous_V3[:, :2] / homogeneous_V3[:, 2:]
    return points_V2


def _background(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Return a table top or a cloth: (H, W, 3) float32, 0..255."""
    color = np.array(BACKGROUNDS[rng.integers(len(BACKGROUNDS))], np.float32)
    cells = (5, width // 7) if rng.random() < 0.5 else (height // 5, width // 5)
    texture_HW = 1.0 + 0.14 * _smooth(rng, height, width, cells) + 0.12 * _smooth(rng, height, width, (4, 3))
    return texture_HW[..., None] * color


def _shadow(rng: np.random.Generator, cover_HW: Floats) -> Floats:
    reach = 0.02 * cover_HW.shape[1]
    dx, dy = rng.uniform(-0.6, 0.6, size=2) * reach
    shift_23 = np.array([[0.25, 0.0, dx / 4], [0.0, 0.25, dy / 4]])
    # A shadow is soft, so it is blurred at a quarter of the size, a sixteenth of the work.
    small_HW = cv2.warpAffine(cover_HW, shift_23, (cover_HW.shape[1] // 4, cover_HW.shape[0] // 4))
    small_HW = cv2.GaussianBlur(small_HW, (0, 0), reach / 4)
    soft_HW: Floats = cv2.resize(small_HW, cover_HW.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return soft_HW


def _expose(rng: np.random.Generator, page_HWC: Floats) -> NDArray[np.uint8]:
    """Return the page under uneven light, a little out of focus and noisy, as (H, W, 3) uint8."""
    height, width = page_HWC.shape[:2]
    light_HW = rng.uniform(0.88, 1.02) + 0.1 * _smooth(rng, height, width, (3, 2))
    tint = np.array([1.0, rng.uniform(0.96, 1.0), rng.uniform(0.9, 1.0)], np.float32)
    lit_HWC = cv2.GaussianBlur(page_HWC * light_HW[..., None] * tint, (0, 0), rng.uniform(0.4, 1.1))
    noise_HW = rng.standard_normal((height, width), np.float32) * rng.uniform(1.0, 5.0)
    noisy_HWC: Floats = lit_HWC + noise_HW[..., None]
    return np.clip(noisy_HWC, 0.0, 255.0).astype(np.uint8)
