"""What happens to a page in training: one similarity for image and stored maps, one colour matrix.

Only similarities (flip, rotation, uniform scale, shift, crop): under these, and no others, the stored maps
stay the maps of the moved texts, since a text's offset D = A (1 - r^2) / L scales with the text. What is
drawn is a pure function of (seed, epoch, key of the sample).

Pixel (row i, column j) is the point (x=j, y=i), in the stored page as in the crop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from formats.levels import MASK_LEVEL
from formats.sample import Bytes, Points
from formats.spec import Section, Unit
from train.lots import random_key

Scale = Annotated[float, Field(ge=0.5, le=4.0)]
Side = tuple[int, int]
Floats = NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R, G, B in the brightness that the eye sees (ITU-R BT.601)."""
MID_GREY = 127.5
ROW_STEP, COLUMN_STEP = 4, 8
"""Grid on which text is looked for: finer than the texts are high."""


class AugmentSettings(Section):
    """How much a page is moved and coloured in training."""

    flip: Unit = Field(0.5, description="share of pages mirrored left to right")
    rotation: float = Field(5.0, ge=0.0, le=180.0, description="degrees, at most, either way")
    scale: tuple[Scale, Scale] = Field(
        (0.8, 1.9),
        description="crop pixels a canvas pixel, from-to, drawn evenly in its logarithm; below 0.5 bilinear "
        "sampling would leave out pixels: build a smaller canvas for that",
    )
    text_share: Unit = Field(
        0.9, description="share of crops placed so that a random text pixel is in them; the rest: anywhere"
    )
    brightness: Unit = Field(0.12, description="added, at most, either way; 1 is black to white")
    contrast: Unit = Field(0.25, description="1 +- this is the factor about mid-grey")
    saturation: Unit = Field(0.3, description="1 +- this is the factor about the pixel's own grey")
    grayscale: Unit = Field(0.1, description="share of pages turned to grey")

    @model_validator(mode="after")
    def _ordered(self) -> AugmentSettings:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale is from-to: {self.scale[0]} is above {self.scale[1]}")
        return self


@dataclass(frozen=True)
class Draw:
    """What was drawn for one sample.

    Attributes:
        matrix_23: (2, 3) float64 similarity from the points of the stored page to those of the crop.
        color_34: (3, 4) float64: crop colour = color @ (R, G, B, 1); None to leave it.
    """

    matrix_23: Points
    color_34: Floats | None


def similarity_matrix(
    center_xy: tuple[float, float] | Floats,
    crop: Side,
    *,
    scale: float = 1.0,
    degrees: float = 0.0,
    flip: bool = False,
) -> Points:
    """Return the (2, 3) float64 matrix that brings a point of the page to the middle of the crop.

    The middle of (H, W) pixels is ((W - 1) / 2, (H - 1) / 2). With the middle of a page as `center_xy` and
    scale w'/w this is the resize x' = (x + 0.5) w'/w - 0.5.

    Args:
        center_xy: the point of the page that comes to the crop's middle.
        crop: height, width of the crop.
        scale: crop pixels a page pixel.
        degrees: rotation about that point; from the x axis towards the y axis, clockwise to the eye.
        flip: mirrored left to right after all that: x' = (W - 1) - x.
    """
    # Plain numbers: every crop of a run passes here, and NumPy's calls would take longer than the sums.
    angle = math.radians(degrees)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    x, y = float(center_xy[0]), float(center_xy[1])
    across = [cosine, -sine, (crop[1] - 1) / 2 - (cosine * x - sine * y)]
    down = [sine, cosine, (crop[0] - 1) / 2 - (sine * x + cosine * y)]
    if flip:
        across = [-across[0], -across[1], crop[1] - 1.0 - across[2]]
    return np.array([across, down])


