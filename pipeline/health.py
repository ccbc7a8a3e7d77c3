"""``python -m pipeline.health``: the state of sets of shards, told without touching them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from formats.commands import PLACE, run_command
from formats.errors import UsageError
from formats.places import Place

PATH = click.Path(path_type=Path)


@click.command("pipeline.health", context_settings={"max_content_width": 100})
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="the record as JSON on stdout (docs/format.md)")
@click.option("--no-sources", is_flag=True, help="do not compare with the source files: quick for many sets")
@click.option("--config", "config_path", type=PATH, help="judge against this file, not the recorded settings")
@click.option("--serve", "served", is_flag=True, help="the dashboard: web pages, until Ctrl-C")
@click.option("--host", default="127.0.0.1", show_default=True, help="to serve at; a token if not loopback")
@click.option("--port", type=click.IntRange(0, 65535), default=8377, show_default=True, help="0: any free")
@click.option("--html", "file", type=PATH, help="the dashboard as one file that stands alone")
@click.option("--html-pages", type=click.IntRange(0), default=8, show_default=True, help="of each set, in it")
@click.option("--runs", multiple=True, type=PATH, help="folder of runs, for the dashboard; may be repeated")
def main(
    folders: tuple[Place, ...],
    as_json: bool,
    no_sources: bool,
    config_path: Path | None,
    served: bool,
    host: str,
    port: int,
    file: Path | None,
    html_pages: int,
    runs: tuple[Path, ...],
) -> int:
    """Tell of sets whether they are valid, whole and verified, and what they hold; DIR is one or holds some.

    A set is valid if its recorded configuration and its source files would give the same set now. Sources
    out of reach are said so; that is no fault. Files are looked at by their sizes; see formats.verify.

    Ends with 0 where all are healthy, 1 where one is stale, damaged or unfinished, 2 where there is no set.

    \b
    Examples:
      python -m pipeline.health sets
      python -m pipeline.health sets --runs runs --serve
      python -m pipeline.health sets --runs runs --html health.html
    """
    from pipeline.config import load_config  # --help need not wait for Numba
    from pipeline.examine import examine, find_sets
    from pipeline.health_text import human_text

    config = None if config_path is None else load_config(config_path, [])
    if served or file is not None:
        _show(
            [_local(folder) for folder in folders],
            runs,
            config_path,
            no_sources,
            file,
            html_pages,
            (host, port) if served else None,
        )
        if served:
            return 0
    found = [examine(folder, sources=not no_sources, config=config) for folder in find_sets(folders)]
    healthy = all(health.healthy for health in found)
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "sets": [health.as_json() for health in found]}, indent=1))
    else:
        click.echo("\n\n".join(map(human_text, found)))
    return 0 if healthy else 1


def _local(folder: Place) -> Path:
    if isinstance(folder, Path):
        return folder
    raise UsageError(
        f"the dashboard of {folder}",
        expected="folders on this machine",
        found="a URL",
        next_step="without --serve and --html the terminal tells of sets in storage",
    )


def _show(
    folders: Sequence[Path],
    runs: Sequence[Path],
    config_path: Path | None,
    no_sources: bool,
    file: Path | None,
    whole_pages: int,
    address: tuple[str, int] | None,
) -> None:
    try:
        from pipeline.dashboard.catalogue import Catalogue
        from pipeline.dashboard.export import write_file
        from pipeline.dashboard.guard import is_loopback
        from pipeline.dashboard.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            "the dashboard",
            expected="its libraries (starlette, uvicorn, jinja2)",
            found=f"no module {error.name}",
            next_step="pip install 'textshards[dashboard]'",
        ) from None
    from pipeline.config import load_config

    config = None if config_path is None else load_config(config_path, [])
    sources = not no_sources
    if file is not None:
        write_file(Catalogue(folders, runs, config=config, sources=sources, waits=True), file, whole_pages)
        click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB", err=True)
    if address is not None:
        token = None if is_loopback(address[0]) else secrets.token_urlsafe(24)
        serve(Catalogue(folders, runs, config=config, sources=sources), *address, token)


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
