"""``python -m pipeline.health``: the state of sets of shards, told without touching them."""

from __future__ import annotations

import json

import click

from formats.commands import PLACE, run_command
from formats.places import Place


@click.command("pipeline.health", context_settings={"max_content_width": 100})
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="the record as JSON on stdout (docs/format.md)")
@click.option("--no-sources", is_flag=True, help="do not compare with the source files: quick for many sets")
def main(folders: tuple[Place, ...], as_json: bool, no_sources: bool) -> int:
    """Tell of sets whether they are valid, whole and verified, and what they hold; DIR is one or holds some.

    A set is valid if its recorded configuration and its source files would give the same set now. Sources
    that are out of reach are said so; that is no fault. Files are looked at by their sizes; formats.verify
    hashes them.

    Ends with 0 where all are healthy, 1 where one is stale, damaged or unfinished, 2 where there is no set.

    \b
    Example:
      python -m pipeline.health sets
    """
    from pipeline.examine import examine, find_sets  # --help need not wait for Numba
    from pipeline.health_text import human_text

    found = [examine(folder, sources=not no_sources) for folder in find_sets(folders)]
    healthy = all(health.healthy for health in found)
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "sets": [health.as_json() for health in found]}, indent=1))
    else:
        click.echo("\n\n".join(map(human_text, found)))
    return 0 if healthy else 1


if __name__ == "__main__":
    run_command(main)
