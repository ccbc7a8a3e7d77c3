"""``python -m formats.diff``: what lies between two sets of shards, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import click

from formats.commands import run_command, tell_error
from formats.diff_text import Compared, as_json, human_text
from formats.errors import SetError, StorageError
from formats.manifest import SET_MANIFEST, SHARD_FOLDER, SetManifest, ShardEntry, ShardManifest
from formats.manifest_files import load_set_manifest, read_set_manifest, read_shard_manifest
from formats.places import Place, is_url
from formats.places import place as parse_place
from formats.provenance import build_rate, compare_provenance, read_provenance
from formats.remote import RemoteSet
from formats.remote_set import OpenedManifests
from formats.set_diff import Side, compare


@dataclass(frozen=True)
class LoadedSet:
    """A set to compare.

    Attributes:
        manifest: the set's manifest.
        folder: where its shards' manifests lie; None where there is only a manifest file.
        remote: where they are fetched from first, for a set at a URL.
        provenance: what its build recorded, if it lies there.
    """

    manifest: SetManifest
    folder: Place | None
    provenance: dict[str, Any] | None
    remote: RemoteSet | OpenedManifests | None = None

    def load_shard(self, entry: ShardEntry) -> ShardManifest:
        """Read the manifest of one of its shards."""
        assert self.folder is not None
        if isinstance(self.remote, OpenedManifests):
            return self.remote.shard(entry)
        if self.remote is not None:
            self.remote.fetch(entry.manifest.path)
        return read_shard_manifest(self.folder, entry)


@click.command("formats.diff", context_settings={"max_content_width": 100})
@click.argument("a")
@click.argument("b")
@click.option("--json", "to_json", is_flag=True, help="the difference as JSON on stdout (docs/format.md)")
def main(a: str, b: str, to_json: bool) -> int:
    """Compare two sets of shards: A as it is, B as it should be.

    A and B are folders, manifest files or URLs of either. Shown are settings, samples and shards that
    differ, and what turning A into B costs. Who made a set, when and with which library versions is
    shown apart: it invalidates nothing.

    Ends with 0 where they are the same, 1 where they differ, 2 where it could not tell.

    \b
    Example:
      python -m formats.diff sets/receipts sets/receipts-new
    """
    try:
        compared = compare_paths(a, b)
    except (SetError, StorageError) as error:
        tell_error(error)
        return 2
    click.echo(json.dumps(as_json(compared), indent=1) if to_json else human_text(compared))
    return 0 if compared.diff.same else 1


def compare_paths(a: str | Path, b: str | Path) -> Compared:
    """Compare two sets, each a folder, a manifest file, or the URL of either.

    Raises:
        SetError: one of them is no set, is damaged, or is of another version.
    """
    with TemporaryDirectory() as scratch:
        sides: dict[Side, LoadedSet] = {
            "a": load_place(str(a), Path(scratch) / "a"),
            "b": load_place(str(b), Path(scratch) / "b"),
        }
        return _compare(str(a), str(b), sides)


def _compare(a: str, b: str, sides: Mapping[Side, LoadedSet]) -> Compared:
    one, other = sides["a"], sides["b"]

    def load_shard(side: Side, entry: ShardEntry) -> ShardManifest:
        return sides[side].load_shard(entry)

    complete = one.folder is not None and other.folder is not None
    return Compared(
        names=(a, b),
        a=one.manifest,
        b=other.manifest,
        diff=compare(one.manifest, other.manifest, load_shard if complete else None),
        rate=build_rate(other.provenance) or build_rate(one.provenance),
        provenance=compare_provenance(one.provenance, other.provenance),
    )


def load_place(place: str, scratch: Path) -> LoadedSet:
    """Load a set to compare by its path or URL; of a URL, manifests are fetched into `scratch`.

    Raises:
        SetError: there is no set, or it is damaged or of another version.
    """
    if not is_url(place):
        return load_set(Path(place))
    if not place.startswith(("http://", "https://")):
        return _load_stored(place)
    remote = RemoteSet(place, scratch)
    if remote.manifest != SET_MANIFEST:  # a copy by itself, as on a disk: no shards are looked for beside it
        return load_set(scratch / remote.manifest)
    return LoadedSet(read_set_manifest(scratch), scratch, read_provenance(scratch), remote)


def _load_stored(url: str) -> LoadedSet:
    folder, _, name = url.rpartition("/")
    named = name.endswith(".json")
    stored = parse_place(folder if named else url)
    opened = OpenedManifests(stored, name if named else SET_MANIFEST)
    return LoadedSet(opened.manifest, stored, read_provenance(stored), opened)


def load_set(path: Path) -> LoadedSet:
    """Load a set to compare: a folder, or a manifest file with or without its shards beside it.

    Raises:
        SetError: there is no set, or it is damaged or of another version.
    """
    if path.is_dir():
        return LoadedSet(read_set_manifest(path), path, read_provenance(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetError(
            str(path),
            expected="a set's folder or manifest",
            found=error.strerror or str(error),
            next_step="check the path: a set's folder holds manifest.json",
        ) from None
    folder = path.parent
    beside = path.name == SET_MANIFEST and (folder / SHARD_FOLDER).is_dir()
    return LoadedSet(
        load_set_manifest(data, str(path)),
        folder if beside else None,
        read_provenance(folder) if path.name == SET_MANIFEST else None,
    )


def program() -> NoReturn:
    """Run the command as a program; see `formats.commands.run_command`."""
    run_command(main)


if __name__ == "__main__":
    program()
