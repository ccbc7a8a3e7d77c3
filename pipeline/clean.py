"""``python -m pipeline.clean``: remove what a set's manifests do not name."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from formats.commands import PLACE, run_command
from formats.errors import UsageError
from formats.places import Place


@click.command("pipeline.clean", context_settings={"max_content_width": 100})
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--dry-run", is_flag=True, help="only tell what would be removed")
def main(folder: Place, dry_run: bool) -> None:
    """Remove shards of older versions, half-written files and strangers from a set's folder.

    What the manifests name is never touched, nor is any file beside them; a folder without a manifest is
    refused, since its shards may be an unfinished build that the next one goes on from.

    \b
    Example:
      python -m pipeline.clean sets/sroie --dry-run
    """
    from formats.checks.files import load_shards  # --help need not wait for NumPy
    from formats.manifest_files import read_set_manifest
    from formats.places import name_below
    from pipeline.existing import locked, orphans, remove, total_bytes, unlocked

    read_set_manifest(folder)
    with unlocked(folder) if dry_run else locked(folder):
        manifest = read_set_manifest(folder)
        paths = orphans(folder, manifest, load_shards(folder, manifest).manifests)
        size = sum(total_bytes(path) for path in paths)
        for path in paths:
            if not dry_run:
                remove(path)
                _check_gone(path)
            click.echo(f"{'would remove' if dry_run else 'removed'} {name_below(path, folder)}")
    verb = "to remove" if dry_run else "removed"
    click.echo(f"{len(paths)} {verb}, {size / 1e6:.2f} MB" if paths else "nothing to remove")


def _check_gone(path: Place) -> None:
    if isinstance(path, Path) and (path.exists() or path.is_symlink()):
        raise UsageError(
            f"cannot remove {path}",
            expected="a file or folder that may be removed",
            found="that it is still there",
            next_step="mend the permissions of the folder it lies in, then run the same command again",
        )


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
