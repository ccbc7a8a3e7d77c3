"""The distance plane's 256 levels, and the tables that read maps from them.

For a polygon of area A and perimeter L, with d the distance from a point to its nearest edge, the
*normalised signed distance* is ``q = +d / (A/L)`` inside and ``q = -d / (A/L)`` outside. It does not change
under similarity (flip, rotation, uniform scale, shift). The offset of DB (Liao et al., AAAI 2020, section
"Label generation", eq. 10; Vatti clipping) is ``D = A (1 - r^2) / L``, so a shrink ratio r is the level
``T = 1 - r^2`` of q:

    probability map  = {q >= T}      (shrunk text)
    threshold mask   = {q >= -T}     (grown text)
    threshold map    = 1 - |q| / T   (scaled to [thresh_min, thresh_max])

A stored byte k stands for the cell ``q in [(k - 126) step, (k - 125) step)`` with ``step = T / 108``, so that
-T, 0 and T of the recorded ratio fall exactly between two levels (17|18, 125|126, 233|234). The outermost
cells are open: 0 means "-T and more than 18 levels further out" (the background), 255 "22 levels beyond T".
The 18 levels beyond -T keep the boundary at -T in place when the plane is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVELS_PER_T = 108
ZERO_LEVEL = 126
PROB_LEVEL = ZERO_LEVEL + LEVELS_PER_T
MASK_LEVEL = ZERO_LEVEL - LEVELS_PER_T
MAGNITUDES = 130
"""Number of distinct magnitudes |q| of a level: 0..129."""


@dataclass(frozen=True)
class ReadTables:
    """Tables that turn distance levels into the four maps at one shrink ratio.

    Attributes:
        ratio: the shrink ratio in effect: the one asked for, moved to the nearest level (at most half a
            level, 0.0039 of T at ratio 0.4).
        prob: (256,) uint8 0/1, by level.
        thresh_mask: (256,) uint8 0/1, by level.
        magnitude: (256,) uint8, by level: the number of whole steps between the level and q = 0.
        thresh: (130,) uint8 0..255 over [thresh_min, thresh_max], by magnitude.
    """

    ratio: float
    prob: NDArray[np.uint8]
    thresh_mask: NDArray[np.uint8]
    magnitude: NDArray[np.uint8]
    thresh: NDArray[np.uint8]


def offset_level(shrink_ratio: float) -> float:
    """Return T = 1 - r^2, the level of q at which a shrink ratio r cuts."""
    return 1.0 - shrink_ratio * shrink_ratio


def levels_of(stored_ratio: float, ratio: float) -> int:
    """Return how many stored levels lie between 0 and T(ratio); raise ValueError outside the plane's reach.

    A ratio below the stored one needs levels that the plane holds only up to a margin of 22.
    """
    if not 0.0 < stored_ratio < 1.0 or not 0.0 < ratio < 1.0:
        raise ValueError(f"a shrink ratio lies between 0 and 1, not {stored_ratio} or {ratio}")
    levels = round(LEVELS_PER_T * offset_level(ratio) / offset_level(stored_ratio))
    if not 1 <= levels <= LEVELS_PER_T:
        raise ValueError(f"shrink ratio {ratio} cannot be read from a set stored at {stored_ratio}")
    return levels


@lru_cache(maxsize=64)
def read_tables(stored_ratio: float, ratio: float | None = None) -> ReadTables:
    """Return the tables that read a plane stored at one shrink ratio as maps of another (default: the same).

    Raises:
        ValueError: the ratio is smaller than the stored one, or not in (0, 1).
    """
    levels = levels_of(stored_ratio, stored_ratio if ratio is None else ratio)
    level = np.arange(256)
    magnitude = np.where(level >= ZERO_LEVEL, level - ZERO_LEVEL, ZERO_LEVEL - 1 - level)
    closeness = 1.0 - (np.arange(MAGNITUDES) + 0.5) / levels
    effective_T = offset_level(stored_ratio) * levels / LEVELS_PER_T
    return ReadTables(
        ratio=float(np.sqrt(1.0 - effective_T)),
        prob=(level >= ZERO_LEVEL + levels).astype(np.uint8),
        thresh_mask=(level >= ZERO_LEVEL - levels).astype(np.uint8),
        magnitude=magnitude.astype(np.uint8),
        thresh=np.rint(255.0 * np.clip(closeness, 0.0, 1.0)).astype(np.uint8),
    )
