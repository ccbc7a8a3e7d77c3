"""Which pages of a set to show, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from formats.runs.page_results import PageResult
from formats.shards import ShardSet
from pipeline.dashboard.survey import Survey

ORDERS = {
    "key": "key",
    "texts": "most texts",
    "area": "most text area",
    "bytes": "largest in the shard",
    "hmean": "worst H-mean of the run",
}
A_PAGE = 48


@dataclass(frozen=True)
class Found:
    """Samples in the order asked for.

    Attributes:
        numbers: of the samples, on this page of the list.
        total: how many were found.
        page, pages: which page of the list this is, from 1, and how many there are.
        order: by what they are sorted: "key" where another was asked for that is not known yet.
    """

    numbers: tuple[int, ...]
    total: int
    page: int
    pages: int
    order: str


def find_samples(
    opened: ShardSet,
    measured: Survey | None,
    results: Mapping[str, PageResult] | None,
    *,
    search: str = "",
    order: str = "key",
    page: int = 1,
    a_page: int = A_PAGE,
) -> Found:
    """Return the samples whose key holds what is searched for, a page of them.

    Args:
        opened: the set.
        measured: of the set; None while it is being measured.
        results: of a run, by key; samples it has not seen come last under "hmean".
        search: part of a key, in any case.
        order: one of `ORDERS`.
        page: from 1; one beyond the last is the last.
        a_page: samples on a page.
    """
    keys = [*chain.from_iterable(shard.keys for shard in opened.shards)]
    wanted = search.lower()
    numbers = [number for number, key in enumerate(keys) if wanted in key.lower()]
    if order == "texts" and measured is not None:
        numbers.sort(key=lambda number: -int(measured.texts_N[number]))
    elif order == "area" and measured is not None:
        numbers.sort(key=lambda number: -float(measured.area_N[number]))
    elif order == "bytes":
        sizes = stored_sizes(opened)
        numbers.sort(key=lambda number: -int(sizes[number]))
    elif order == "hmean" and results is not None:
        numbers.sort(key=lambda number: results[keys[number]].hmean if keys[number] in results else 2.0)
    else:
        order = "key"
        numbers.sort(key=keys.__getitem__)
    pages = max(1, -(-len(numbers) // a_page))
    page = min(max(page, 1), pages)
    shown = numbers[(page - 1) * a_page : page * a_page]
    return Found(tuple(shown), len(numbers), page, pages, order)


def stored_sizes(opened: ShardSet) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return how many bytes each sample takes in its shard, (N,) int64."""
    of_shards = [
        sum(
            (column.size.astype(np.int64) for column in shard.columns.values()),
            np.zeros(len(shard.keys), np.int64),
        )
        for shard in opened.shards
    ]
    return np.concatenate([np.zeros(0, np.int64), *of_shards])
