"""What each page about sets shows: plain values for its template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from formats.diff_text import Compared
from formats.errors import TextshardsError, UsageError
from formats.placement import page_box
from formats.runs.page_results import PageResult
from formats.runs.record import RunRecord
from formats.sample import Points
from pipeline.dashboard.catalogue import Catalogue
from pipeline.dashboard.charts import share_bar
from pipeline.dashboard.distributions import distributions
from pipeline.dashboard.pictures import LAYERS
from pipeline.dashboard.render import Values
from pipeline.dashboard.samples import ORDERS, find_samples, stored_sizes
from pipeline.set_health import SetHealth

PARTS = {
    "image": "pages",
    "maps": "maps",
    "meta": "polygons",
    "container": "containers",
    "manifests": "manifests",
}
LAYER_WORDS = {
    "prob": "probability map",
    "thresh": "threshold map",
    "thresh_mask": "threshold mask",
    "prob_mask": "no probability loss",
}


class SetViews:
    """The pages of a catalogue's sets."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def overview(self) -> Values:
        """Every set found, and how many runs."""
        runs = self.catalogue.runs()
        rows = [self._row(name, runs) for name in self.catalogue.sets()]
        reading = self.catalogue.reading()
        return {
            "rows": rows,
            "runs": len(runs),
            "reading": reading,
            "building": any(row["health"].building for row in rows),
        }

    def _row(self, name: str, runs: Mapping[str, RunRecord]) -> Values:
        health = self.catalogue.health(name)
        return {
            "name": name,
            "health": health,
            "bytes": bytes_bar(health),
            "parts": PARTS,
            "runs": len(_of_set(runs, health)),
        }

    def set_page(self, name: str) -> Values:
        """One set: verdict, contents, quarantine, its runs."""
        health = self.catalogue.health(name)
        quarantined = self._quarantined(name) if health.fault is None else []
        runs = _of_set(self.catalogue.runs(), health)
        comparable = self.catalogue.comparable()
        others = [other for other in comparable if other != name] if name in comparable else []
        every = self.catalogue.runs()
        return {
            "name": name,
            "health": health,
            "bytes": bytes_bar(health),
            "parts": PARTS,
            "quarantined": quarantined,
            "runs": {run: record for run, record in every.items() if run in runs},
            "strangers": len(every) - len(runs),
            "others": others,
            "settings": self._settings(name),
        }

    def _settings(self, name: str) -> Values | None:
        opened = self.catalogue.readable(name)
        return None if opened is None else opened.settings.model_dump(mode="json")

    def _quarantined(self, name: str) -> list[Any]:
        opened = self.catalogue.readable(name)
        return [] if opened is None else list(opened.manifest.quarantined)

    def samples(self, name: str, query: Mapping[str, str], a_page: int = 48) -> Values:
        """The pages of a set, as they are asked for."""
        opened, measured = self.catalogue.opened(name), self.catalogue.survey(name)
        runs = self._judging(name)
        run = query.get("run") or next(iter(runs), "")
        results = runs.get(run)
        page = query.get("page", "1")
        found = find_samples(
            opened,
            measured,
            results,
            search=query.get("q", ""),
            order=query.get("sort", "key"),
            page=int(page) if page.isascii() and page.isdecimal() and len(page) < 9 else 1,
            a_page=a_page,
        )
        sizes = stored_sizes(opened)
        tiles = [
            {
                "number": number,
                "key": opened.key(number),
                "texts": None if measured is None else int(measured.texts_N[number]),
                "area": None if measured is None else float(measured.area_N[number]),
                "bytes": int(sizes[number]),
                "hmean": results[key].hmean if results and (key := opened.key(number)) in results else None,
            }
            for number in found.numbers
        ]
        return {
            "name": name,
            "found": found,
            "tiles": tiles,
            "tile_height": round(160 * opened.canvas[0] / opened.canvas[1]),
            "orders": ORDERS,
            "asked": query.get("sort", "key"),
            "q": query.get("q", ""),
            "run": run,
            "runs": [*runs],
            "measured": measured is not None,
        }

    def _judging(self, name: str) -> dict[str, Mapping[str, PageResult]]:
        """Return what runs found on pages of a set, by run."""
        opened = self.catalogue.opened(name)
        found: dict[str, Mapping[str, PageResult]] = {}
        for run in self.catalogue.runs():
            try:
                results = self.catalogue.results(run)
            except TextshardsError:
                continue
            if results is not None and any(opened.find(key) is not None for key in [*results.pages][:1]):
                found[run] = results.pages
        return found

    def sample(self, name: str, number: int, query: Mapping[str, str]) -> Values:
        """One page, its maps and its texts, and what a run found on it."""
        opened = self.catalogue.opened(name)
        if not 0 <= number < len(opened):
            raise UsageError(f"sample {number} of {name}", expected=f"0 to {len(opened) - 1}")
        meta = opened.meta(number)
        runs = {run: pages for run, pages in self._judging(name).items() if meta.key in pages}
        run = query.get("run") if query.get("run") in runs else next(iter(runs), None)
        texts = [
            {
                "points": _points(text.polygon_V2),
                "status": text.status,
                "text": text.text,
                "ignored": text.ignored,
            }
            for text in meta.texts
        ]
        lost = () if run is None else runs[run][meta.key].missed
        left, top, right, bottom = page_box(meta, opened.canvas)
        sizes = {member: opened.stored_bytes(number, [member]) for member in opened.locate(number)[0].columns}
        return {
            "name": name,
            "number": number,
            "last": len(opened) - 1,
            "meta": meta,
            "canvas": opened.canvas,
            "box": (left, top, right - left, bottom - top),
            "texts": texts,
            "sizes": sizes,
            "layers": {layer: LAYER_WORDS[layer] for layer in LAYERS},
            "shard": opened.locate(number)[0].name,
            "run": run,
            "runs": [*runs],
            "missed": [texts[index] for index in lost if index < len(texts)],
            "result": None if run is None else _result(runs[run][meta.key], meta.to_canvas_23),
        }

    def distributions(self, name: str) -> Values:
        """How a set's texts are distributed."""
        opened, measured = self.catalogue.opened(name), self.catalogue.survey(name)
        charts = None if measured is None else distributions(measured, opened.settings)
        return {"name": name, "charts": charts, "texts": 0 if measured is None else len(measured.page_T)}

    def difference(self, a: str, b: str) -> Values:
        """What lies between two sets, and which others there are."""
        names = self.catalogue.comparable()
        compared: Compared | None = self.catalogue.compared(a, b) if a and b else None
        return {"a": a, "b": b, "names": names, "compared": compared}


