"""``python -m pipeline.build``: annotated pages in, a set of shards out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from formats.commands import run_command


@click.command("pipeline.build", context_settings={"max_content_width": 100})
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="YAML file")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="folder of the set")
@click.option("--workers", type=click.IntRange(0), help="worker processes (default: runtime.workers)")
@click.option("--paranoid", is_flag=True, help="hash every file again; believe no size or time")
@click.option("--force", is_flag=True, help="make every shard again")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def main(
    config_path: Path,
    folder: Path,
    workers: int | None,
    paranoid: bool,
    force: bool,
    overrides: tuple[str, ...],
) -> None:
    """Render annotated pages into a set of shards: what is missing or stale is made, the rest kept.

    Stop it at any time: finished shards are kept, and the same command goes on.

    \b
    Example:
      python -m pipeline.build --config configs/sroie.yaml --out sets/sroie source.root=data/sroie
    """
    from pipeline.assemble import build
    from pipeline.config import load_config
    from pipeline.summary import summary

    words = [*overrides] if workers is None else [*overrides, f"runtime.workers={workers}"]
    config = load_config(config_path, words)
    report = build(config, folder, paranoid=paranoid, force=force, command=sys.argv)
    click.echo(summary(report))


if __name__ == "__main__":
    run_command(main)
