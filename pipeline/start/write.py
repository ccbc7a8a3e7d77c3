"""A configuration a person reads and goes on with, from what was recognised and measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from formats.spec import LayoutSpec
from pipeline.sources import FORMATS, FolderPair, SourceSettings
from pipeline.start.recognise import Recognised
from pipeline.start.survey import MIN_SIZE, Survey


def configuration(
    chosen: Recognised, others: Sequence[Recognised], measured: Survey, next_steps: Sequence[str]
) -> str:
    """Return the text of a build configuration with its reasons beside it.

    Args:
        chosen: the reading to go on with.
        others: further readings of the folder, told in a comment.
        measured: of the pages.
        next_steps: the commands to go on with, a line each, for its first lines.
    """
    canvas, root = measured.canvas(), Path(str(chosen.settings.root))
    lines = [
        f"# {FORMATS[chosen.settings.format]}, as found below {root}: {_pages(chosen)}.",
        *(f"# {line}" for line in next_steps),
        *([] if root.is_absolute() else ["# source.root counts from the folder in which a command runs."]),
        "# Every field can be left out but source (docs/sources.md); docs/settings.md tells of all.",
        *_dump("source", _source(chosen.settings), _source_notes(chosen, others, measured)),
        *_dump("geometry", {"canvas": list(canvas)}, _canvas_notes(measured, canvas)),
        *_dump("targets", {"shrink_ratio": 0.4, "min_size": int(MIN_SIZE)}, []),
        *_dump("layout", {"samples_per_shard": _per_shard(chosen)}, []),
    ]
    return "\n".join(lines) + "\n"


def _pages(reading: Recognised) -> str:
    told = ", ".join(f"{count} {split}" for split, count in sorted(reading.pages.items()))
    rejected = len(reading.annotations.rejected)
    noun = "page" if len(reading.annotations.records) == 1 else "pages"
    return f"{told} {noun}" + (f", {rejected} that cannot be used" if rejected else "")


def _source(settings: SourceSettings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "format": settings.format,
        "root": str(settings.root),
        "splits": settings.model_dump(mode="json")["splits"],
    }
    if settings.images:
        values["images"] = settings.images
    if settings.image_path != "full":
        values["image_path"] = settings.image_path
    if settings.categories is not None:
        values["categories"] = list(settings.categories)
    return values | {"dont_care": list(settings.dont_care)}


def _source_notes(chosen: Recognised, others: Sequence[Recognised], measured: Survey) -> list[str]:
    notes = []
    marks = {mark: measured.transcriptions[mark] for mark in chosen.settings.dont_care}
    told = ", ".join(f"{count} {mark}" for mark, count in marks.items() if count) or "none"
    notes.append(f"dont_care: transcriptions that mean don't-care; on {measured.pages} pages: {told}.")
    if marks.get("*") and not marks.get("###"):
        notes.append('Where a printed asterisk is a text to be found, leave "*" out.')
    records = chosen.annotations.records
    as_many = [other for other in others if len(other.annotations.records) >= len(records)]
    # The same records are the same labels, named by other words.
    for reading in [other for other in as_many if other.annotations.records != records][:3]:
        splits = ", ".join(f"{split}: {_where(value)}" for split, value in reading.settings.splits.items())
        notes.append(f"Also readable: format {reading.settings.format}, {splits} ({_pages(reading)}).")
    if chosen.settings.categories is not None:
        notes.append("categories: those that are texts; strike the others out.")
    if len(chosen.settings.splits) == 1:
        notes.append("hold_out: 0.1 would set a tenth of the pages aside as the split val, to validate on.")
    notes += [f"Cannot be used: {row.key}: {row.reason}"[:200] for row in chosen.annotations.rejected[:3]]
    return notes


def _where(value: str | FolderPair | tuple[str | FolderPair, ...]) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_where, value))
    return f"{value.images or '.'} + {value.gt}" if isinstance(value, FolderPair) else value


def _canvas_notes(measured: Survey, chosen: tuple[int, int]) -> list[str]:
    told = ", ".join(
        f"{height} x {width}: {measured.lost((height, width)):.1%}"
        for height, width in measured.canvases()[: measured.canvases().index(chosen) + 2]
    )
    return [
        f"Texts below targets.min_size, which are not learnt, by canvas (height x width): {told}.",
        "A larger canvas keeps more and costs more; training may crop smaller pieces from it.",
    ]


def _per_shard(chosen: Recognised) -> int:
    usual = int(LayoutSpec.model_fields["samples_per_shard"].default)
    return usual if len(chosen.annotations.records) > 4 * usual else 64


def _dump(section: str, values: dict[str, Any], notes: Sequence[str]) -> list[str]:
    fields = [
        yaml.safe_dump({name: value}, default_flow_style=isinstance(value, list), allow_unicode=True)
        for name, value in values.items()
    ]
    # A list alone is written in braces, being a mapping of one field in flow style.
    body = "".join(field[1:].replace("]}", "]") if field.startswith("{") else field for field in fields)
    return [f"{section}:", *_comments(notes), *(f"  {line}" for line in body.splitlines())]


def _comments(notes: Sequence[str]) -> list[str]:
    wrapped = [textwrap.wrap(" ".join(note.split()), 100, subsequent_indent="  ") for note in notes]
    return [f"  # {line}" for lines in wrapped for line in lines]
