"""What a set holds, in figures: from its manifests alone, without decoding a sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from formats.manifest import SampleTable, SetManifest
from formats.places import Place
from formats.remote_set import OpenedManifests


@dataclass(frozen=True)
class SetSummary:
    """A set in figures.

    Attributes:
        folder: the set's folder.
        manifest: its manifest.
        texts: number of texts by status, of pages as they are.
        members: number of stored bytes by what they hold: "image", "maps", "meta".
        bytes: size of all shards, with their containers.
    """

    folder: str
    manifest: SetManifest
    texts: dict[str, int]
    members: dict[str, int]
    bytes: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(self.manifest.splits.values())

    def as_json(self) -> dict[str, Any]:
        """Return the summary as docs/format.md describes it."""
        return {
            "folder": self.folder,
            "fingerprint": self.manifest.fingerprint,
            "samples": self.samples,
            "variants": self.manifest.stored - self.samples,
            "splits": self.manifest.splits,
            "shards": len(self.manifest.shards),
            "bytes": self.bytes,
            "bytes_by_member": self.members,
            "texts": self.texts,
            "quarantined": len(self.manifest.quarantined),
            "settings": self.manifest.settings.model_dump(mode="json"),
        }

    def human_text(self) -> str:
        """Return the summary for a terminal, a fact a line."""
        settings = self.manifest.settings
        geometry, targets, encoding = settings.geometry, settings.targets, settings.encoding
        height, width = geometry.canvas
        image = f"JPEG {encoding.jpeg_quality}" if encoding.image == "jpeg" else encoding.image
        rows = {
            "fingerprint": self.manifest.fingerprint,
            "splits": _counts(self.manifest.splits) or "none",
            **({"variants": self._variants()} if settings.variants.count else {}),
            "canvas": f"{height} x {width} (height x width), resized by {geometry.resize}",
            "targets": f"shrink ratio {targets.shrink_ratio}, thresholds {targets.thresh_min} to "
            f"{targets.thresh_max}, minimum size {targets.min_size:g} px",
            "encoding": f"{encoding.container}, {encoding.maps} maps (zstd {encoding.zstd_level}), {image}",
            "texts": self._texts(),
            "a sample": self._sample(),
            "quarantined": str(len(self.manifest.quarantined) or "none"),
        }
        head = f"{self.folder}: {self.samples} samples in {len(self.manifest.shards)} shards, "
        return "\n".join(
            [f"{head}{self.bytes / 1e6:.2f} MB", *(f"  {name:<12} {row}" for name, row in rows.items())]
        )

    def _texts(self) -> str:
        ignored = {status: count for status, count in self.texts.items() if status != "care"}
        care = self.texts.get("care", 0)
        return f"{sum(self.texts.values())}: {care} to learn" + (f", {_counts(ignored)}" if ignored else "")

    def _variants(self) -> str:
        variants = self.manifest.settings.variants
        distorted = self.manifest.stored - self.samples
        return f"{variants.count} of each page of {', '.join(variants.splits)}: {distorted} distorted samples"

    def _sample(self) -> str:
        stored = self.manifest.stored
        if not stored:
            return "none"
        return ", ".join(f"{name} {size / stored / 1e3:.1f} kB" for name, size in self.members.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def stored_bytes(table: SampleTable) -> Counter[str]:
    """Return how many bytes a shard's samples take by what they hold: "image", "maps", "meta"."""
    counts: Counter[str] = Counter()
    for name, member in table.members.items():
        counts[name if name in ("image", "meta") else "maps"] += sum(member.bytes)
    return counts


def summarize(folder: Place) -> SetSummary:
    """Add up what a set's manifests say.

    Raises:
        SetError: there is no set, or one of its manifests is missing or damaged.
    """
    opened = OpenedManifests(folder)
    manifest = opened.manifest
    texts: Counter[str] = Counter()
    members: Counter[str] = Counter({"image": 0, "maps": 0, "meta": 0})
    for shard in opened.shards(manifest.shards):
        table = shard.samples
        if not shard.variant:
            texts.update({status: sum(column) for status, column in table.texts.items()})
        members.update(stored_bytes(table))
    size = sum(entry.bytes for entry in manifest.shards)
    return SetSummary(str(folder), manifest, dict(sorted(texts.items())), dict(members), size)
