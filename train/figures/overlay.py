"""What a detector found on a page, drawn over it."""

from __future__ import annotations

from collections.abc import Sequence

from formats.pictures.drawing import draw_polygons
from formats.pictures.palette import IGNORED, INVENTED, MISSED, PREDICTED, Color
from formats.sample import Bytes, Points
from train.metrics.score import PageScore, PageTruth

MEANINGS: tuple[tuple[str, Color], ...] = (
    ("found", PREDICTED),
    ("missed", MISSED),
    ("no such text", INVENTED),
    ("does not count", IGNORED),
)
"""What the colours of `draw_comparison` stand for, for legends."""


def draw_found(image_HWC: Bytes, found: Sequence[Points], width: float = 2.0) -> Bytes:
    """Return the page with the boxes found, in blue.

    Args:
        image_HWC: (H, W, 3) uint8 RGB.
        found: polygons (V, 2) in pixels of the image.
        width: of the lines, in pixels.
    """
    return draw_polygons(image_HWC, found, PREDICTED, width)


def draw_comparison(
    image_HWC: Bytes, truth: PageTruth, found: Sequence[Points], score: PageScore, width: float = 2.0
) -> Bytes:
    """Return the page with what was found, missed and invented, as one protocol judged it.

    Found texts are blue, missed ones vermillion, detections without a text orange and dashed; don't-care
    texts are hatched, and detections on them purple and dashed.

    Args:
        image_HWC: (H, W, 3) uint8 RGB.
        truth: the page's texts, in pixels of the image.
        found: the detections that were scored, in the same pixels and the order they were given in.
        score: of the page.
        width: of the lines, in pixels.
    """
    matched_texts, matched_found = ({pair[side] for pair in score.pairs} for side in (0, 1))
    dont_care = [p for p, ignored in zip(truth.polygons, truth.ignored_G, strict=True) if ignored]
    missed = [
        polygon_V2
        for index, polygon_V2 in enumerate(truth.polygons)
        if index not in matched_texts and not truth.ignored_G[index]
    ]
    uncounted = set(score.ignored)
    invented = [p for index, p in enumerate(found) if index not in matched_found | uncounted]
    drawn_HWC = draw_polygons(image_HWC, dont_care, IGNORED, width / 2, hatched=True)
    drawn_HWC = draw_polygons(drawn_HWC, [found[i] for i in score.ignored], IGNORED, width, dashed=True)
    drawn_HWC = draw_polygons(drawn_HWC, [found[i] for i in sorted(matched_found)], PREDICTED, width)
    drawn_HWC = draw_polygons(drawn_HWC, missed, MISSED, width)
    return draw_polygons(drawn_HWC, invented, INVENTED, width, dashed=True)
