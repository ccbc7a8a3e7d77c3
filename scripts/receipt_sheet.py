"""A receipt set in type: the sheet's ink on white, and a polygon around the ink of each text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from receipt_content import Receipt, Row, Segment

FAMILIES = (
    ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
)
PAD = 0.07
"""Room between the ink and its polygon, in units of the font size."""

Color = tuple[int, int, int]


@dataclass(frozen=True)
class PlacedText:
    """A text and its polygon (4, 2) float64 in pixels, clockwise from the text's top left corner."""

    polygon_42: NDArray[np.float64]
    text: str
    illegible: bool = False


@dataclass(frozen=True)
class Sheet:
    """A set receipt: (H, W, 3) uint8 RGB, white where there is no ink, and its texts."""

    image_HWC: NDArray[np.uint8]
    texts: tuple[PlacedText, ...]


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def _box(left: float, top: float, right: float, bottom: float, pad: float) -> NDArray[np.float64]:
    """Return the corners of a box given by pixel edges, grown by `pad`, in pixel-centre coordinates."""
    x0, y0, x1, y1 = left - pad - 0.5, top - pad - 0.5, right + pad - 0.5, bottom + pad - 0.5
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


class Typesetter:
    """Sets one receipt, row by row, in one type family and one ink."""

    def __init__(self, rng: np.random.Generator, width: int, receipt: Receipt) -> None:
        self._rng = rng
        self._receipt = receipt
        self._em = width / rng.uniform(19.0, 23.0)
        self._leading = rng.uniform(1.35, 1.6)
        self._family = FAMILIES[rng.choice(len(FAMILIES), p=(0.45, 0.3, 0.15, 0.1))]
        dark = int(rng.integers(15, 70))
        self._ink: Color = (dark, dark, dark + int(rng.integers(0, 20)))
        self._left = 0.06 * width
        self._right = width - self._left - (1.6 * self._em if receipt.margin_note else 0.0)
        height = sum(row.size for row in receipt.rows) * self._em * self._leading + 3.0 * self._em
        self._image = Image.new("RGB", (width, round(height)), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._placed: list[PlacedText] = []

    def set(self) -> Sheet:
        """Return the sheet."""
        graphics = {"rule": self._rule, "logo": self._logo, "code": self._code, "barcode": self._barcode}
        top = 1.4 * self._em
        for row in self._receipt.rows:
            height = row.size * self._em * self._leading
            if row.kind == "texts":
                self._texts(row, top, height)
            elif row.kind == "stamp":
                self._stamp(row, top, height)
            else:
                graphics[row.kind](top, height)
            top += height
        if self._receipt.margin_note:
            middle = (self._right + 1.3 * self._em, self._image.height * self._rng.uniform(0.42, 0.58))
            quarter = 90.0 if self._rng.random() < 0.5 else -90.0
            self._turned(self._receipt.margin_note, 0.95 * self._em, middle, quarter, self._ink, framed=False)
        self._smudge()
        return Sheet(np.asarray(self._image), tuple(self._placed))

    def _texts(self, row: Row, top: float, height: float) -> None:
        """Set the segments on one baseline, smaller where they would not leave a gap of two letters."""
        name = self._family[row.bold]
        room = self._right - self._left - 2.0 * self._em * (len(row.segments) - 1)
        size = row.size * self._em
        needed = sum(_font(name, round(size)).getlength(segment.text) for segment in row.segments)
        font = _font(name, round(size * min(1.0, room / needed)))
        for segment in row.segments:
            self._place(segment, font, top + 0.72 * height)

    def _place(self, segment: Segment, font: ImageFont.FreeTypeFont, baseline: float) -> None:
        width = font.getlength(segment.text)
        spare = self._right - self._left - width
        share = {"left": 0.0, "centre": 0.5, "right": 1.0}[segment.align]
        origin = (round(self._left + share * spare), round(baseline))
        self._draw.text(origin, segment.text, font=font, fill=self._ink, anchor="ls")
        ink_box = self._draw.textbbox(origin, segment.text, font=font, anchor="ls")
        self._placed.append(PlacedText(_box(*ink_box, pad=PAD * font.size), segment.text))

    def _turned(
        self,
        text: str,
        size: float,
        middle: tuple[float, float],
        degrees: float,
        ink: Color,
        *,
        framed: bool,
    ) -> None:
        """Set a text about a middle point, turned clockwise by `degrees`, in a round frame if asked."""
        font = _font(self._family[1], round(size))
        left, top, right, bottom = font.getbbox(text, anchor="ls")
        margin = round(0.55 * size)
        tile = Image.new("L", (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin))
        draw = ImageDraw.Draw(tile)
        draw.text((margin - left, margin - top), text, font=font, fill=255, anchor="ls")
        if framed:
            frame = (2, 2, tile.width - 3, tile.height - 3)
            draw.rounded_rectangle(frame, radius=margin // 2, outline=255, width=max(2, margin // 6))
        turned = tile.rotate(-degrees, resample=Image.Resampling.BICUBIC, expand=True)
        corner = (round(middle[0] - turned.width / 2), round(middle[1] - turned.height / 2))
        self._image.paste(ink, corner, mask=turned)
        centre = np.array(corner) + np.array(turned.size) / 2 - 0.5
        half = np.array([right - left, bottom - top]) / 2 + PAD * size
        turn = np.deg2rad(degrees)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        corners_42 = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes + centre
        self._placed.append(PlacedText(corners_42, text))

    def _stamp(self, row: Row, top: float, height: float) -> None:
        inks: tuple[Color, ...] = ((178, 34, 52), (40, 70, 160), (70, 60, 130))
        middle = (self._image.width * self._rng.uniform(0.35, 0.65), top + height / 2)
        degrees = float(self._rng.uniform(-14.0, 14.0))
        ink = inks[self._rng.integers(len(inks))]
        self._turned(row.segments[0].text, 1.5 * self._em, middle, degrees, ink, framed=True)

    def _rule(self, top: float, height: float) -> None:
        y = round(top + height / 2)
        thick = max(2, round(0.06 * self._em))
        dash = round(0.45 * self._em) if self._rng.random() < 0.7 else round(self._right - self._left)
        for x in np.arange(self._left, self._right - 1, 1.8 * dash):
            end = min(x + dash, self._right)
            self._draw.line([(round(x), y), (round(end), y)], fill=self._ink, width=thick)

    def _logo(self, top: float, height: float) -> None:
        """Draw a disc, a ring or a flower about the middle of the sheet."""
        x, y, r = self._image.width / 2, top + 0.45 * height, 0.38 * height
        disc = (x - r, y - r, x + r, y + r)
        inner = (x - 0.6 * r, y - 0.6 * r, x + 0.6 * r, y + 0.6 * r)
        kind = self._rng.integers(3)
        if kind == 0:
            self._draw.ellipse(disc, fill=self._ink)
            self._draw.pieslice(inner, 200, 340, fill="white")
        elif kind == 1:
            self._draw.ellipse(disc, outline=self._ink, width=round(0.16 * r))
            self._draw.regular_polygon((x, y, 0.62 * r), 3, fill=self._ink)
        else:
            for turn in (0, 72, 144, 216, 288):
                leaf = (x + 0.62 * r * np.sin(np.deg2rad(turn)), y - 0.62 * r * np.cos(np.deg2rad(turn)))
                self._draw.regular_polygon((*leaf, 0.4 * r), 6, rotation=turn, fill=self._ink)

    def _code(self, top: float, height: float) -> None:
        """Draw a block like a QR code: random cells, and a finder square in three corners."""
        cells_NN = self._rng.random((25, 25)) < 0.5
        for i, j in ((0, 0), (0, 18), (18, 0)):
            cells_NN[max(0, i - 1) : i + 8, max(0, j - 1) : j + 8] = False
            cells_NN[i : i + 7, j : j + 7] = True
            cells_NN[i + 1 : i + 6, j + 1 : j + 6] = False
            cells_NN[i + 2 : i + 5, j + 2 : j + 5] = True
        side = 25 * max(2, round(0.82 * height / 25))
        block = Image.fromarray(cells_NN.astype(np.uint8) * 255).resize(
            (side, side), Image.Resampling.NEAREST
        )
        corner = (round((self._image.width - side) / 2), round(top + (height - side) / 2))
        self._image.paste(self._ink, corner, mask=block)

    def _barcode(self, top: float, height: float) -> None:
        unit = max(2, round(0.09 * self._em))
        widths = self._rng.integers(1, 4, size=60) * unit
        x = (self._image.width - float(widths.sum())) / 2
        for index, width in enumerate(widths):
            if index % 2 == 0:
                bar = (round(x), round(top + 0.12 * height), round(x + width) - 1, round(top + 0.85 * height))
                self._draw.rectangle(bar, fill=self._ink)
            x += float(width)

    def _smudge(self) -> None:
        """Rub out one text of every other sheet or so until nobody can read it."""
        for index, placed in enumerate(self._placed):
            if self._rng.random() > 0.035:
                continue
            x0, y0 = np.floor(placed.polygon_42.min(axis=0)).astype(int) - 2
            x1, y1 = np.ceil(placed.polygon_42.max(axis=0)).astype(int) + 3
            patch = self._image.crop((x0, y0, x1, y1)).filter(ImageFilter.GaussianBlur(0.32 * self._em))
            self._image.paste(patch, (x0, y0))
            self._placed[index] = PlacedText(placed.polygon_42, "###", illegible=True)
