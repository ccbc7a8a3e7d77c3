"""Which revision of this code runs, for the records of builds and runs."""

from __future__ import annotations

import subprocess
from pathlib import Path


def revision_of_code() -> str | None:
    """Return the git revision of this code, with `-dirty` where it was changed.

    None where it is not in a git repository of its own.
    """
    folder, name = Path(__file__).parent, Path(__file__).name
    said = ""
    for words in (["ls-files", "--error-unmatch", name], ["describe", "--always", "--dirty", "--exclude=*"]):
        try:
            done = subprocess.run(["git", *words], cwd=folder, capture_output=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        said = done.stdout.decode(errors="replace").strip()
    return said or None
