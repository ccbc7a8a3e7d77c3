"""``python -m pipeline.build``: annotated pages in, a set of shards out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from formats.commands import PLACE, heed_sigterm, run_command, tell_error
from formats.completion import settings_of
from formats.errors import StorageError, UsageError
from formats.places import Place

if TYPE_CHECKING:
    from pipeline.config import BuildConfig


@click.command("pipeline.build", context_settings={"max_content_width": 100})
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="YAML file")
@click.option("--out", "folder", type=PLACE, help="folder or s3:// URL of the set")
@click.option(
    "--init",
    "start_from",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="look at a folder of labelled pages and write a configuration for it to --config",
)
@click.option("--workers", type=click.IntRange(0), help="worker processes (default: runtime.workers)")
@click.option("--engine", type=click.Choice(["local", "dask"]), help="who makes shards (runtime.engine)")
@click.option("--scheduler", help="with --engine dask: its address, tcp://...; none: a cluster made here")
@click.option("--paranoid", is_flag=True, help="hash every file again; believe no size or time")
@click.option(
    "--check", "only_check", is_flag=True, help="only tell whether the set is valid (exit 1: stale)"
)
@click.option("--json", "as_json", is_flag=True, help="with --check: the answer as JSON on stdout")
@click.option("--strict", is_flag=True, help="fail if any page cannot be used (default: 1 %, quarantined)")
@click.option("--force", is_flag=True, help="make every shard again")
@click.argument(
    "overrides",
    nargs=-1,
    metavar="[KEY=VALUE]...",
    shell_complete=settings_of("pipeline.config", "BuildConfig"),
)
def main(
    config_path: Path | None,
    folder: Place | None,
    start_from: Path | None,
    workers: int | None,
    engine: str | None,
    scheduler: str | None,
    paranoid: bool,
    only_check: bool,
    as_json: bool,
    strict: bool,
    force: bool,
    overrides: tuple[str, ...],
) -> int:
    """Render annotated pages into a set of shards: what is missing or stale is made, the rest kept.

    Stop it at any time: finished shards are kept, and the same command goes on. docs/settings.md lists what
    KEY=VALUE and the configuration can say.

    \b
    Example:
      python -m pipeline.build --init data/mine
      python -m pipeline.build --config configs/sroie.yaml --out sets/sroie source.root=data/sroie
    """
    if start_from is not None:
        from pipeline.start.command import start

        click.echo(start(start_from, config_path, folder).human_text())
        return 0
    if config_path is None or folder is None:
        missing = "--config" if config_path is None else "--out"
        raise UsageError(
            f"option {missing}",
            expected="--config FILE and --out DIR",
            next_step="or --init DIR, which writes a configuration for a folder of labelled pages",
        )
    if as_json and not only_check:
        raise UsageError(
            "option --json", expected="--check with it", next_step="leave it out, or add --check"
        )
    from pipeline.assemble import build
    from pipeline.check import stands_whole
    from pipeline.config import load_config
    from pipeline.summary import summary

    words = [*overrides]
    if workers is not None:
        words.append(f"runtime.workers={workers}")
    words += [f"runtime.engine={engine}"] if engine else []
    words += [f"runtime.scheduler={scheduler}"] if scheduler else []
    if strict:
        words.append("runtime.max_quarantined=0")
    config = load_config(config_path, words)
    if scheduler and config.runtime.engine != "dask":
        raise UsageError(
            f"option --scheduler {scheduler}", expected="--engine dask with it, or runtime.engine: dask"
        )
    if only_check:
        return _check(config, folder, paranoid=paranoid, to_json=as_json)
    whole = None if force else stands_whole(config, folder, paranoid=paranoid)
    if whole is not None:
        click.echo(f"{whole.human_text()}\n  made         nothing: every shard stands (read-only folder)")
        return 0
    report = build(config, folder, paranoid=paranoid, force=force, command=sys.argv)
    click.echo(summary(report))
    return 0


def _check(config: BuildConfig, folder: Place, *, paranoid: bool, to_json: bool) -> int:
    """Tell whether a set is valid; return 0 where it is, 1 where not, 2 where storage does not tell."""
    from pipeline.check import check, check_whatever

    try:
        validity = (check_whatever if to_json else check)(config, folder, paranoid=paranoid)
    except StorageError as error:
        tell_error(error)
        return 2
    click.echo(json.dumps(validity.as_json(), indent=1) if to_json else validity.human_text())
    return 0 if validity.valid else 1


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    heed_sigterm()
    run_command(main)


if __name__ == "__main__":
    program()
