from __future__ import annotations

from dataclasses import replace

import numpy as np
from dashboard_site import Site

from formats.sample import STATUSES
from formats.shards import ShardSet
from pipeline.dashboard.distributions import distributions
from pipeline.dashboard.survey import survey


def test_what_is_lost_to_its_size_is_told_with_what_a_larger_canvas_keeps(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    measured = survey(opened)
    height, texts, aspect, outside = distributions(measured, opened.settings)
    small = int((measured.status_T == STATUSES.index("too_small")).sum())
    assert small == len(opened)
    assert (
        f"{small} of {3 * len(opened)} texts, 33.3%, are lower than targets.min_size (8 pixels)"
        in height.meaning
    )
    # 5 pixels on this canvas are 10 on one of twice the size.
    assert "256 x 320 would leave 0.0%" in height.advice and "lost" in height.chart
    assert "the fullest has 4" in texts.meaning and "None is empty" in texts.meaning
    assert aspect.title == "Aspect" and "Every text lies within its page" in outside.chart


def test_pages_that_do_not_fit_their_annotations_are_suspected(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    measured = survey(opened)
    moved = replace(measured, outside_T=np.full_like(measured.outside_T, 0.7))
    *_, outside = distributions(moved, opened.settings)
    assert "exif" in outside.advice and f"on {len(opened)} of {len(opened)} pages" in outside.meaning
