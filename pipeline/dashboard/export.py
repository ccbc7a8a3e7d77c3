"""The pages as one HTML file that stands alone: every page a place in it, pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from itertools import combinations
from pathlib import Path

from formats.errors import TextshardsError
from formats.storage import write_whole
from pipeline.dashboard.catalogue import Catalogue
from pipeline.dashboard.links import FileLinks, place_of
from pipeline.dashboard.pictures import layer_picture, page_picture, quarantined_picture, thumbnail
from pipeline.dashboard.render import Pages, Values
from pipeline.dashboard.run_views import RunViews
from pipeline.dashboard.set_views import SetViews

THUMBS = 60
"""Thumbnails of a set in the file."""
MOST_DIFFS = 10
MOST_RUNS = 20

Part = tuple[str, str, Values]
"""A page's place, its template and what fills it."""


def write_file(catalogue: Catalogue, path: Path, whole_pages: int) -> None:
    """Write the file, whole or not at all.

    Args:
        catalogue: what to show; one that waits.
        path: of the file; its folder is made where missing.
        whole_pages: of each set, how many pages with their maps: some 200 kB each.
    """
    parts = [*_of_sets(SetViews(catalogue), whole_pages), *_of_runs(RunViews(catalogue))]
    places = {place for place, _, _ in parts}
    pages = Pages(FileLinks(dict.fromkeys(places), lambda asked: _picture(catalogue, asked)))
    sections = "".join(
        f'<section class="place" id="{place}">{pages.page(template, values, layout="part.html")}</section>'
        for place, template, values in parts
    )
    compared = '<a href="#p-compare">Compared</a>' if place_of("compare") in places else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = _DOCUMENT.format(
        style=pages.style() + _STYLE, script=pages.script(), body=sections, compared=compared
    )
    write_whole(path, document.encode())


def _of_sets(views: SetViews, whole_pages: int) -> Iterator[Part]:
    names = [*views.catalogue.sets()]
    yield place_of(), "sets.html", views.overview()
    for name in names:
        yield place_of("set", name), "set.html", views.set_page(name)
        yield from _of_pages(views, name, whole_pages)
    for a, b in [*combinations(names, 2)][:MOST_DIFFS]:
        try:
            yield place_of("diff", a=a, b=b), "diff.html", views.difference(a, b)
        except TextshardsError:
            continue


def _of_runs(views: RunViews) -> Iterator[Part]:
    yield place_of("runs"), "runs.html", views.runs()
    runs = [name for name, _, _ in views.runs()["rows"]][:MOST_RUNS]
    for run in runs:
        yield place_of("run", run), "run.html", views.run(run)
    if len(runs) > 1:
        yield place_of("compare"), "compare.html", views.comparison(runs)


def _of_pages(views: SetViews, name: str, whole_pages: int) -> Iterator[Part]:
    try:
        listed = views.samples(name, {"sort": "hmean"}, a_page=THUMBS)
        if listed["found"].order == "key":
            listed = views.samples(name, {"sort": "texts"}, a_page=THUMBS)
        yield place_of("set", name, "samples"), "samples.html", listed
        yield place_of("set", name, "distributions"), "distributions.html", views.distributions(name)
        for tile in listed["tiles"][:whole_pages]:
            number = tile["number"]
            yield place_of("set", name, "sample", number), "sample.html", views.sample(name, number, {})
    except TextshardsError:
        # A damaged set has its health told, and no pages.
        return


def _picture(catalogue: Catalogue, asked: tuple[str | int, ...]) -> str:
    """Return a picture as a data URL; empty of what cannot be read."""
    _, name, kind, *rest = map(str, asked)
    number = int(rest[0].partition(".")[0])
    opened = catalogue.opened(name)
    try:
        if kind == "quarantined":
            return _data_url(quarantined_picture(catalogue.folder(name), opened.manifest.quarantined[number]))
        if kind == "thumb":
            return _data_url(thumbnail(opened, number))
        if kind == "page":
            return _data_url(page_picture(opened, number))
        return _data_url(layer_picture(opened, number, rest[1].partition(".")[0]), "png")
    except TextshardsError:
        return ""


def _data_url(data: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


_DOCUMENT = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>{escape("textshards: sets and runs")}</title>
<style>{{style}}</style>
</head>
<body>
<header><nav aria-label="pages"><a class="brand" href="#p">textshards</a><a href="#p">Sets</a>\
<a href="#p-runs">Runs</a>{{compared}}</nav></header>
<main id="main">
{{body}}
</main>
<script>{{script}}</script>
</body>
</html>
"""
_STYLE = """
.place { display: none }
.place:target, main:not(:has(.place:target)) > .place:first-child { display: block }
"""
