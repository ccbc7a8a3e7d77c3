"""A set against its own record: the configuration it was built with, and that one's source files now."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from formats.diff_text import Compared
from formats.errors import TextshardsError
from formats.places import Place
from formats.provenance import read_provenance
from pipeline.build import main as build_command
from pipeline.check import check
from pipeline.config import BuildConfig
from pipeline.provenance import recorded_config
from pipeline.set_health import RecordedValidity

_FEW = 3


@dataclass(frozen=True)
class Rechecked:
    """Whether a set is up to date, and the names of its shards whose files are missing or damaged."""

    validity: RecordedValidity
    broken: tuple[str, ...] = ()


def recheck(folder: Place, wanted: BuildConfig | None = None) -> Rechecked:
    """Compare a set with a configuration (default: its recorded one) and the files of its source now.

    What cannot be told, since the source is out of reach or no configuration is recorded, is said so.
    """
    try:
        config = wanted or recorded_config(folder)
        if config is None:
            return _untold("no configuration is recorded beside the manifest")
        if not config.source.root.is_dir():
            return _untold(f"its sources cannot be reached: {config.source.root}")
        found = check(config, folder)
    except (TextshardsError, OSError) as error:
        told = "; ".join(" ".join(line.split()) for line in str(error).splitlines())
        return _untold(f"could not be told: {told}")
    compared, shards = found.compared, found.compared.diff.shards
    validity = RecordedValidity(
        valid=compared.diff.same,
        why=tuple(_why(compared)),
        shards=len(shards.rebuild),
        samples=shards.samples,
        bytes=shards.bytes,
        seconds=None if compared.seconds is None else round(compared.seconds, 1),
        command=_command(folder),
    )
    return Rechecked(validity, found.broken)


def _untold(reason: str) -> Rechecked:
    return Rechecked(RecordedValidity(None, (reason,)))


def _why(compared: Compared) -> Iterable[str]:
    diff = compared.diff
    for change in diff.fields:
        if change.part is not None:
            yield f"{change.field} was {change.a}, is {change.b}"
    if diff.samples is not None:
        yield from _keys(diff.came, "added in the source")
        yield from _keys(diff.went, "removed in the source")
        yield from _keys(diff.samples.changed, "changed")
    yield from _keys(diff.quarantined, "cannot be used any more")
    yield from _keys(diff.released, "quarantined, to be tried again")


def _keys(keys: Sequence[str], what: str) -> Iterable[str]:
    if keys:
        more = f", and {len(keys) - _FEW} more" if len(keys) > _FEW else ""
        yield f"{len(keys)} {what}: {', '.join(keys[:_FEW])}{more}"


def _command(folder: Place) -> str:
    """Return the command that builds a set, with the configuration file and the words it was built with."""
    recorded = read_provenance(folder) or {}
    words = recorded.get("command")
    config, overrides = "FILE", []
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        given = _parsed(words[1:])
        # Who checks may stand in another folder than who built.
        config = str(Path(str(recorded.get("cwd", ""))) / (given.get("config_path") or config))
        overrides = list(given.get("overrides") or ())
    return shlex.join(
        ["python", "-m", "pipeline.build", "--config", config, "--out", str(folder), *overrides]
    )


def _parsed(words: list[str]) -> dict[str, Any]:
    try:
        return build_command.make_context("pipeline.build", list(words), resilient_parsing=True).params
    except click.ClickException:
        return {}
