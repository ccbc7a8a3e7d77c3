"""A scored page as a picture: what was found, missed and invented, over the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from formats.image_header import IMAGE_SUFFIXES
from formats.sample import Bytes, Points
from formats.shards import ShardSet
from train.figures.overlay import draw_comparison
from train.page import read_page
from train.scoring import Evaluation, Page

MOST_BLANK = 4096


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
    return draw_comparison(image_HWC, truth, found, page.scores[protocol], _width(image_HWC))


def page_pictures(evaluation: Evaluation, shard_set: ShardSet, count: int) -> dict[str, Bytes]:
    """Return the first pages of an evaluation as pictures, by name, as its first protocol judged them.

    Args:
        evaluation: of pages of the set.
        shard_set: where their images are.
        count: how many, at most.
    """
    protocol = next(iter(evaluation.scores))
    return {
        f"page/{page.key}": page_picture(page, number, protocol, shard_set)
        for page in evaluation.pages[:count]
        if (number := shard_set.find(page.key)) is not None
    }


def plain_picture(page: Page, protocol: str, images: Path | None) -> Bytes:
    """Return a page of plain files as a picture, (H, W, 3) uint8 RGB, as one protocol judged it.

    Args:
        page: scored, in pixels of its image.
        protocol: one of the page's scores.
        images: a folder with the page's image, KEY.jpg or the like; None, or without it: drawn on white.

    Raises:
        UsageError: an image that cannot be read.
    """
    suffixes = [*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES)]
    files = [] if images is None else [images / f"{page.key}{suffix}" for suffix in suffixes]
    image = next((file for file in files if file.is_file()), None)
    image_HWC = _blank(page) if image is None else read_page(image)
    return draw_comparison(
        image_HWC, page.truth, page.found.polygons, page.scores[protocol], _width(image_HWC)
    )


def _blank(page: Page) -> Bytes:
    """Return a white page that all its polygons lie on, at most `MOST_BLANK` pixels a side."""
    corners = [polygon_V2.max(axis=0) for polygon_V2 in (*page.truth.polygons, *page.found.polygons)]
    width, height = np.clip(np.max([(31.0, 31.0), *corners], axis=0) + 32, 1, MOST_BLANK).astype(int)
    return np.full((height, width, 3), 255, np.uint8)


def _width(image_HWC: Bytes) -> float:
    return max(1.5, float(max(image_HWC.shape[:2])) / 640)


def _moved(polygon_V2: Points, matrix_23: Points) -> Points:
    return polygon_V2 @ matrix_23[:, :2].T + matrix_23[:, 2]
