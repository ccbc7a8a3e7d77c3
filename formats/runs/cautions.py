"""What makes a comparison of runs less than it looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from formats.runs.diff import NAMING, WITHOUT_EFFECT, Comparison, Setting, within
from formats.runs.record import RunRecord
from formats.wording import counted

SCORED_PAGES = ("data.val", "trainer.limit_val_batches")


@dataclass(frozen=True)
class Caution:
    """A kind in a word, and a sentence.

    The kinds: "several-differences", "data", "pages", "versions", "code", "device", "single-seed",
    "same-seed", "unfinished", "resumed", "learnt-pages".
    """

    kind: str
    text: str


def cautions(comparison: Comparison) -> list[Caution]:
    """Return what to beware of in a comparison, the gravest first."""
    return [
        *_of_differences(comparison),
        *_of_origin(comparison.runs),
        *_of_seeds(comparison.settings),
        *_of_runs(comparison.runs),
    ]


def _of_differences(comparison: Comparison) -> Iterator[Caution]:
    names = [difference.name for difference in comparison.differences]
    if len(names) > 1:
        yield Caution(
            "several-differences",
            f"the runs differ in {len(names)} things ({', '.join(names)}): "
            "what each of them does cannot be told apart",
        )
    if "set" in names:
        parts = _differing_parts(comparison.runs)
        where = f" ({', '.join(parts)})" if parts else ""
        yield Caution("data", f"the runs learnt from different sets{where}, and were scored on them")
    if pages := [name for name in names if name in SCORED_PAGES]:
        yield Caution("pages", f"the scores are of different pages: {', '.join(pages)}")
    if versions := [name.partition(".")[2] for name in names if name.startswith("versions.")]:
        yield Caution("versions", f"the runs were made with different versions of {', '.join(versions)}")


def _differing_parts(runs: Mapping[str, RunRecord]) -> list[str]:
    known = [record.parts for record in runs.values() if record.parts]
    return [name for name in (known[0] if known else ()) if len({parts.get(name) for parts in known}) > 1]


def _of_origin(runs: Mapping[str, RunRecord]) -> Iterator[Caution]:
    revisions = sorted({record.origin["git"] for record in runs.values() if "git" in record.origin})
    if len(revisions) > 1:
        yield Caution(
            "code", f"the runs were made by different revisions of the code: {', '.join(revisions)}"
        )
    if changed := [
        label for label, record in runs.items() if record.origin.get("git", "").endswith("-dirty")
    ]:
        yield Caution("code", f"made by code that no revision holds: {', '.join(changed)}")
    devices = sorted({record.origin["device"] for record in runs.values() if "device" in record.origin})
    if len(devices) > 1:
        yield Caution("device", f"times and memory are of different devices: {', '.join(devices)}")


def _of_seeds(settings: Sequence[Setting]) -> Iterator[Caution]:
    if few := [setting.label for setting in settings if len(set(setting.seeds)) == 1]:
        yield Caution(
            "single-seed",
            f"a single seed for {'; '.join(few)}: how far chance alone moves the scores is not known",
        )
    for setting in settings:
        if twice := sorted({seed for seed in setting.seeds if setting.seeds.count(seed) > 1}):
            seeds = ", ".join(map(str, twice))
            yield Caution("same-seed", f"seed {seeds} more than once in {setting.label}: n says too much")


def _of_runs(runs: Mapping[str, RunRecord]) -> Iterator[Caution]:
    for label, record in runs.items():
        if record.settings.get("data.val") in (learnt := record.settings.get("data.train", [])):
            yield Caution("learnt-pages", f"{label} is scored on pages it learnt from: {', '.join(learnt)}")
        if record.state != "finished":
            yield Caution(
                "unfinished", f"{label} is {record.state}, at step {record.steps}: it stands in no mean"
            )
        others = (*NAMING, *WITHOUT_EFFECT, "processes")
        if changed := [name for name in record.changed if not within(name, others)]:
            yield Caution("resumed", f"{label} was resumed with other settings: {', '.join(changed)}")
        if "processes" in record.changed:
            before, after = record.changed["processes"]
            yield Caution(
                "resumed",
                f"{label} was resumed with {counted(after, 'process', 'processes')}, and had {before}: its times are of both",
            )
