"""The `source` section of a build configuration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from formats.image_header import MAX_PIXELS
from formats.places import PlaceField
from formats.spec import Section
from pipeline.sources.formats import FormatName

PAIRED_FORMATS = ("icdar", "polygons")
MATCHING_FORMATS = ("labelme",)
"""Formats whose readers take folders and patterns themselves: they mean pages there, not label files."""
HELD_OUT = "val"
"""The split that `hold_out` makes."""
SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def below_root(folder: str) -> str:
    """Return a folder relative to the root with forward slashes, "" for the root itself.

    Raises:
        ValueError: absolute, or it leaves the root.
    """
    path = posixpath.normpath(folder.replace("\\", "/")) if folder else "."
    if posixpath.isabs(path) or path.split("/")[0] == ".." or re.match(r"[A-Za-z]:", path):
        raise ValueError("must be a folder below root")
    return "" if path == "." else path


Folder = Annotated[str, AfterValidator(below_root)]


class FolderPair(Section):
    """A folder of images and a folder of their annotation files, paired by name (pairs.py)."""

    images: Folder = Field(description="folder of images, relative to `source.images`")
    gt: str = Field(description="folder of annotation files, relative to the source root or absolute")


def _kind(value: Any) -> str | None:
    if isinstance(value, Mapping | FolderPair):
        return "pair"
    if isinstance(value, list | tuple):
        return "list"
    return "file" if isinstance(value, str) else None


_A_PART = "an annotation file, or {images: FOLDER, gt: FOLDER}"
Part = Annotated[
    Annotated[str, Tag("file")] | Annotated[FolderPair, Tag("pair")],
    Discriminator(_kind, "split_part", f"must be {_A_PART}"),
]
"""What a reader reads at once: an annotation file, or a pair of folders."""
Split = Annotated[
    Annotated[str, Tag("file")]
    | Annotated[FolderPair, Tag("pair")]
    | Annotated[tuple[Part, ...], Field(min_length=1), Tag("list")],
    Discriminator(_kind, "split", f"must be {_A_PART}, or a list of them"),
]
"""One part, or a list of them."""


class SourceSettings(Section):
    """Where pages and their annotations lie; docs/sources.md has an example for each format."""

    format: FormatName = Field(description="how annotations are written")
    root: PlaceField = Field(description="folder or URL; no image outside it is ever read")
    splits: dict[str, Split] = Field(
        min_length=1,
        description="split name -> annotation file, a pattern of their names, or a list of them, relative to "
        "root or absolute (icdar, polygons: a list of image<TAB>annotation lines, or a pair of folders; "
        "labelme: a folder, or a pattern such as train/*.json)",
    )
    images: Folder = Field(
        "",
        description="folder below root that image names in annotations are relative to; {split} stands for "
        "the split's name, {folder} for the annotation file's folder; empty: root itself (labelme: the "
        "annotation file's folder)",
    )
    image_path: Literal["full", "name"] = Field(
        "full", description="name: of an image path in an annotation only the file name counts"
    )
    dont_care: tuple[str, ...] = Field(("###", "*"), description="transcriptions that mean don't-care")
    categories: tuple[str, ...] | None = Field(
        None, min_length=1, description="coco: categories that are texts, by name; null: there is one"
    )
    max_pixels: int = Field(MAX_PIXELS, ge=1, description="largest page, pixels, checked before decoding")

    hold_out: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="share of the pages of the only split that is set aside as the split val; 0: none",
    )

    @model_validator(mode="after")
    def _possible(self) -> SourceSettings:
        for split, value in self.splits.items():
            if not SPLIT_NAME.fullmatch(split):
                raise ValueError(f"splits.{split}: a split's name is made of letters, digits, '_', '-', '.'")
            parts = value if isinstance(value, tuple) else (value,)
            paired = any(isinstance(part, FolderPair) for part in parts)
            if paired and self.format not in PAIRED_FORMATS:
                raise ValueError(
                    f"splits.{split}: format {self.format} reads an annotation file, not a pair of folders"
                )
        if self.hold_out and (len(self.splits) > 1 or HELD_OUT in self.splits):
            named = ", ".join(self.splits)
            raise ValueError(f"hold_out: is for a source of one split, not named {HELD_OUT}; found {named}")
        return self

    def images_folder(self, split: str) -> str:
        """Return `images` for one split, forward slashes, relative to root."""
        return self.images.replace("{split}", split)
