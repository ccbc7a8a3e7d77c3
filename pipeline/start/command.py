"""What `python -m pipeline.build --init DIR` does: look, recognise, measure, show, write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from formats.errors import UsageError
from formats.picture import save_png
from formats.storage import write_whole
from pipeline.sources import FORMATS, Annotations
from pipeline.start.folder import look_through
from pipeline.start.preview import preview
from pipeline.start.recognise import Recognised, recognise
from pipeline.start.survey import Survey, survey
from pipeline.start.write import configuration


@dataclass(frozen=True)
class Started:
    """A written configuration, and what it was written from."""

    config: Path
    picture: Path
    chosen: Recognised
    measured: Survey

    def human_text(self) -> str:
        """Return what to tell, a fact a line, and the next command."""
        found = self.chosen.annotations
        canvas = self.measured.canvas()
        return "\n".join(
            [
                f"{self.chosen.settings.root}: {FORMATS[self.chosen.settings.format]}",
                f"  pages     {len(found.records)}{_rejected(found)}",
                f"  canvas    {canvas[0]} x {canvas[1]} (height x width): "
                f"{self.measured.lost(canvas):.1%} of the texts are too small for it",
                f"  written   {self.config}",
                f"  look at   {self.picture}: are the polygons where the texts are?",
                "next step:",
                f"  python -m pipeline.build --config {self.config} --out sets/{self.config.stem}",
            ]
        )


def _rejected(found: Annotations) -> str:
    rows = found.rejected
    return f"; {len(rows)} more cannot be used, first {rows[0].key}: {rows[0].reason}" if rows else ""


def start(root: Path, config: Path | None) -> Started:
    """Write a configuration for the labelled pages of a folder, and a picture of three of them beside it.

    Args:
        root: the folder of pages and labels.
        config: the file to write (default: the folder's name with .yaml, in the current folder).

    Raises:
        UsageError: nothing recognised, or the configuration is there already.
    """
    config = config or Path(f"{root.resolve().name or 'pages'}.yaml")
    picture = config.with_suffix(".png")
    for path in (config, picture):
        if path.exists():
            raise UsageError(
                str(path),
                expected="a file that is not there yet",
                found="one that is",
                next_step="name another with --config FILE, or remove it",
            )
    chosen, *others = recognise(look_through(root))
    records = chosen.annotations.records
    measured = survey(records)
    if not measured.pages:
        raise UsageError(f"--init {root}", expected="images with a readable header", found="none")
    sheet_HWC = preview(records, chosen.settings.max_pixels)
    text = configuration(chosen, others, measured, config)
    config.parent.mkdir(parents=True, exist_ok=True)
    save_png(picture, sheet_HWC)
    write_whole(config, text.encode())
    return Started(config, picture, chosen, measured)
