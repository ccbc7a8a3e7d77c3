"""Stored planes to float targets, on the device they are on.

The planes stay uint8 until here: four float32 maps cost more to move than to make. Reading the distance
plane is a table look-up (formats/levels.py); it needs no polygon, so any shrink ratio not below the stored
one can be read from the same set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.levels import read_tables


class Targets(NamedTuple):
    """What the loss compares with, each (N, H, W) float32; the masks hold 0 or 1."""

    prob_NHW: Tensor
    prob_mask_NHW: Tensor
    thresh_NHW: Tensor
    thresh_mask_NHW: Tensor


class MapReader:
    """Reads stored planes as targets.

    Args:
        thresh_min: value of the threshold map far from an edge (stored byte 0).
        thresh_max: value on an edge (stored byte 255).
    """

    def __init__(self, thresh_min: float, thresh_max: float) -> None:
        steps = np.arange(256) / 255.0
        self._thresh_of_byte = (thresh_min + (thresh_max - thresh_min) * steps).astype(np.float32)

    def __call__(
        self, planes: Mapping[str, Tensor], stored_ratio: float, ratio: float | None = None
    ) -> Targets:
        """Read the planes of a batch, of either encoding, at one shrink ratio (default: the stored one).

        Args:
            planes: by name, as `train.batch.Batch` or `train.feeds.PageDataset` have them.
            stored_ratio: the shrink ratio the set was rendered at.
            ratio: the shrink ratio to read.

        Raises:
            ValueError: the planes cannot be read at that ratio.
        """
        if "distance" in planes:
            return self.distance(
                planes["distance"], planes.get("overlap"), planes["prob_mask"], stored_ratio, ratio
            )
        if ratio not in (None, stored_ratio):
            raise ValueError(f"planes rendered at shrink ratio {stored_ratio} cannot be read at {ratio}")
        return self.planes(planes["prob"], planes["prob_mask"], planes["thresh"], planes["thresh_mask"])

    def distance(
        self,
        distance_NHW: Tensor,
        overlap_NHW: Tensor | None,
        prob_mask_NHB: Tensor,
        stored_ratio: float,
        ratio: float | None = None,
    ) -> Targets:
        """Read the distance encoding.

        Args:
            distance_NHW: uint8 levels.
            overlap_NHW: uint8 magnitude corrections; None where no two texts' bands overlap.
            prob_mask_NHB: packed uint8, see `unpacked`, or a byte a pixel.
            stored_ratio: the shrink ratio the plane was stored at.
            ratio: the shrink ratio to read.

        Raises:
            ValueError: the ratio cannot be read from a plane stored at `stored_ratio`.
        """
        tables = read_tables(stored_ratio, ratio)
        thresh_of_magnitude = np.zeros(256, np.float32)
        thresh_of_magnitude[: len(tables.thresh)] = self._thresh_of_byte[tables.thresh]
        if overlap_NHW is None:
            thresh_NHW = _look_up(distance_NHW, thresh_of_magnitude[tables.magnitude])
        else:
            magnitude_NHW = _look_up(distance_NHW, tables.magnitude)
            magnitude_NHW = magnitude_NHW - torch.minimum(overlap_NHW, magnitude_NHW)
            thresh_NHW = _look_up(magnitude_NHW, thresh_of_magnitude)
        return Targets(
            prob_NHW=_look_up(distance_NHW, tables.prob.astype(np.float32)),
            prob_mask_NHW=_whole(prob_mask_NHB, distance_NHW),
            thresh_NHW=thresh_NHW,
            thresh_mask_NHW=_look_up(distance_NHW, tables.thresh_mask.astype(np.float32)),
        )

    def planes(
        self, prob_NHB: Tensor, prob_mask_NHB: Tensor, thresh_NHW: Tensor, thresh_mask_NHB: Tensor
    ) -> Targets:
        """Read four planes stored as they are, uint8: `thresh_NHW` 0..255, the others 0/1, packed or not."""
        return Targets(
            prob_NHW=_whole(prob_NHB, thresh_NHW),
            prob_mask_NHW=_whole(prob_mask_NHB, thresh_NHW),
            thresh_NHW=_look_up(thresh_NHW, self._thresh_of_byte),
            thresh_mask_NHW=_whole(thresh_mask_NHB, thresh_NHW),
        )


def _whole(plane: Tensor, like_NHW: Tensor) -> Tensor:
    """Return a 0/1 plane, packed or not, as float32 of another's shape."""
    return (plane if plane.shape == like_NHW.shape else unpacked(plane)).float()


def unpacked(packed_NHB: Tensor) -> Tensor:
    """Return 0/1 planes (N, H, W) uint8 of such with 8 pixels a byte, (N, H, W / 8), highest bit first."""
    if packed_NHB.device.type == "cpu":
        return torch.from_numpy(np.unpackbits(packed_NHB.numpy(), axis=2))
    return unpacked_on_device(packed_NHB)


def unpacked_on_device(packed_NHB: Tensor) -> Tensor:
    """Return the same by PyTorch, on any device."""
    shifts_8 = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed_NHB.device)
    return ((packed_NHB[..., None] >> shifts_8) & 1).flatten(2)


def _look_up(plane_NHW: Tensor, table: NDArray[np.generic]) -> Tensor:
    """Return table[plane]: uint8 (N, H, W) to the table's dtype. On the host OpenCV is fastest."""
    if plane_NHW.device.type == "cpu":
        out_NHW = np.empty(plane_NHW.shape, table.dtype)
        for plane_HW, out_HW in zip(plane_NHW.numpy(), out_NHW, strict=True):
            cv2.LUT(plane_HW, table, dst=out_HW)
        return torch.from_numpy(out_NHW)
    return torch.from_numpy(table).to(plane_NHW.device)[plane_NHW.int()]
