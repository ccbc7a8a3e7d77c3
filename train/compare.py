"""``python -m train.compare``: runs side by side.

The JSON on stdout of ``--json``; runs and settings are sorted by what they are, never by the command line:

- ``runs``: a list of ``label`` (what the other parts call it), ``folder``, ``seed``, ``state`` ("finished",
  "stopped" or "unfinished"), ``epochs``, ``steps``, ``best`` and ``last`` (each null, or ``step`` and
  ``metrics`` by name; best by the run's own trainer.monitor), ``wall_s``, ``pace`` (samples_per_s, the
  median over the train records; data_wait_share, of all training time; peak_rss_mb, peak_device_mb),
  ``facts`` (set, the fingerprint of its data; processes; versions.NAME; null where unknown), ``origin``
  (git, the revision of the code; command; host; device, as far as recorded), ``resumed_with`` (settings,
  the set and the number of processes where they changed on the way, as [before, after]).
- ``settings``: runs that differ in the seed alone: ``label``, ``values`` (by name, of the differences),
  ``runs`` (labels), ``seeds`` (of those that finished), ``figures`` (over those that finished; by name, such
  as "best/hmean", "last/cleval/hmean", "wall_s": ``n``, ``mean``, ``sd`` (null of one), ``min``, ``max``).
- ``differences``: ``name``, ``kind`` ("setting", "data", "version" or "processes"), ``values`` (each
  ``value`` with the ``runs`` that have it; "absent" where a run has no such setting).
- ``without_effect``: names of differing settings that change nothing that is learnt.
- ``cautions``: ``kind`` and ``text``; the kinds are those of `formats.runs.cautions.Caution`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from formats.commands import run_command

PATH = click.Path(path_type=Path)


@click.command("train.compare", context_settings={"max_content_width": 100})
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="RUN RUN...")
@click.option("--json", "to_json", is_flag=True, help="machine-readable, on stdout")
@click.option("--html", "page", type=PATH, help="HTML file to write besides: the tables and the curves")
def main(folders: tuple[Path, ...], to_json: bool, page: Path | None) -> None:
    """Compare the folders of runs: scores, times, memory, and every setting in which they differ.

    Runs that differ in the seed alone are one setting, with mean and spread. It says beware where runs
    differ in more than one thing, in their data or in versions, and where a setting has a single seed.
    "best" is the validation that trainer.monitor calls best: chosen on the pages it is scored on; "last" is
    not. The order of the runs on the command line changes nothing.

    \b
    Examples:
      python -m train.compare runs/fp32-1 runs/fp32-2 runs/bf16-1 runs/bf16-2
      python -m train.compare runs/a runs/b --json --html compared.html
    """
    from formats.runs.diff import compare_runs
    from formats.runs.diff_text import as_json, human_text
    from formats.runs.record import read_run

    comparison = compare_runs([read_run(folder) for folder in folders])
    if page is not None:
        from train.figures.compare_page import write_comparison

        write_comparison(comparison, page)
    click.echo(json.dumps(as_json(comparison), indent=1) if to_json else human_text(comparison))


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
