"""Pages with their truth, what was found on them, and the scores of the protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from formats.errors import UsageError
from train.boxes import Detections
from train.metrics import (
    Cleval,
    DetectionScore,
    IcdarIou,
    MatchProtocol,
    PageScore,
    PageTruth,
    TotalText,
    summarise,
)

Outline = Literal["quad", "polygon"]

PROTOCOLS: dict[str, MatchProtocol] = {
    "icdar2015": IcdarIou(),
    "polygon": IcdarIou(),
    "cleval": Cleval(),
    "total_text": TotalText(),
}
"""By the names of command lines and records. Polygons are matched as ICDAR 2015 matches quadrilaterals."""

FOR_POLYGONS = frozenset({"polygon", "total_text"})
"""Those of data sets whose plain files have any number of points a line."""
FOR_QUADS = frozenset({"icdar2015"})
"""Those that take quadrilaterals alone: a figure of theirs on other outlines is not the protocol's."""


def protocols_named(names: Iterable[str]) -> dict[str, MatchProtocol]:
    """Return protocols by name.

    Raises:
        UsageError: there is none of a name.
    """
    for name in names:
        if name not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise UsageError(f"protocol {name!r}", expected=f"one of: {known}", found="no such protocol")
    return {name: PROTOCOLS[name] for name in names}


def check_outline(names: Iterable[str], outline: Outline, setting: str) -> None:
    """Refuse protocols that do not take the outlines they are asked to score.

    Args:
        names: of the protocols.
        outline: of the detections.
        setting: that says so, by its name.

    Raises:
        UsageError: one of them takes quadrilaterals alone.
    """
    if outline == "polygon" and (refused := sorted(FOR_QUADS & {*names})):
        raise UsageError(
            f"protocol {refused[0]}",
            expected=f"quadrilaterals: {setting}=quad",
            found=f"{setting}=polygon",
            next_step="name the protocol polygon, which matches outlines of any number of points likewise",
        )


@dataclass(frozen=True)
class Page:
    """One page, scored.

    Attributes:
        key: the sample's key, or the name of a plain file.
        truth: its annotated texts, in source coordinates.
        found: what was found, best first, in source coordinates.
        scores: by protocol.
    """

    key: str
    truth: PageTruth
    found: Detections
    scores: Mapping[str, PageScore]


@dataclass(frozen=True)
class Evaluation:
    """Pages and the scores over all of them, by protocol."""

    pages: tuple[Page, ...]
    scores: Mapping[str, DetectionScore]

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers by name: the first protocol's are plain ("hmean", "precision", "recall"), of the others the
        name stands before ("cleval/hmean"); "macro" means the mean over pages.
        """
        numbers: dict[str, float] = {}
        for protocol, score in self.scores.items():
            before = f"{protocol}/" if numbers else ""
            numbers |= {f"{before}{name}": getattr(score, name) for name in ("hmean", "precision", "recall")}
            numbers[f"{before}macro_hmean"] = score.macro_hmean
        return numbers

    @property
    def worst_first(self) -> list[Page]:
        """The pages by their score under the first protocol, the worst first."""
        first = next(iter(self.scores))
        return sorted(self.pages, key=lambda page: (page.scores[first].hmean, page.key))


def score_page(key: str, truth: PageTruth, found: Detections, protocols: Mapping[str, MatchProtocol]) -> Page:
    """Score one page by some protocols."""
    scores = {name: protocol.match(truth, found.polygons) for name, protocol in protocols.items()}
    return Page(key, truth, found, scores)


def evaluation_of(pages: Sequence[Page], protocols: Sequence[str]) -> Evaluation:
    """Sum pages up by protocol."""
    scores = {name: summarise([page.scores[name] for page in pages]) for name in protocols}
    return Evaluation(tuple(pages), scores)
