"""Each process of tests/train/test_nodes.py: `torchrun ... -m node_program SHARDS RUNS NOTES STEPS`."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from made_run import WORDS

from formats.places import place
from train.experiment import Experiment
from train.ranks import joined
from train.run_folder import open_run

SETTINGS = (
    *WORDS,
    "model.freeze_batch_norm=true",
    "data.val=null",
    "data.stream.shuffle=shards",
    "data.stream.threads=1",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "optim.lr=1e-4",
    "exp_name=x",
)
Rows = list[tuple[int, int, list[str]]]
"""Epoch, place of the batch in it, and keys of the pages that a process learnt from there."""


def noted(experiment: Experiment) -> Rows:
    """Have a run note what it learns from; return where."""
    rows: Rows = []
    own_size = experiment.task.size

    def size(batch: Any) -> int:
        keys = [experiment.train_set.key(number) for number in batch.numbers]
        rows.append((experiment.records.position.epoch, batch.position, keys))
        return own_size(batch)

    experiment.task.size = size  # type: ignore[method-assign]
    return rows


def main(shards: str, runs: Path, notes: Path, steps: int) -> None:
    torch.set_num_threads(1)
    with joined() as ranks:
        experiment = open_run(place(shards), None, (*SETTINGS, f"logger.folder={runs}"), ranks=ranks)
        rows, asked = noted(experiment), itertools.count(1)
        experiment.run(lambda: next(asked) == steps and ranks.first)
        (notes / f"{ranks.rank}.json").write_text(json.dumps(rows))
    ranks.leave(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