def draw_for(
    key: str, planes: Mapping[str, Bytes], settings: AugmentSettings, seed: int, epoch: int, crop: Side
) -> Draw:
    """Draw the augmentation of one sample in one epoch.

    Args:
        key: the sample's key.
        planes: its stored planes, as `formats.codecs.map_planes` gives them.
        settings: how much.
        seed: of the run.
        epoch: counted from 0.
        crop: height, width of the crop.
    """
    generator = np.random.Generator(np.random.Philox(key=random_key("augment", seed, epoch, key)))
    flip, turn, size, *place, bright, contrast, saturation, grey = generator.random(11).tolist()
    low, high = (math.log(side) for side in settings.scale)
    scale = math.exp(low + (high - low) * size)
    degrees = settings.rotation * _signed(turn)
    center = _place(place, planes, settings.text_share, scale, degrees, crop)
    return Draw(
        similarity_matrix(center, crop, scale=scale, degrees=degrees, flip=bool(flip < settings.flip)),
        color_matrix(
            brightness=255.0 * settings.brightness * _signed(bright),
            contrast=1.0 + settings.contrast * _signed(contrast),
            saturation=0.0 if grey < settings.grayscale else 1.0 + settings.saturation * _signed(saturation),
        ),
    )


def _signed(uniform: float) -> float:
    return 2.0 * uniform - 1.0


def _place(
    random: list[float],
    planes: Mapping[str, Bytes],
    text_share: float,
    scale: float,
    degrees: float,
    crop: Side,
) -> tuple[float, float]:
    """Return the point of the page that comes to the crop's middle; `random`: four numbers in [0, 1).

    The crop's window stays on the canvas as far as it fits there, and else has the whole canvas in it.
    """
    choice, which, at_x, at_y = random
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    height, width = crop
    seen_x = abs(cosine) * width + abs(sine) * height
    seen_y = abs(sine) * width + abs(cosine) * height
    rows, columns = (planes["distance"] if "distance" in planes else planes["thresh"]).shape
    first_x, last_x = _span(seen_x / (2.0 * scale) - 0.5, columns)
    first_y, last_y = _span(seen_y / (2.0 * scale) - 0.5, rows)
    text = text_point(planes, which) if choice < text_share else None
    if text is None:
        return first_x + (last_x - first_x) * at_x, first_y + (last_y - first_y) * at_y
    right, below = (at_x - 0.5) * width / scale, (at_y - 0.5) * height / scale
    x = text[0] - (cosine * right + sine * below)
    y = text[1] - (cosine * below - sine * right)
    return min(max(x, first_x), last_x), min(max(y, first_y), last_y)


def _span(reach: float, size: int) -> tuple[float, float]:
    """Return from where to where a crop's middle may lie that reaches so far to both sides."""
    return min(reach, size - 1.0 - reach), max(reach, size - 1.0 - reach)


def text_point(planes: Mapping[str, Bytes], random: float) -> tuple[float, float] | None:
    """Return a point (x, y) of the page that lies on care text, None where there is none.

    Args:
        planes: the stored planes; a coarse grid over them is searched.
        random: in [0, 1): which of the grid's points on text.
    """
    if "distance" in planes:
        grid = planes["distance"][::ROW_STEP, ::COLUMN_STEP] >= MASK_LEVEL
    else:
        grid = planes["thresh_mask"][::ROW_STEP] != 0
    texts = np.flatnonzero(grid)
    if not len(texts):
        return None
    row, column = divmod(int(texts[int(random * len(texts))]), grid.shape[1])
    return float(column * COLUMN_STEP), float(row * ROW_STEP)


def color_matrix(*, brightness: float, contrast: float, saturation: float) -> Floats | None:
    """Return the (3, 4) matrix of a change of colour, None where nothing changes.

    Args:
        brightness: added to every channel, of 255.
        contrast: factor about mid-grey.
        saturation: factor about the pixel's own grey; 0 takes the colour away.
    """
    if (brightness, contrast, saturation) == (0.0, 1.0, 1.0):
        return None
    color_34 = np.empty((3, 4))
    color_34[:, :3] = contrast * (1.0 - saturation) * LUMA
    color_34[:, 3] = brightness + MID_GREY * (1.0 - contrast)
    for channel in range(3):
        color_34[channel, channel] += contrast * saturation
    return color_34