def bytes_bar(health: SetHealth) -> Any:
    """Return a bar of where a set's bytes lie; nothing where there is no set."""
    if health.contents is None:
        return ""
    stored = health.contents.bytes
    return share_bar([(word, getattr(stored, part)) for part, word in PARTS.items()], "bytes by part")


def _of_set(runs: Mapping[str, RunRecord], health: SetHealth) -> list[str]:
    if health.contents is None:
        return []
    return [name for name, run in runs.items() if run.facts.get("set") == health.contents.fingerprint]


def _points(polygon_V2: Any) -> str:
    return " ".join(f"{x + 0.5:.1f},{y + 0.5:.1f}" for x, y in polygon_V2)


def _result(page: PageResult, to_canvas_23: Points) -> Values:
    def on_canvas(box: Any) -> str:
        return _points(np.array(box) @ to_canvas_23[:, :2].T + to_canvas_23[:, 2])

    kinds = dict.fromkeys(page.matched, "found") | dict.fromkeys(page.ignored, "uncounted")
    boxes = [
        {"points": on_canvas(box), "kind": kinds.get(index, "invented"), "score": score}
        for index, (box, score) in enumerate(zip(page.found, page.scores, strict=True))
    ]
    return {"page": page, "boxes": boxes, "missed": set(page.missed)}
