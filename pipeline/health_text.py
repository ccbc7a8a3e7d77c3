"""A set's health in words, for a terminal: the verdict, then a fact a line."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator, Mapping

import click

from formats.checks.problems import Problem
from formats.checks.verified import TIME, Verification
from formats.wording import counted
from pipeline.building import BuildProgress
from pipeline.set_health import Contents, RecordedValidity, SetHealth, StoredBytes, Verdict

_COLORS: dict[Verdict, str] = {
    "valid": "green",
    "unchecked": "yellow",
    "stale": "red",
    "damaged": "red",
    "no set": "red",
}
_SHOWN = 5
_LABEL = 12
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def human_text(health: SetHealth, now: float | None = None) -> str:
    """Return a set's health for a terminal; `now` in seconds since the epoch."""
    verdict = click.style(health.verdict, fg=_COLORS[health.verdict], bold=True)
    return "\n".join([f"{health.folder}: {verdict}", *_lines(health, time.time() if now is None else now)])


def _lines(health: SetHealth, now: float) -> Iterator[str]:
    if health.building is not None:
        far = "" if health.progress is None else f"; {progress_text(health.progress)}"
        yield _row("building", click.style(f"now, by {health.building}{far}", fg="yellow"))
    if health.fault is not None:
        yield from _rows("why", health.fault.splitlines())
    yield from _rows("damaged", [problem_text(problem) for problem in health.problems])
    yield from _rows("why" if health.validity.valid is False else "sources", [*health.validity.why])
    if health.contents is not None:
        yield from _contents(health.contents)
        yield _row("verified", verified_text(health, now))
        yield _row("orphans", _orphans(health))
    if health.disk_free is not None and health.disk_total is not None:
        yield _row("disk", f"{size_text(health.disk_free)} free of {size_text(health.disk_total)}")
    yield from _next_steps(health)


def _row(label: str, text: str) -> str:
    return f"  {click.style(label.ljust(_LABEL), dim=True)} {text}"


def _rows(label: str, texts: list[str]) -> Iterator[str]:
    more = [f"and {len(texts) - _SHOWN} more (--json lists all)"] if len(texts) > _SHOWN else []
    for number, text in enumerate(texts[:_SHOWN] + more):
        yield _row("" if number else label, text)


def problem_text(problem: Problem) -> str:
    """Return what is wrong with a file."""
    told = (
        f"expected {problem.expected}" if problem.expected else "",
        f"found {problem.found}" * bool(problem.found),
    )
    return f"{problem.path}: {', '.join(filter(None, told)) or problem.kind}"


def _contents(contents: Contents) -> Iterator[str]:
    built = "at a time that is not recorded"
    if contents.built is not None and contents.age_s is not None:
        built = f"{age_text(contents.age_s)} ago, {moment_text(contents.built)}"
    yield _row("built", built)
    splits = ", ".join(f"{count} {name}" for name, count in sorted(contents.splits.items()))
    distorted = f" and {contents.variants} distorted variants of them" if contents.variants else ""
    yield _row("samples", f"{contents.samples} ({splits}){distorted} in {counted(contents.shards, 'shard')}")
    yield _row("bytes", _bytes(contents.bytes, contents))
    yield from _rows("quarantined", _quarantined(contents.quarantined))


def _bytes(stored: StoredBytes, contents: Contents) -> str:
    parts = [
        f"pages {size_text(stored.image)}{_smaller(contents.image_ratio)}",
        f"maps {size_text(stored.maps)}{_smaller(contents.maps_ratio)}",
        f"meta {size_text(stored.meta)}",
        f"containers {size_text(stored.container)}",
        f"manifests {size_text(stored.manifests)}",
    ]
    return f"{size_text(stored.total)}: {', '.join(parts)}"


def _smaller(ratio: float | None) -> str:
    return "" if ratio is None else f" ({ratio:.{0 if ratio >= 10 else 1}f}:1)"


def _quarantined(reasons: Mapping[str, int]) -> list[str]:
    return [f"{count} x {reason}" for reason, count in reasons.items()] or ["none"]


def verified_text(health: SetHealth, now: float) -> str:
    """Return when a set was last verified, and what came of it."""
    done = health.verified
    if done is None:
        return "never since it was last built: python -m formats.verify"
    age = age_text(now - calendar.timegm(time.strptime(done.time, TIME)))
    late = "" if health.verified_current else "; but the set has changed since"
    return f"{age} ago, {outcome_text(done)}{late}"


def outcome_text(done: Verification) -> str:
    """Return what a verification looked at and what came of it; where much was missing it did not see all."""
    if not done.problems:
        return f"{'every sample decoded' if done.deep else 'every file hashed'}: sound"
    found = ", ".join(f"{count} {kind}" for kind, count in done.problems.items())
    return f"{'samples decoded' if done.deep else 'files hashed'}: {found}"


def _orphans(health: SetHealth) -> str:
    if not health.orphans:
        return "none"
    size = size_text(sum(orphan.bytes for orphan in health.orphans))
    names = ", ".join(orphan.path for orphan in health.orphans[:2])
    return f"{len(health.orphans)}, {size}: {names}{', ...' if len(health.orphans) > 2 else ''}"


def _next_steps(health: SetHealth) -> Iterator[str]:
    validity = health.validity
    if health.verdict in ("stale", "damaged") and validity.command:
        yield _row("next step", f"{validity.command}{_cost(validity)}")
    elif health.verdict == "damaged":
        yield _row("next step", "python -m pipeline.build with the set's configuration mends it")
    if health.orphans:
        yield _row("to clean", f"python -m pipeline.clean {health.folder}")


def _cost(validity: RecordedValidity) -> str:
    if not validity.shards:
        return ""
    pace = "" if validity.seconds is None else f", about {age_text(validity.seconds)}"
    return f"  # {counted(validity.shards, 'shard')}, {size_text(validity.bytes)}{pace}"


def progress_text(progress: BuildProgress) -> str:
    """Return how far a build has come, and how long it will take still."""
    left = progress.seconds_left
    when = "" if left is None else f", about {age_text(left)} left"
    shards = f"{progress.shards} of {counted(progress.of_shards, 'shard')}"
    return f"{progress.samples} of {counted(progress.of_samples, 'page')} rendered, {shards}{when}"


def size_text(count: int) -> str:
    """Return a number of bytes in three digits."""
    name, unit = next(((name, unit) for name, unit in _UNITS if count >= unit), ("B", 1.0))
    return f"{count / unit:.0f} {name}" if count >= 100 * unit else f"{count / unit:.3g} {name}"


def age_text(seconds: float) -> str:
    """Return a length of time in its greatest unit."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return f"{max(seconds, 0):.0f} s"


def moment_text(text: str) -> str:
    """Return a recorded time for people."""
    return f"{text[:10]} {text[11:16]} UTC"
