"""A small set built from pages on disk, for tests of what is told and done about sets afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from click.testing import CliRunner, Result
from made_pages import made_config, made_pages

from formats.settings import load_settings
from pipeline.assemble import BuildReport, build
from pipeline.config import BuildConfig


@dataclass(frozen=True)
class BuiltSet:
    """A set, the pages it was built from, and its configuration file."""

    folder: Path
    pages: Path
    config: Path

    def build(self, *words: str, **options: Any) -> BuildReport:
        """Build the set, with words that override the configuration."""
        command = ["build.py", "--config", str(self.config), "--out", str(self.folder), *words]
        config = load_settings(BuildConfig, self.config, words)
        return build(config, self.folder, command=command, **options)

    def shard_files(self, suffix: str) -> list[Path]:
        """Return the files of that suffix in the folder of shards, sorted."""
        return sorted((self.folder / "shards").glob(f"*{suffix}"))

    def add_pages(self, count: int) -> None:
        """Make the source have so many pages; those that are there stay as they are."""
        made_pages(self.pages, count)


def built_set(root: Path, *words: str, count: int = 5, **sections: dict[str, object]) -> BuiltSet:
    """Write pages and a configuration below `root`, and build their set."""
    made = BuiltSet(root / "sets" / "made", made_pages(root / "pages", count), root / "build.yaml")
    made.config.write_text(yaml.safe_dump(made_config(made.pages, **sections)))
    made.build(*words)
    return made


def invoke(command: click.Command, *words: object) -> Result:
    """Run a command in this process; its exit code is the result's `return_value`."""
    given = [str(word) for word in words]
    return CliRunner().invoke(command, given, catch_exceptions=False, standalone_mode=False)


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return time, mode and SHA-256 of everything in a folder, itself included: what touching changes."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        stat = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(folder).as_posix()] = (stat.st_mtime_ns, stat.st_mode, digest)
    return found
