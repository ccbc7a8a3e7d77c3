"""Which run a command line means: a new one, one that goes on, or one that takes another's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from formats.errors import UsageError
from formats.places import Place
from formats.runs.record import CONFIG
from formats.settings import read_yaml
from train.claim import check_new, claimed, holds_run
from train.config import changed_config, load_config
from train.experiment import Experiment
from train.going_on import check_run
from train.ranks import ALONE, Ranks
from train.replacement import recover, unfinished


def open_run(
    shards: Place,
    config_path: Path | None,
    overrides: Sequence[str],
    *,
    weights: Path | None = None,
    resume: Path | None = None,
    replace: bool = False,
    ranks: Ranks = ALONE,
) -> Experiment:
    """Open the run that a command line means; nothing is written.

    Where a process was killed while a run took another's place, the run that stands is made whole first.

    Args:
        shards: the set's folder.
        config_path: YAML file, None for defaults.
        overrides: ``section.field=value`` words.
        weights: file to start the trunk from.
        resume: folder of a run to go on with: its configuration, with the overrides.
        replace: let an earlier run of the same name go, once this one has begun.
        ranks: the processes of the run; each opens it alike.

    Raises:
        UsageError: settings that do not fit, or a folder that holds a run already.
        TextshardsError: the run is still being written; and see `train.experiment.Experiment`.
    """
    if resume is not None:
        if config_path is not None or weights is not None or replace:
            raise UsageError(
                "--resume",
                expected="no --config, --weights or --replace beside it",
                next_step="the run's own configuration holds; change it with key=value words",
            )
        _make_whole(resume, ranks)
        check_run(resume)
        return Experiment(changed_config(read_yaml(resume / CONFIG), overrides), shards, resume, ranks)
    config = load_config(config_path, overrides)
    folder = config.run_folder
    _make_whole(folder, ranks)
    experiment = Experiment(config, shards, folder, ranks, replace=replace)
    if not replace:
        check_new(folder)
    elif holds_run(folder) and ranks.first:
        # A run that is still being written is told before anything is done for the new one.
        with claimed(folder):
            pass
    if weights is not None:
        experiment.load_backbone(weights)
    # All have looked before one of them changes what is seen.
    ranks.any(False)
    return experiment


def _make_whole(folder: Path, ranks: Ranks) -> None:
    if ranks.first and unfinished(folder):
        with claimed(folder):
            recover(folder)
    ranks.any(False)
