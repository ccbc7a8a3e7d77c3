from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from dashboard_site import Site
from hypothesis import given
from hypothesis import strategies as st

from formats.sample import STATUSES
from formats.shards import ShardSet
from pipeline.assemble import build
from pipeline.config import load_config
from pipeline.dashboard.survey import sides, survey
from pipeline.kernels.measure import shorter_side


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 4, 6]))
def test_the_sides_are_those_of_the_renderer_and_of_opencv(seed: int, vertices: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    polygon_V2 = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (40.0, 9.0) + 50
    (shorter, longer) = sides(polygon_V2[None])[0]
    assert shorter == pytest.approx(shorter_side(polygon_V2), rel=1e-6)
    size = sorted(cv2.minAreaRect(polygon_V2.astype(np.float32))[1])
    assert shorter * longer == pytest.approx(size[0] * size[1], rel=1e-3, abs=1e-3)


def test_every_text_and_page_is_measured(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    found = survey(opened)
    metas = [opened.meta(number) for number in range(len(opened))]
    assert found.texts_N.tolist() == [len(meta.texts) for meta in metas]
    statuses = [STATUSES.index(text.status) for meta in metas for text in meta.texts]
    assert found.status_T.tolist() == statuses
    assert found.outside_T.max() == 0.0
    # The greatest text of a made page is 108 x 20 pixels on a page of 128 x 96, drawn on 160 columns.
    assert np.nanmax(found.height_T) == pytest.approx(25, abs=0.5)
    assert (found.area_N > 0).all() and (found.area_N < 1).all()


def test_what_is_lost_to_its_size_is_what_the_renderer_left_out(shared_data: Path, tmp_path: Path) -> None:
    words = [f"source.root={shared_data / 'icdar2015'}", "geometry.canvas=[320,320]", "runtime.workers=1"]
    words += ["source.splits={test: test_list.txt}"]
    config = load_config(Path(__file__).parents[3] / "configs" / "icdar2015.yaml", words)
    build(config, tmp_path / "set", command=["build"])
    opened = ShardSet(tmp_path / "set")
    found = survey(opened)
    small = found.status_T == STATUSES.index("too_small")
    care = found.status_T == STATUSES.index("care")
    assert small.any() and care.any()
    limit = opened.settings.targets.min_size
    assert (found.height_T[small] < limit + 1e-3).all() and (found.height_T[care] > limit - 1e-3).all()
