from __future__ import annotations

import pytest
from dashboard_site import Site, page_results

from formats.shards import ShardSet
from pipeline.dashboard.samples import find_samples, stored_sizes
from pipeline.dashboard.survey import survey


def test_pages_are_found_sorted_and_cut(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    measured, results = survey(opened), page_results(opened).pages
    everything = find_samples(opened, measured, results)
    keys = [opened.key(number) for number in everything.numbers]
    assert keys == sorted(keys) and len(keys) == everything.total == len(opened)
    (only,) = find_samples(opened, measured, results, search="PAGE_3").numbers
    assert opened.key(only) == "train/page_3.jpg"
    second = find_samples(opened, measured, results, page=2, a_page=4)
    assert second.numbers == everything.numbers[4:] and (second.page, second.pages) == (2, 2)
    assert find_samples(opened, measured, results, page=99, a_page=4) == second
    assert find_samples(opened, measured, results, search="nowhere").numbers == ()


@pytest.mark.parametrize("order", ["texts", "area", "bytes", "hmean"])
def test_every_order_is_by_what_it_says(site: Site, order: str) -> None:
    opened = ShardSet(site.made.folder)
    measured, results = survey(opened), page_results(opened).pages
    values = {
        "texts": -measured.texts_N,
        "area": -measured.area_N,
        "bytes": -stored_sizes(opened),
        "hmean": [results[opened.key(number)].hmean for number in range(len(opened))],
    }[order]
    found = find_samples(opened, measured, results, order=order)
    sorted_values = [values[number] for number in found.numbers]
    assert found.order == order and sorted_values == sorted(sorted_values)


def test_an_order_that_is_not_known_yet_falls_back_to_keys(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    assert find_samples(opened, None, None, order="texts").order == "key"
    assert find_samples(opened, None, None, order="hmean").order == "key"
    assert find_samples(opened, None, None, order="'; drop").order == "key"


def test_sizes_are_those_of_the_shards(site: Site) -> None:
    opened = ShardSet(site.made.folder)
    assert stored_sizes(opened).tolist() == [opened.stored_bytes(number) for number in range(len(opened))]
