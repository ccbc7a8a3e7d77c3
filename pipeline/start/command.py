"""What `python -m pipeline.build --init DIR` does: look, recognise, measure, show, write."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from formats.errors import UsageError
from formats.pictures.picture import save_png
from formats.places import Place
from formats.storage import write_whole
from formats.wording import counted
from pipeline.sources import FORMATS, Annotations
from pipeline.start.folder import look_through
from pipeline.start.next_steps import next_steps
from pipeline.start.preview import preview
from pipeline.start.recognise import Recognised, recognise, undecided
from pipeline.start.survey import Survey, survey
from pipeline.start.write import configuration

_NAMED = 3


@dataclass(frozen=True)
class Started:
    """A written configuration, and what it was written from.

    Attributes:
        config: the file written.
        picture: three pages with their polygons.
        out: where the set is to lie.
        chosen: the reading of the labels that was written.
        left_out: images of the folder that it does not name.
        unread: label files that it does not read.
        undecided: in words, which labels fit the images of several folders as well.
        measured: of the pages.
    """

    config: Path
    picture: Path
    out: Place
    chosen: Recognised
    left_out: tuple[PurePosixPath, ...]
    unread: tuple[PurePosixPath, ...]
    undecided: tuple[str, ...]
    measured: Survey

    def human_text(self) -> str:
        """Return what to tell, a fact a line, and the next commands."""
        found = self.chosen.annotations
        canvas = self.measured.canvas()
        return "\n".join(
            [
                f"{self.chosen.settings.root}: {FORMATS[self.chosen.settings.format]}",
                f"  pages     {_pages(self.chosen)}{_rejected(found)}",
                *([f"  left out  {_left_out(self.left_out)}"] if self.left_out else []),
                *([f"  not read  {_some(self.unread)}"] if self.unread else []),
                *[f"  undecided {told}: name them by hand" for told in self.undecided],
                *_categories(self.chosen.settings.categories),
                *_other_sizes(self.measured),
                f"  canvas    {canvas[0]} x {canvas[1]} (height x width): "
                f"{self.measured.lost(canvas):.1%} of the texts are too small for it",
                f"  written   {self.config}",
                f"  look at   {self.picture}: are the polygons where the texts are?",
                *next_steps(self.config, self.out, self.chosen),
            ]
        )


def _pages(reading: Recognised) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in reading.pages.items())
    parts = len(reading.parts)
    several = parts > len(reading.settings.splits)
    return f"{len(reading.annotations.records)} ({splits})" + (f" in {parts} places" if several else "")


def _rejected(found: Annotations) -> str:
    rows = found.rejected
    return f"; {len(rows)} more cannot be used, first {rows[0].key}: {rows[0].reason}" if rows else ""


def _left_out(images: tuple[PurePosixPath, ...]) -> str:
    """Name the first of the images left out, of a folder one at most where there are several folders."""
    firsts = {image.parent: image for image in reversed(images)}
    named = list(firsts.values())[::-1] if len(firsts) > 1 else list(images)
    more = ", ..." if len(images) > len(named[:_NAMED]) else ""
    return (
        f"{counted(len(images), 'image')} below it that belong to none of these: "
        f"{', '.join(map(str, named[:_NAMED]))}{more}"
    )


def _other_sizes(measured: Survey) -> list[str]:
    keys = measured.other_sizes
    if not keys:
        return []
    told = f"of another size than their labels state, and of no use to a build, first {keys[0]}"
    return [f"  sizes     {len(keys)} of the {measured.pages} pages looked at are {told}"]


def _some(paths: tuple[PurePosixPath, ...]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(str, paths[:_NAMED])) + more


def _categories(names: tuple[str, ...] | None) -> list[str]:
    if names is None:
        return []
    told = "all taken as texts: strike out of source.categories those that are none"
    return [f"  category  {', '.join(names)}: {told}"]


def start(root: Path, config: Path | None, out: Place | None = None) -> Started:
    """Write a configuration for the labelled pages of a folder, and a picture of three of them beside it.

    Args:
        root: the folder of pages and labels.
        config: the file to write (default: the folder's name with .yaml, in the current folder).
        out: where the set is to lie, for the next command (default: below sets/).

    Raises:
        UsageError: nothing recognised, or the configuration is there already.
    """
    config = config or Path(f"{root.resolve().name or 'pages'}.yaml")
    out = out or Path("sets") / config.stem
    picture = config.with_suffix(".png")
    _check_absent(root, config, picture)
    _check_apart(root, picture)
    folder = look_through(root)
    chosen, *others = recognise(folder)
    records = chosen.annotations.records
    measured = survey(records)
    if not measured.pages:
        raise UsageError(f"--init {root}", expected="images with a readable header", found="none")
    sheet_HWC = preview(records, chosen.settings.max_pixels)
    text = configuration(chosen, others, measured, next_steps(config, out, chosen))
    config.parent.mkdir(parents=True, exist_ok=True)
    save_png(picture, sheet_HWC)
    write_whole(config, text.encode())
    return Started(
        config,
        picture,
        out,
        chosen,
        tuple(chosen.left_out(folder)),
        tuple(chosen.unread(folder)),
        tuple(undecided(folder)),
        measured,
    )


def _check_apart(root: Path, picture: Path) -> None:
    if picture.resolve().is_relative_to(root.resolve()):
        beside = root.resolve().parent / f"{root.resolve().name}.yaml"
        raise UsageError(
            f"--init would write its picture {picture} among the pages",
            expected=f"a place outside {root.resolve()}",
            found="one in it, where the picture would be taken for a page",
            next_step=f"python -m pipeline.build --init {shlex.quote(str(root))} --config "
            f"{shlex.quote(str(beside))}",
        )


def _check_absent(root: Path, *files: Path) -> None:
    for path in files:
        if path.exists():
            raise UsageError(
                f"--init would write {path}",
                expected="no such file: --init replaces none",
                found="one that is there already",
                next_step=f"write another: python -m pipeline.build --init {shlex.quote(str(root))} "
                f"--config FILE.yaml; or move {shlex.quote(str(path))} away first",
            )
