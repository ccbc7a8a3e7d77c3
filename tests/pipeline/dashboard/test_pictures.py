from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from dashboard_site import Site
from encoded_sets import ENCODINGS, write_set
from PIL import Image

from formats.errors import TextshardsError, UsageError
from formats.manifest import Quarantined
from formats.pictures.palette import PROB
from formats.shards import ShardSet
from pipeline.dashboard.pictures import (
    LAYERS,
    THUMB,
    layer_picture,
    page_picture,
    quarantined_picture,
    thumbnail,
)


def opened_picture(data: bytes, mode: str = "RGB") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda e: f"{e.container}-{e.maps}-{e.image}")
def test_pictures_of_every_encoding(encoding: object, tmp_path: Path) -> None:
    opened = ShardSet(write_set(tmp_path / "set", encoding).folder)  # type: ignore[arg-type]
    assert opened_picture(page_picture(opened, 0)).shape[:2] == opened.canvas
    assert max(opened_picture(thumbnail(opened, 0)).shape) <= THUMB
    stored = opened.maps(0)
    maps = stored.target_maps(opened.settings.targets.shrink_ratio)
    prob_HW4 = opened_picture(layer_picture(opened, 0, "prob"), "RGBA")
    assert ((prob_HW4[..., 3] > 0) == (maps.prob_HW > 0)).all()
    assert (prob_HW4[maps.prob_HW > 0][:, :3] == PROB).all()
    thresh_HW4 = opened_picture(layer_picture(opened, 0, "thresh"), "RGBA")
    assert ((thresh_HW4[..., 3] > 0) == ((maps.thresh_mask_HW > 0) & (maps.thresh_HW > 0))).all()
    blind_HW4 = opened_picture(layer_picture(opened, 0, "prob_mask"), "RGBA")
    assert not (blind_HW4[maps.prob_mask_HW == 1][:, 3] > 0).any()
    assert set(LAYERS) == {"prob", "thresh", "thresh_mask", "prob_mask"}


def test_an_unknown_layer_is_refused(site: Site) -> None:
    with pytest.raises(UsageError):
        layer_picture(ShardSet(site.made.folder), 0, "../prob")


def row(key: str) -> Quarantined:
    return Quarantined(key=key, split="train", reason="odd", where="list:1")


def test_a_quarantined_page_that_can_be_seen_is_shown_and_nothing_else(site: Site, tmp_path: Path) -> None:
    assert opened_picture(quarantined_picture(site.made.folder, row("train/page_1.jpg"))).shape == (
        96,
        128,
        3,
    )
    secret = site.made.pages.parent / "secret.jpg"
    secret.write_bytes((site.made.pages / "train" / "page_1.jpg").read_bytes())
    link = site.made.pages / "train" / "link.jpg"
    link.symlink_to(secret)
    for key in ("train/page_6.jpg", "../secret.jpg", str(secret), "train/link.jpg", "train/none.jpg"):
        with pytest.raises(TextshardsError):
            quarantined_picture(site.made.folder, row(key))
    link.unlink()
