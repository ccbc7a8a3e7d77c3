"""What ``python -m train.predict`` does: texts of new pages, in the pages' own coordinates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formats.errors import SampleError, UsageError
from formats.image_header import IMAGE_SUFFIXES, OTHER_SUFFIXES
from formats.pictures.picture import save_png
from formats.sample import Bytes
from formats.storage import write_whole
from train.boxes import Detections, to_source
from train.figures.overlay import draw_found
from train.page import place_page, read_page
from train.plain_files import box_records, detection_lines, result_names
from train.trained import Trained


@dataclass(frozen=True)
class Prediction:
    """A page and the texts found on it.

    Attributes:
        path: of the image file.
        image_HWC: (h, w, 3) uint8 RGB.
        found: texts, best first, in the page's pixels.
    """

    path: Path
    image_HWC: Bytes
    found: Detections

    def record(self) -> dict[str, Any]:
        """Return it as plain values."""
        h, w = self.image_HWC.shape[:2]
        return {"image": str(self.path), "width": w, "height": h, "texts": box_records(self.found)}


class Predictor:
    """Finds texts on image files, by the way `train.evaluate` goes: onto the canvas, through the detector.

    Args:
        trained: a checkpoint; its set's geometry puts pages onto the canvas.
    """

    def __init__(self, trained: Trained) -> None:
        self._finder, self._geometry = trained.finder(), trained.set_settings.geometry

    def predict(self, path: Path) -> Prediction:
        """Find the texts of one image file.

        Raises:
            UsageError: the file is no image, or one too narrow for the canvas.
        """
        image_HWC = read_page(path, self._geometry.exif)
        try:
            placed = place_page(image_HWC, self._geometry)
        except SampleError as error:
            raise UsageError(
                f"{path}: {error.thing}",
                expected=error.expected,
                found=error.found,
                next_step="cut the page into pieces, or train on a set of geometry.resize=longest",
            ) from None
        (found,) = self._finder.find([self._finder.fit.apply(placed.canvas_HWC)])
        h, w = image_HWC.shape[:2]
        return Prediction(path, image_HWC, to_source(found, placed.to_source_23, (h, w)))


def image_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and of folders named the image files in them, by name.

    Raises:
        UsageError: a path that does not exist, a folder without images.
    """
    files: list[Path] = []
    for path in paths:
        inside = _images_in(path) if path.is_dir() else [path]
        if not inside or not path.exists():
            others = ", ".join(_kinds(skipped_images([path])))
            raise UsageError(
                str(path),
                expected=f"an image file ({', '.join(IMAGE_SUFFIXES)}), or a folder of them",
                found=f"none, but {others}" if others else "none",
                next_step="convert them to PNG" if others else "",
            )
        files += inside
    return files


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def skipped_images(paths: Iterable[Path]) -> list[Path]:
    """Return the files in the folders named that are images elsewhere, but of no kind that is read here."""
    folders = (path for path in paths if path.is_dir())
    return [
        file for path in folders for file in sorted(path.iterdir()) if file.suffix.lower() in OTHER_SUFFIXES
    ]


def skipped_text(skipped: Sequence[Path]) -> str:
    """Return what to tell of files that were skipped."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in _kinds(skipped).items())
    return (
        f"skipped {kinds} (the first: {skipped[0]}): of no kind that is read ({', '.join(IMAGE_SUFFIXES)}); "
        "convert them to PNG"
    )


def _kinds(files: Iterable[Path]) -> dict[str, int]:
    return dict(sorted(Counter(file.suffix.lower() for file in files).items()))


@dataclass(frozen=True)
class PredictedFiles:
    """What a run of predictions came to: a record for each page, and files that could not be read."""

    records: list[dict[str, Any]]
    failed: list[UsageError]


def predict_files(
    predictor: Predictor,
    files: Sequence[Path],
    folder: Path,
    *,
    overlays: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> PredictedFiles:
    """Predict files and write ``boxes.json``, and for each ``res_NAME.txt`` and ``NAME.png``.

    A file that cannot be read is told of at the end; the others are done.

    Raises:
        UsageError: two files would be written under one name.
    """
    names = result_names([file.name for file in files], [str(file) for file in files])
    folder.mkdir(parents=True, exist_ok=True)
    records, failed = [], []
    for file, name in zip(files, names, strict=True):
        try:
            prediction = predictor.predict(file)
        except UsageError as error:
            failed.append(error)
        else:
            write_whole(folder / f"res_{name}.txt", detection_lines(prediction.found).encode())
            if overlays:
                save_overlay(prediction, folder / f"{name}.png")
            records.append(prediction.record())
        advance()
    write_whole(folder / "boxes.json", json.dumps({"images": records}, indent=1).encode() + b"\n")
    return PredictedFiles(records, failed)


def save_overlay(prediction: Prediction, path: Path) -> None:
    """Write the page with the boxes found as a PNG; lines are as wide as the page is large."""
    width = max(2.0, max(prediction.image_HWC.shape[:2]) / 600)
    save_png(path, draw_found(prediction.image_HWC, prediction.found.polygons, width))
