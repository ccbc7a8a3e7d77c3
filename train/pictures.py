"""A scored page as a picture: what was found, missed and invented, over the page as the set holds it."""

from __future__ import annotations

from dataclasses import replace

from formats.sample import Bytes, Points
from formats.shards import ShardSet
from train.overlay import draw_comparison
from train.scoring import Page


def page_picture(page: Page, number: int, protocol: str, shard_set: ShardSet) -> Bytes:
    """Return a page's canvas, (H, W, 3) uint8 RGB, with its detections as one protocol judged them.

    Args:
        page: scored, in source coordinates.
        number: of its sample in the set.
        protocol: one of the page's scores.
        shard_set: where its image is.
    """
    image_HWC = shard_set.image(number)
    matrix_23 = shard_set.meta(number).to_canvas_23
    truth = replace(page.truth, polygons=tuple(_moved(p, matrix_23) for p in page.truth.polygons))
    found = [_moved(polygon_V2, matrix_23) for polygon_V2 in page.found.polygons]
    width = max(1.5, max(image_HWC.shape[:2]) / 640)
    return draw_comparison(image_HWC, truth, found, page.scores[protocol], width)


def _moved(polygon_V2: Points, matrix_23: Points) -> Points:
    return polygon_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]
