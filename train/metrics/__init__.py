"""Detection metrics: one file a protocol; each matches a page, `summarise` sums the pages."""

from __future__ import annotations

from train.metrics.cleval import Cleval
from train.metrics.icdar import IcdarIou
from train.metrics.score import DetectionScore, MatchProtocol, PageScore, PageTruth, summarise, truth_of
from train.metrics.total_text import TotalText

__all__ = [
    "Cleval",
    "DetectionScore",
    "IcdarIou",
    "MatchProtocol",
    "PageScore",
    "PageTruth",
    "TotalText",
    "summarise",
    "truth_of",
]
