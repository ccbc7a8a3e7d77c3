"""A summary says what the manifests say."""

from __future__ import annotations

from collections import Counter

from encoded_sets import MadeSet, load_shards

from formats.set_summary import summarize


def test_figures(made: MadeSet) -> None:
    summary = summarize(made.folder)
    texts = Counter(text.status for sample in made.samples for text in sample.meta.texts)
    assert summary.texts == dict(texts)
    assert summary.samples == len(made.samples)
    files = [
        path for path in (made.folder / "shards").rglob("*") if path.is_file() and path.suffix != ".json"
    ]
    metadata = list((made.folder / "shards").rglob("zarr.json"))
    assert summary.bytes == sum(path.stat().st_size for path in [*files, *metadata])
    assert list(summary.members) == ["image", "maps", "meta"]
    stored = sum(sum(m.bytes) for shard in load_shards(made.folder) for m in shard.samples.members.values())
    assert sum(summary.members.values()) == stored
    assert summary.as_json()["settings"]["encoding"]["container"] == made.encoding.container
    assert len(summary.human_text().splitlines()) == 9
