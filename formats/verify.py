"""``python -m formats.verify``: is this set what was written, whole and of one piece?"""

from __future__ import annotations

import json
import time
from typing import NoReturn

import click

from formats.commands import PLACE, run_command, tell_error
from formats.errors import SetError, StorageError
from formats.places import Place


@click.command("formats.verify", context_settings={"max_content_width": 100})
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--deep", is_flag=True, help="decode every sample as well, and check what must hold of it")
@click.option("--json", "as_json", is_flag=True, help="the report as JSON on stdout (docs/format.md)")
def main(folder: Place, deep: bool, as_json: bool) -> int:
    """Check a set of shards: every file against its recorded size and SHA-256.

    Problems are sorted into missing, damaged, inconsistent and extra. The outcome is noted in
    DIR/.verified.json, for python -m pipeline.health.

    Ends with 0 where all is well, 1 where there are problems, 2 where it could not tell.

    \b
    Example:
      python -m formats.verify sets/sroie --deep
    """
    from formats.checks.sets import verify_set  # --help need not wait for NumPy and the codecs
    from formats.checks.verified import manifest_bytes, note_verification

    began = time.time()
    try:
        manifest = manifest_bytes(folder)
        report = verify_set(folder, deep=deep)
    except (SetError, StorageError) as error:
        tell_error(error)
        return 2
    note_verification(folder, report, manifest, began)
    click.echo(json.dumps(report.as_json(), indent=1) if as_json else report.human_text())
    return 1 if report.problems else 0


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
