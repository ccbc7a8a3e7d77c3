from __future__ import annotations

import numpy as np

from formats.pictures import palette


def test_heat_gets_darker_all_the_way() -> None:
    luma = palette.heat_table() @ np.array([0.299, 0.587, 0.114])
    assert luma.shape == (256,)
    assert (np.diff(luma) < 0.5).all()
    assert luma[0] - luma[-1] > 150


def test_colors_are_told_apart_without_red_or_green() -> None:
    """Vienot et al. (1999): what is left of a colour for a reader without red (or green) cones."""
    protan = np.array([[0.1124, 0.8876, 0.0], [0.1124, 0.8876, 0.0], [0.004, -0.004, 1.0]])
    deutan = np.array([[0.2927, 0.7073, 0.0], [0.2927, 0.7073, 0.0], [-0.0223, 0.0223, 1.0]])
    together = (palette.TEXT, palette.MISSED, palette.IGNORED, palette.PREDICTED, palette.INVENTED)
    for sight in (protan, deutan):
        seen = (np.array(together) / 255.0) ** 2.2 @ sight.T
        seen = np.clip(seen, 0, 1) ** (1 / 2.2) * 255
        gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
        assert min(gaps) > 35


def test_hex() -> None:
    assert palette.hex_of((0, 114, 178)) == "#0072b2"
