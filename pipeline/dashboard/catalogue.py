"""The sets and runs that the pages show, found and read again when what lies on disk has changed."""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from formats.checks.verified import VERIFIED
from formats.diff import compare_paths
from formats.diff_text import Compared
from formats.errors import TextshardsError, UsageError
from formats.folder_lock import LOCK
from formats.manifest import SET_MANIFEST
from formats.manifest_files import read_set_manifest
from formats.runs.page_results import PAGES, PageResults, read_page_results
from formats.runs.record import CHECKPOINT, METRICS, SUMMARY, RunRecord, read_run
from formats.shards import ShardSet
from pipeline.config import BuildConfig
from pipeline.dashboard.later import Later
from pipeline.dashboard.survey import Survey, survey
from pipeline.examine import examine, find_sets
from pipeline.set_health import RecordedValidity, SetHealth

CHECKING = "its sources are being looked at"
"""Of a set whose comparison with them is under way."""
RECHECK_S = 60.0
"""Sources are compared again after so long, when a page asks."""


class Catalogue:
    """What there is to show. Sets and runs are called by a name that stands in addresses; paths never do.

    Args:
        folders: sets, and folders of sets.
        runs: folders of runs, and folders that hold some.
        config: what to judge sets against instead of each one's recorded configuration.
        sources: whether to compare sets with their sources.
        waits: make what takes long at once, instead of beside.

    Raises:
        UsageError: a folder has no set, or no run.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        runs: Sequence[Path] = (),
        *,
        config: BuildConfig | None = None,
        sources: bool = True,
        waits: bool = False,
    ) -> None:
        self._folders, self._run_folders = list(folders), list(runs)
        self._config, self._sources, self._waits = config, sources, waits
        self.later = Later(waits=waits)
        self._last: dict[Path, tuple[Hashable, SetHealth]] = {}
        self._last_runs: dict[Path, RunRecord | str] = {}
        find_sets(self._folders)
        for folder in self._run_folders:
            if not folder.is_dir():
                raise UsageError(f"runs {folder}", expected="a run's folder, or one that holds some")

    def sets(self) -> dict[str, Path]:
        """Return the folders of the sets by name, as they are found now."""
        found: list[Path] = []
        for folder in self._folders:
            with suppress(TextshardsError, OSError):
                sets = [path for path in find_sets([folder]) if isinstance(path, Path)]
                found += [path for path in sets if path not in found]
        return _named(found)

    def folder(self, name: str) -> Path:
        """Return a set's folder.

        Raises:
            UsageError: there is none of that name.
        """
        return _chosen(self.sets(), name, "set")

    def health(self, name: str) -> SetHealth:
        """Return a set's health: compared with its sources as soon as that is known."""
        folder = self.folder(name)
        stamp = _stamp(folder, SET_MANIFEST, VERIFIED, LOCK)
        quick = self.later.now(
            ("quick", folder), (stamp, int(time.time() / 2)), lambda: examine(folder, sources=False)
        )
        if not self._sources or quick.fault is not None or quick.building is not None:
            return quick
        turn = (stamp, 0 if self._waits else int(time.time() / RECHECK_S))
        whole = self.later.ask(("whole", folder), turn, lambda: examine(folder, config=self._config))
        if whole is not None:
            self._last[folder] = (stamp, whole)
        known = self._last.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        return replace(quick, validity=RecordedValidity(None, (CHECKING,)))

    def opened(self, name: str) -> ShardSet:
        """Return a set opened for reading.

        Raises:
            SetError: there is none, or it is damaged.
        """
        folder = self.folder(name)
        return self.later.now(("opened", folder), _stamp(folder, SET_MANIFEST), lambda: ShardSet(folder))

    def readable(self, name: str) -> ShardSet | None:
        """Return a set of that name; None where it cannot be read."""
        try:
            return self.opened(name)
        except TextshardsError:
            return None

    def comparable(self) -> list[str]:
        """Return the names of the sets that can be compared: those whose manifest can be read."""
        return [name for name, folder in self.sets().items() if self._has_manifest(folder)]

    def _has_manifest(self, folder: Path) -> bool:
        def read() -> bool:
            try:
                read_set_manifest(folder)
            except TextshardsError:
                return False
            return True

        return self.later.now(("manifest", folder), _stamp(folder, SET_MANIFEST), read)

    def survey(self, name: str) -> Survey | None:
        """Return the measures of a set's texts; None while they are being taken."""
        folder, opened = self.folder(name), self.opened(name)
        return self.later.ask(("survey", folder), _stamp(folder, SET_MANIFEST), lambda: survey(opened))

    def compared(self, a: str, b: str) -> Compared:
        """Return what lies between two sets.

        Raises:
            SetError: one of them is none, or is damaged.
        """
        one, other = self.folder(a), self.folder(b)
        stamp = (_stamp(one, SET_MANIFEST), _stamp(other, SET_MANIFEST))
        return self.later.now(("diff", one, other), stamp, lambda: compare_paths(one, other))

    def runs(self) -> dict[str, RunRecord]:
        """Return the runs by name; a folder that cannot be read as one is left out, see `unread_runs`."""
        return {
            name: run
            for name, path in self._run_paths().items()
            if isinstance(run := self._run(path), RunRecord)
        }

    def reading(self) -> int:
        """Return how many runs have still to be read."""
        return sum(self._run(path) is None for path in self._run_paths().values())

    def unread_runs(self) -> dict[str, str]:
        """Return why runs cannot be read, by name."""
        return {
            name: run for name, path in self._run_paths().items() if isinstance(run := self._run(path), str)
        }

    def run(self, name: str) -> RunRecord:
        """Return a run.

        Raises:
            UsageError: there is none of that name.
            DamageError: a file of it is not what a run writes.
        """
        path = _chosen(self._run_paths(), name, "run")
        found = self._run(path)
        return found if isinstance(found, RunRecord) else read_run(path)

    def results(self, name: str) -> PageResults | None:
        """Return what a run's best validation found; None where it kept nothing.

        Raises:
            UsageError: there is no such run.
            DamageError: the file is not what a run writes.
        """
        path = _chosen(self._run_paths(), name, "run") / PAGES
        return self.later.now(("pages", path), _stamp(path.parent, PAGES), lambda: read_page_results(path))

    def _run_paths(self) -> dict[str, Path]:
        found: list[Path] = []
        for folder in self._run_folders:
            inner = sorted(path.parent for path in folder.glob(f"*/{METRICS}"))
            found += [
                path for path in ([folder] if (folder / METRICS).is_file() else inner) if path not in found
            ]
        return _named(found)

    def _run(self, path: Path) -> RunRecord | str | None:
        def read() -> RunRecord | str:
            try:
                return read_run(path)
            except (TextshardsError, OSError) as error:
                return " ".join(str(error).split())

        found = self.later.ask(("run", path), _stamp(path, METRICS, SUMMARY, CHECKPOINT), read)
        if found is not None:
            self._last_runs[path] = found
        return self._last_runs.get(path)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by their last name, in signs that need no escaping; of equals the later get a number."""
    named: dict[str, Path] = {}
    for folder in folders:
        name = plain = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-") or "set"
        number = 1
        while name in named:
            number += 1
            name = f"{plain}-{number}"
        named[name] = folder
    return named


def _chosen(found: dict[str, Path], name: str, what: str) -> Path:
    if name not in found:
        known = ", ".join([*found][:5]) or "none"
        raise UsageError(f"{what} {name!r:.80}", expected=f"one of those found: {known}")
    return found[name]


def _stamp(folder: Path, *names: str) -> Hashable:
    def of(name: str) -> tuple[int, int]:
        try:
            found = (folder / name).stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    return tuple(map(of, names))
