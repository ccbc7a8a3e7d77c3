"""What each page about runs shows: plain values for its template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from formats.errors import DamageError
from formats.runs.cautions import cautions
from formats.runs.diff import compare_runs
from formats.runs.diff_text import tables
from formats.runs.page_results import PageResults
from formats.runs.record import RunRecord
from pipeline.dashboard.catalogue import Catalogue
from pipeline.dashboard.charts import Axes, Line, line_chart
from pipeline.dashboard.render import Values

LOSSES = {
    "loss": "all parts",
    "loss/prob": "probability",
    "loss/thresh": "threshold",
    "loss/binary": "binary",
}
MOST_COMPARED = 7


class RunViews:
    """The pages of a catalogue's runs."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def runs(self) -> Values:
        """Every run found, the best first."""
        runs = self.catalogue.runs()
        ordered = sorted(runs, key=lambda name: (-_hmean(runs[name]), name))
        rows = [(name, runs[name], self._standing(runs[name])) for name in ordered]
        return {"rows": rows, "unread": self.catalogue.unread_runs(), "reading": self.catalogue.reading()}

    def _standing(self, record: RunRecord) -> tuple[list[str], str]:
        """Return the sets here that have the fingerprint a run learnt from; without any, why in words.

        Which of them it read, or whether it read another of the same bytes elsewhere, is not asked.
        """
        fingerprint = record.facts.get("set")
        if fingerprint is None:
            return [], "the run does not say which set it learnt from: it has no checkpoint yet"
        same: list[str] = []
        nearest, fewest = "", 6
        for name in self.catalogue.sets():
            contents = self.catalogue.health(name).contents
            if contents is None:
                continue
            if contents.fingerprint == fingerprint:
                same.append(name)
            parts = self._parts(name)
            differing = [part for part, digest in record.parts.items() if parts.get(part) != digest]
            if record.parts and len(differing) < fewest:
                nearest, fewest = (
                    f"nearest is {name}, which differs in {', '.join(differing)}",
                    len(differing),
                )
        if same:
            return same, ""
        return [], f"the set it learnt from is not among these{'; ' if nearest else ''}{nearest}"

    def _parts(self, name: str) -> Mapping[str, str]:
        opened = self.catalogue.readable(name)
        return {} if opened is None else opened.manifest.parts

    def run(self, name: str) -> Values:
        """One run: its curves, its figures, its worst pages."""
        record = self.catalogue.run(name)
        results, damaged = self._results(name)
        standing, words = self._standing(record)
        worst = []
        if results is not None and standing and (opened := self.catalogue.readable(standing[0])) is not None:
            ordered = sorted(results.pages.values(), key=lambda page: (page.hmean, page.key))[:12]
            worst = [(page, number) for page in ordered if (number := opened.find(page.key)) is not None]
        return {
            "name": name,
            "record": record,
            "sets": standing,
            "standing": words,
            "charts": run_charts({name: record}),
            "results": results,
            "damaged": damaged,
            "worst": worst,
            "others": [other for other in self.catalogue.runs() if other != name],
        }

    def _results(self, name: str) -> tuple[PageResults | None, str]:
        """Return what a run's best validation found, and why that cannot be read, where it cannot."""
        try:
            return self.catalogue.results(name), ""
        except DamageError as error:
            return None, " ".join(str(error).split())

    def comparison(self, names: list[str]) -> Values:
        """Runs side by side, with the settings in which they differ."""
        known = [*self.catalogue.runs()]
        chosen = [name for name in known if name in names][:MOST_COMPARED]
        values: Values = {"known": known, "chosen": chosen, "tables": [], "cautions": [], "charts": []}
        if len(chosen) > 1:
            records = {name: self.catalogue.run(name) for name in chosen}
            comparison = compare_runs(list(records.values()))
            values |= {
                "tables": tables(comparison),
                "cautions": cautions(comparison),
                "charts": run_charts(records)[:2],
                "without_effect": comparison.without_effect,
            }
        return values


def run_charts(runs: Mapping[str, RunRecord]) -> list[tuple[str, Any]]:
    """Return the curves of some runs: scores, losses, and where one is shown alone, its pace."""
    scores = [_line(run, name, "val", "hmean") for name, run in runs.items()]
    losses = [_line(run, name, "train", "loss") for name, run in runs.items()]
    if len(runs) == 1:
        (run,) = runs.values()
        words = {"hmean": "H-mean", "precision": "precision", "recall": "recall"}
        scores = [_line(run, word, "val", name) for name, word in words.items()]
        losses = [line for name, word in LOSSES.items() if (line := _line(run, word, "train", name)).xs]
    step = "optimizer step"
    charts = [
        (
            "Scores of validation",
            line_chart(scores, Axes("scores of validation", step, "score", whole="x"), points=True),
        ),
        ("Loss", line_chart(losses, Axes("loss of training", step, "loss, log scale", log=True, whole="x"))),
    ]
    if len(runs) == 1:
        pace = [_line(run, "pages", "train", "time/samples_per_s")]
        wait = [_line(run, "share", "train", "time/data_wait_share")]
        charts += [
            ("Throughput", line_chart(pace, Axes("pages a second", step, "pages/s", 0.0, whole="x"))),
            (
                "Waiting for data",
                line_chart(wait, Axes("share of time waiting for data", step, "share", 0.0, 1.0, whole="x")),
            ),
        ]
    return charts


def _line(run: RunRecord, label: str, phase: str, name: str) -> Line:
    rows = [record for record in run.records if record["phase"] == phase and name in record]
    return Line(label, [record["global_step"] for record in rows], [record[name] for record in rows])


def _hmean(record: RunRecord) -> float:
    return float(record.figures.get("best/hmean", -1.0))
