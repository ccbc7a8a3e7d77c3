"""Which pages a set could not use when it rendered them are still made of what they were made of then.

A shard's table names the sources of the pages it holds, not of those it had to leave out. The fingerprint of
its inputs covers those too: if it comes out with their sources as they are now, none of them has changed.
Where it does not, one at least has, and no manifest tells which: all of that shard are to be tried again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from formats.errors import SetError
from formats.manifest import Quarantined, SetManifest, ShardEntry, ShardManifest, shard_inputs
from formats.manifest_files import read_shard_manifest
from formats.places import Place
from pipeline.plan import Plan


def still_unusable(folder: Place, old: SetManifest, plan: Plan) -> list[Quarantined]:
    """Return the rows of a set's quarantine whose pages a build would meet again, the same to the byte.

    Args:
        folder: the set's folder.
        old: its manifest.
        plan: what a build would make now.
    """
    now: dict[tuple[str, str], str] = {}
    kept = {entry.name for entry in old.shards}
    met: set[tuple[str, str]] = set()
    for shard in (shard for shard in plan.shards if not shard.variant):
        sources = {(shard.split, sample.record.key): sample.source for sample in shard.samples}
        now |= sources
        met.update(sources if shard.name in kept else ())
    met.update(_met_again(folder, old, now))
    return [row for row in old.quarantined if (row.split, row.key) in met]


def _met_again(
    folder: Place, old: SetManifest, now: Mapping[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    for entry in old.shards:
        if entry.quarantined and not entry.variant:
            with suppress(SetError):  # without its manifest it is damaged, which is told elsewhere
                shard = read_shard_manifest(folder, entry)
                places = [(row.split, row.key) for row in shard.quarantined]
                if all(place in now for place in places) and _made_of(entry, shard, old, now):
                    yield from places


def _made_of(
    entry: ShardEntry, shard: ShardManifest, old: SetManifest, now: Mapping[tuple[str, str], str]
) -> bool:
    rows = [*zip(shard.samples.keys, shard.samples.sources, strict=True)]
    rows += [(row.key, now[row.split, row.key]) for row in shard.quarantined]
    return shard_inputs(old.parts, entry.split, sorted(rows)) == entry.inputs
