"""What a decoder puts into a batch's row: the same pixels whether or not it left out background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_set import made_sample, make_set
from numpy.testing import assert_array_equal

from formats.sample import DistanceMaps
from formats.shards import ShardSet
from formats.spec import EncodingSpec, GeometrySpec
from train.augment import AugmentSettings
from train.batch import Slot
from train.decode import Decoder

CANVAS = (64, 96)
STILL = AugmentSettings(flip=0, rotation=0, scale=(1, 1), brightness=0, contrast=0, saturation=0, grayscale=0)


@pytest.mark.parametrize("pad_color", [(0, 0, 0), (255, 255, 255)])
def test_a_dark_page_stays_dark_whatever_it_is_padded_with(
    tmp_path: Path, pad_color: tuple[int, int, int]
) -> None:
    image_HWC = np.zeros((*CANVAS, 3), np.uint8)
    image_HWC[20:30, 30:60] = 200
    maps = DistanceMaps(np.zeros(CANVAS, np.uint8), None, np.ones(CANVAS, np.uint8))
    page = replace(made_sample(0, CANVAS), image_HWC=image_HWC, maps=maps)
    geometry = GeometrySpec(canvas=CANVAS, pad_color=pad_color)
    make_set(tmp_path, [page], encoding=EncodingSpec(image="raw"), canvas=CANVAS, geometry=geometry)
    decoder = Decoder(ShardSet(tmp_path), crop=CANVAS, augment=STILL, seed=0)
    slot = Slot(1, decoder.size, decoder.shapes)
    decoder(slot, 0, 0, 0)
    assert_array_equal(slot.image(0), image_HWC)
