"""Compile the kernels as a build does, then draw in two workers; prints what each of them had to compile."""

from __future__ import annotations

import json
import os

import numpy as np

from formats.spec import TargetsSpec
from pipeline.kernels.distance import draw
from pipeline.kernels.measure import measure
from pipeline.render import render, render_planes, warm_up
from pipeline.workers import run_jobs


def compiled(_: int) -> tuple[int, int, int]:
    """Draw; return this process, its kernels that came from the compiler's cache, and those that did not."""
    square_V2 = np.array([[4.0, 4.0], [60.0, 4.0], [60.0, 28.0], [4.0, 28.0]])
    render([square_V2], [False], (64, 64), TargetsSpec())
    render_planes([square_V2], [True], (64, 64), TargetsSpec())
    stats = [kernel.stats for kernel in (draw, measure)]  # type: ignore[attr-defined]
    hits = sum(sum(one.cache_hits.values()) for one in stats)
    return os.getpid(), hits, sum(sum(one.cache_misses.values()) for one in stats)


if __name__ == "__main__":
    warm_up()
    print(json.dumps([compiled(0), *run_jobs(compiled, range(8), 2)]))
