"""Which run a command line means: a new one, one that goes on, or one that takes another's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from formats.errors import UsageError
from formats.places import Place
from formats.runs.record import CONFIG
from formats.settings import read_yaml
from train.claim import check_new, claimed, clear, holds_run
from train.config import changed_config, load_config
from train.experiment import Experiment
from train.going_on import check_run
from train.ranks import ALONE, Ranks


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
    """Open the run that a command line means; nothing is written but that `replace` removes an old run.

    Args:
        shards: the set's folder.
        config_path: YAML file, None for defaults.
        overrides: ``section.field=value`` words.
        weights: file to start the trunk from.
        resume: folder of a run to go on with: its configuration, with the overrides.
        replace: remove an earlier run of the same name.
        ranks: the processes of the run; each opens it alike.

    Raises:
        UsageError: settings that do not fit, or a folder that holds a run already.
        TextshardsError: the run to replace is still being written; and see `train.experiment.Experiment`.
    """
    if resume is not None:
        if config_path is not None or weights is not None or replace:
            raise UsageError(
                "--resume",
                expected="no --config, --weights or --replace beside it",
                next_step="the run's own configuration holds; change it with key=value words",
            )
        check_run(resume)
        return Experiment(changed_config(read_yaml(resume / CONFIG), overrides), shards, resume, ranks)
    config = load_config(config_path, overrides)
    folder = config.run_folder
    experiment = Experiment(config, shards, folder, ranks)
    if not replace:
        check_new(folder)
    if weights is not None:
        experiment.load_backbone(weights)
    earlier = holds_run(folder)
    # All have looked before one of them changes what is seen.
    ranks.any(False)
    if earlier and ranks.first:
        with claimed(folder):
            clear(folder)
    return experiment
