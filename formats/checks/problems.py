"""What a verification finds: problems of four kinds, and the report they make."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Literal

import click

from formats.places import is_url
from formats.wording import counted

Kind = Literal["missing", "damaged", "inconsistent", "extra"]
KINDS: tuple[Kind, ...] = ("missing", "damaged", "inconsistent", "extra")
_MEANING = {
    "missing": "named by a manifest, not there",
    "damaged": "not the bytes that were written",
    "inconsistent": "whole, but at odds with something else in the set",
    "extra": "named by no manifest",
}
_SHOWN = 8


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Attributes:
        kind: "missing", "damaged", "inconsistent" or "extra".
        path: the file, below the set's folder.
        key: the sample it concerns, where it concerns one.
        expected: what should have been there.
        found: what was there.
    """

    kind: Kind
    path: str
    key: str | None = None
    expected: str = ""
    found: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """The outcome of a verification.

    Attributes:
        folder: the set's folder.
        deep: whether samples were decoded as well.
        shards: number of shards the set's manifest names.
        samples: number of samples it names.
        files: number of files that were hashed.
        bytes: number of bytes that were hashed.
        decoded: number of samples that were decoded: with `deep`, those of shards whose files can be opened.
        seconds: wall time.
        problems: what was found, by kind and path.
    """

    folder: str
    deep: bool
    shards: int
    samples: int
    files: int
    bytes: int
    decoded: int
    seconds: float
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as docs/format.md describes it."""
        return {"ok": not self.problems, **asdict(self)}

    def human_text(self) -> str:
        """Return the report for a terminal: the counts, then the first problems of each kind."""
        count = len(self.problems)
        verdict = counted(count, "problem") if count else "sound"
        color = "red" if count else "green"
        how = f"hashed, {self._decoded}" if self.deep else "hashed (--deep decodes every sample as well)"
        lines = [
            f"{self.folder}: {click.style(verdict, fg=color, bold=True)}",
            f"  {counted(self.samples, 'sample')} in {counted(self.shards, 'shard')}; "
            f"{counted(self.files, 'file')}, "
            f"{self.bytes / 1e6:.2f} MB {how}; {self.seconds:.1f} s",
        ]
        for kind, rows in groupby(self.problems, key=lambda problem: problem.kind):
            lines += [click.style(f"{kind}: {_MEANING[kind]}", bold=True), *_listed(list(rows))]
        if count:
            lines.append(f"next step: {self._next_step()}")
        return "\n".join(lines)

    def _next_step(self) -> str:
        """Return what mends the problems; in object storage no build removes anything."""
        extra = any(problem.kind == "extra" for problem in self.problems)
        cleaned = extra and is_url(self.folder)
        steps = []
        if not cleaned or any(problem.kind != "extra" for problem in self.problems):
            steps.append(
                "run python -m pipeline.build with the set's configuration: it makes missing and damaged "
                "shards again" + ("" if cleaned else " and removes extra ones")
            )
        if cleaned:
            steps.append(
                f"run python -m pipeline.clean {shlex.quote(self.folder)}: it removes all that the set's "
                "manifest does not name, former versions too"
            )
        return "; then ".join(steps)

    @property
    def _decoded(self) -> str:
        every = self.decoded == self.samples
        return (
            "every sample decoded"
            if every
            else f"{self.decoded} of {counted(self.samples, 'sample')} decoded"
        )


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems by kind, path and key."""
    return tuple(sorted(problems, key=lambda p: (KINDS.index(p.kind), p.path, p.key or "", p.expected)))


def _listed(rows: list[Problem]) -> list[str]:
    lines = []
    for problem in rows[:_SHOWN]:
        lines.append(f"  {problem.path}" + (f", sample {problem.key}" if problem.key is not None else ""))
        told = (("expected", problem.expected), ("found", problem.found))
        lines += [f"    {name:<9} {text}" for name, text in told if text]
    if len(rows) > _SHOWN:
        lines.append(f"  and {len(rows) - _SHOWN} more (--json lists all)")
    return lines
