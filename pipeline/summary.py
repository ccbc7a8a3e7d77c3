"""What a person reads after a build."""

from __future__ import annotations

from collections import Counter

from formats.manifest import SetManifest
from formats.wording import counted
from pipeline.assemble import BuildReport


def summary(report: BuildReport) -> str:
    """Return the summary of a build, a fact a line."""
    manifest = report.manifest
    splits = ", ".join(f"{count} {name}" for name, count in sorted(manifest.splits.items()))
    lines = [
        f"{report.folder}: {counted(sum(manifest.splits.values()), 'sample')} ({splits})"
        f"{_variants(manifest)} in {counted(len(report.shards), 'shard')}",
        f"  fingerprint  {manifest.fingerprint}",
        f"  made         {_made(report)}",
        f"  texts        {_texts(report.texts)}{_beside(report)}",
        f"  bytes        {_bytes(report)}",
    ]
    return "\n".join(lines + _quarantined(report))


def _variants(manifest: SetManifest) -> str:
    distorted = manifest.stored - sum(manifest.splits.values())
    return f" and {distorted} distorted variants of them" if distorted else ""


def _made(report: BuildReport) -> str:
    if not report.made:
        return "nothing: every shard stands" + (
            f"; {counted(report.removed, 'old file')} removed" if report.removed else ""
        )
    rate = report.made_samples / max(report.seconds, 1e-9)
    kept = len(report.shards) - report.made
    return (
        f"{counted(report.made, 'shard')}, {counted(report.made_samples, 'sample')} "
        f"in {report.seconds:.1f} s ({rate:.1f}/s); "
        f"{kept} stood already; {counted(report.removed, 'old file')} removed"
    )


def _texts(texts: Counter[str]) -> str:
    total = sum(texts.values())
    if not total:
        return "none: every page is background"
    ignored = ", ".join(
        f"{count} {status} ({count / total:.1%})"
        for status, count in sorted(texts.items())
        if status != "care"
    )
    line = f"{total}: {texts['care']} to learn" + (f", {ignored} ignored" if ignored else "")
    if texts["too_small"] > 0.05 * total:
        line += "\n               many are below targets.min_size: a larger geometry.canvas keeps more"
    return line


def _beside(report: BuildReport) -> str:
    """Tell of texts beside their pages: annotated on another image, or before its EXIF tag was seen."""
    pages = report.pages_missed
    if not pages or report.manifest.settings.geometry.resize == "shortest":  # it cuts pages: no fault
        return ""
    worst = sorted(pages, key=lambda key: (-pages[key], key))
    named = ", ".join(f"{key} ({pages[key]})" for key in worst[:3]) + (", ..." if len(worst) > 3 else "")
    told = (
        f"{counted(sum(pages.values()), 'text')} of {counted(len(pages), 'page')} beside the page: {named};"
    )
    return "".join(
        f"\n               {line}"
        for line in (told, "annotated on another image, or under another geometry.exif?")
    )


def _bytes(report: BuildReport) -> str:
    samples = max(report.manifest.stored, 1)
    members = report.bytes_by_member
    image, meta = members.pop("image", 0), members.pop("meta", 0)
    maps = sum(members.values())
    whole = sum(entry.bytes for entry in report.manifest.shards)
    return (
        f"{whole / 1e6:.2f} MB; a sample: image {image / samples / 1e3:.1f} kB, "
        f"maps {maps / samples / 1e3:.1f} kB, meta {meta / samples / 1e3:.1f} kB"
    )


def _quarantined(report: BuildReport) -> list[str]:
    rows = report.manifest.quarantined
    if not rows:
        return ["  quarantined  none"]
    shown = [f"    {row.key} ({row.where}): {row.reason}" for row in rows[:10]]
    more = [f"    and {len(rows) - 10} more, in quarantine.jsonl"] if len(rows) > 10 else []
    return [f"  quarantined  {len(rows)}", *shown, *more]
