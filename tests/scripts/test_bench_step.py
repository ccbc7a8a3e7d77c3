"""The page that box extraction is timed on is one that a detector could have found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from loaded_script import loaded_script

from train.boxes import BoxSettings, boxes_from_probability

bench = loaded_script("bench_step")


@pytest.mark.parametrize("texts", [1, 60, 300])
def test_every_text_of_the_page_is_found(texts: int) -> None:
    polygons, prob_HW = bench.crowded((1280, 960), texts)
    found = boxes_from_probability(prob_HW, BoxSettings(max_boxes=10_000), 0.4)
    assert len(polygons) == len(found) == texts
    centres = np.array([polygon_V2.mean(axis=0) for polygon_V2 in found.polygons])
    for polygon_V2 in polygons:
        near = found.polygons[int(np.abs(centres - polygon_V2.mean(axis=0)).sum(axis=1).argmin())]
        area = cv2.contourArea(polygon_V2.astype(np.float32))
        shared, _ = cv2.intersectConvexConvex(polygon_V2.astype(np.float32), near.astype(np.float32))
        assert shared / (area + cv2.contourArea(near.astype(np.float32)) - shared) > 0.8
