"""``python -m pipeline.clean``: remove what a set's manifest does not name."""

from __future__ import annotations

from pathlib import Path

import click

from formats.commands import run_command


@click.command("pipeline.clean", context_settings={"max_content_width": 100})
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="only tell what would be removed")
def main(folder: Path, dry_run: bool) -> None:
    """Remove shards of older versions, half-written files and strangers from a set's folder.

    What the manifest names is never touched; a folder without a manifest is refused, since its shards may be
    an unfinished build that the next one goes on from.

    \b
    Example:
      python -m pipeline.clean sets/sroie --dry-run
    """
    from formats.manifest import read_set_manifest
    from pipeline.existing import locked, remove, strangers, total_bytes

    read_set_manifest(folder)
    with locked(folder):
        names = {entry.name for entry in read_set_manifest(folder).shards}
        paths = strangers(folder, names)
        size = sum(total_bytes(path) for path in paths)
        for path in paths:
            click.echo(f"{'would remove' if dry_run else 'removed'} {path.relative_to(folder)}")
            if not dry_run:
                remove(path)
    verb = "to remove" if dry_run else "removed"
    click.echo(f"{len(paths)} {verb}, {size / 1e6:.2f} MB" if paths else "nothing to remove")


if __name__ == "__main__":
    run_command(main)
