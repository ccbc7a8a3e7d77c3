"""One set of colours for every picture, told apart by colour-blind readers too.

The eight colours of Okabe and Ito, "Color Universal Design" (2008). Where two things lie over each other they
differ in form as well: solid or dashed lines, flat or hatched areas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
"""RGB, 0..255."""

BLACK: Color = (0, 0, 0)
ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
BLUE: Color = (0, 114, 178)
VERMILLION: Color = (213, 94, 0)
PURPLE: Color = (204, 121, 167)

WHITE: Color = (255, 255, 255)
INK: Color = (34, 34, 34)
FAINT_INK: Color = (110, 110, 110)
RULE: Color = (205, 205, 205)

TEXT: Color = GREEN
"""An annotated text."""
IGNORED: Color = PURPLE
"""A text, or an area, that does not count."""
PREDICTED: Color = BLUE
"""A box found by the model."""
MISSED: Color = VERMILLION
"""In the truth alone."""
INVENTED: Color = ORANGE
"""In the prediction alone."""
PROB: Color = BLUE
"""The probability map."""
BAND: Color = SKY_BLUE
"""The threshold mask."""

CYCLE: tuple[Color, ...] = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY_BLUE, BLACK)
"""The order of lines in a plot."""

_HEAT_STOPS = ((255, 250, 214), YELLOW, ORANGE, VERMILLION, (120, 36, 0))


def heat_table() -> NDArray[np.uint8]:
    """Return (256, 3) uint8 RGB, from pale to dark: darker all the way, so it reads in grey too."""
    stops = np.linspace(0.0, 255.0, len(_HEAT_STOPS))
    channels = [np.interp(np.arange(256), stops, [color[c] for color in _HEAT_STOPS]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def hex_of(color: Color) -> str:
    """Return a colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)
