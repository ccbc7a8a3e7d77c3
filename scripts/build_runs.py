"""Builds in processes of their own, as people run them: for the scripts that disturb them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

VOLATILE = ("provenance.json", ".stat-cache.json", ".lock", ".verified.json")
"""What two builds of the same inputs may write differently."""


@dataclass(frozen=True)
class BuildCommand:
    """A build: its configuration, the set's folder, and words to override the configuration with."""

    config: Path
    out: Path
    words: tuple[str, ...] = ()

    def start(self) -> subprocess.Popen[str]:
        """Start it in a session of its own, so that signals can be sent to all its processes."""
        command = [
            sys.executable,
            "-m",
            "pipeline.build",
            "--config",
            str(self.config),
            "--out",
            str(self.out),
        ]
        return subprocess.Popen(
            [*command, *self.words],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> str:
        """Run it to its end; return what is wrong with that, or nothing."""
        process = self.start()
        _, said = process.communicate()
        return "" if process.returncode == 0 else f"exit code {process.returncode}: {said[-500:]}"


def content(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a set that a build must reproduce, by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in VOLATILE)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def differences(folder: Path, expected: dict[str, str]) -> list[str]:
    """Name the files of a set that are missing, extra or of other bytes than expected."""
    found = content(folder)
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    kinds = {(True, True): "differs", (True, False): "missing", (False, True): "extra"}
    return [f"{kinds[name in expected, name in found]}: {name}" for name in names]


def write_pages(folder: Path, count: int, changed: int = 0) -> Path:
    """Write made pages and a configuration for them; return the configuration.

    Args:
        folder: where to; it must not exist.
        count: number of pages.
        changed: number of pages whose image is another than in a folder without changes.
    """
    from made_pages import made_config, made_page, made_pages

    made_pages(folder, count)
    for number in range(changed):
        (folder / f"train/page_{number}.jpg").write_bytes(made_page(number + 1000))
    config = folder / "config.yaml"
    config.write_text(json.dumps(made_config(folder)), encoding="utf-8")
    return config
