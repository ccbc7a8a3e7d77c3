"""For training loops other than ours: our batches under their names and types (docs/other_trainers.md)."""

from __future__ import annotations

from train.feeds.batches import BatchFeed, FedBatch
from train.feeds.mmocr import mmocr0_targets, mmocr1_targets
from train.feeds.paddleocr import paddle_batch
from train.feeds.pages import PageDataset
from train.feeds.tars import WebPage, web_pages

__all__ = [
    "BatchFeed",
    "FedBatch",
    "PageDataset",
    "WebPage",
    "mmocr0_targets",
    "mmocr1_targets",
    "paddle_batch",
    "web_pages",
]
