"""``python -m train.run``: a set of shards in, a trained detector out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from formats.commands import PLACE, run_command, tell_error
from formats.completion import settings_of
from formats.places import Place

PATH = click.Path(path_type=Path)


@click.command("train.run", context_settings={"max_content_width": 100})
@click.option("--shards", type=PLACE, required=True, help="folder or s3:// URL of the set to train on")
@click.option("--config", "config_path", type=PATH, help="YAML file (default: every setting's default)")
@click.option("--weights", type=PATH, help="torchvision ResNet state dict to start the trunk from")
@click.option(
    "--resume", type=PATH, help="folder of a run to go on with; its configuration holds, KEY=VALUE changes it"
)
@click.option("--changed-set", is_flag=True, help="with --resume: go on although the set has changed")
@click.option("--profile", is_flag=True, help="measure each phase; write trace.json (trainer.profile=true)")
@click.option("--replace", is_flag=True, help="remove an earlier run of the same name once this begins")
@click.argument(
    "overrides",
    nargs=-1,
    metavar="[KEY=VALUE]...",
    shell_complete=settings_of("train.config", "TrainConfig"),
)
def main(
    shards: Place,
    config_path: Path | None,
    weights: Path | None,
    resume: Path | None,
    changed_set: bool,
    profile: bool,
    replace: bool,
    overrides: tuple[str, ...],
) -> int:
    """Train a text detector on a set of shards. Nothing is rendered here, and nothing is skipped.

    The run's folder, runs/EXP_NAME, holds config.yaml (as resolved), metrics.jsonl, best.pt and last.pt with
    a .json beside each, curves.png and summary.json. Ctrl-C saves and leaves; --resume goes on to the bit.
    Under settings that cut an epoch in other batches (seed, data.stream.batch_size), it begins again.
    docs/settings.md lists what KEY=VALUE and the configuration can say.

    \b
    Examples:
      python -m train.run --shards sets/sroie --config configs/train_sroie.yaml exp_name=sroie
      python -m train.run --shards sets/sroie trainer.max_epochs=1 trainer.limit_train_batches=1
      python -m train.run --shards sets/sroie --resume runs/sroie
      torchrun --nproc-per-node 2 -m train.run --shards sets/sroie exp_name=two_processes
    """
    from train.going_on import advised
    from train.order import ShareError
    from train.ranks import joined
    from train.run_folder import open_run
    from train.stopping import StopRequest
    from train.summary import describe, over, write_summary

    if changed_set and resume is None:
        raise click.UsageError("--changed-set goes with --resume")
    overrides += ("trainer.profile=true",) if profile else ()
    with joined() as ranks:
        try:
            experiment = open_run(
                shards, config_path, overrides, weights=weights, resume=resume, replace=replace, ranks=ranks
            )
        except ShareError as error:  # every process meets it: the first tells of it, and the others wait
            if ranks.first:
                tell_error(error)
            ranks.any(True)
            sys.exit(error.exit_code)
        if ranks.first:
            click.echo(describe(experiment, resumed=resume is not None), err=True)
        with advised(experiment.folder, shards, experiment.manifest.fingerprint):
            with StopRequest(tells=ranks.first) as stop:
                ended = experiment.run(stop.asked, resume=resume is not None, changed_set=changed_set)
            if ranks.first:
                click.echo(write_summary(experiment, ended).text() if ended else over(experiment))
    ranks.leave(stop.exit_code)
    return stop.exit_code


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
