"""What stands on a made-up receipt: rows of texts and graphics, from a random generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Align = Literal["left", "centre", "right"]
Kind = Literal["texts", "rule", "logo", "code", "barcode", "stamp"]

SHOPS = (
    (
        "Northgate",
        "Harbour",
        "Old Mill",
        "Sunrise",
        "Green Leaf",
        "Blue Door",
        "Lantern",
        "Cedar",
        "Five Oaks",
    ),
    ("Market", "Bakery", "Hardware", "Books", "Cafe", "Pharmacy", "Stationers", "Kitchen", "Garden"),
)
STREETS = (
    "Mill Lane",
    "Station Road",
    "High Street",
    "Jalan Merdeka",
    "Rue Haute",
    "Quay Street",
    "Elm Avenue",
)
TOWNS = ("Brightwell", "Port Selby", "Ashcombe", "Georgetown", "Kingsbridge", "Lakeside", "Marlow")
ITEMS = (
    "Whole milk 1L", "Rye bread", "Espresso", "Flat white", "AA battery x4", "Notebook A5", "Green tea",
    "Brown rice 2kg", "Tomato soup", "Olive oil", "Apples", "Hand soap", "LED bulb 9W", "Wood screws",
    "Butter 250g", "Chicken wrap", "Orange juice", "Garden twine", "USB cable", "Ballpen blue", "Honey jar",
    "Dark chocolate", "Paper towels", "Eggs, dozen", "Soy sauce", "Cheddar", "Toothpaste", "Postcards",
)  # fmt: skip
FOOTERS = (
    "Thank you, come again!", "Goods sold are not returnable", "Keep this receipt", "Have a nice day",
    "www.example.com", "Follow us @example", "Exchange within 7 days", "Tax invoice on request",
)  # fmt: skip
STAMPS = ("PAID", "COPY", "RECEIVED", "CHECKED", "APPROVED")
MARGIN_NOTES = ("CUSTOMER COPY", "ORIGINAL RECEIPT", "NOT A TAX INVOICE", "KEEP FOR WARRANTY")


@dataclass(frozen=True)
class Segment:
    """One text of a row, set at one side of the sheet."""

    text: str
    align: Align = "left"


@dataclass(frozen=True)
class Row:
    """One row of the receipt; `size` is its height in units of the body's font size."""

    segments: tuple[Segment, ...] = ()
    size: float = 1.0
    bold: bool = False
    kind: Kind = "texts"


@dataclass(frozen=True)
class Receipt:
    """The rows from top to bottom, and a note set vertically in the right margin, if any."""

    rows: tuple[Row, ...]
    margin_note: str | None


def compose(rng: np.random.Generator) -> Receipt:
    """Return the content of one receipt: header, items, totals, footer, with a graphic here and there."""
    symbol = _pick(rng, ("$", "RM ", "£", "€", ""))
    prices = np.round(rng.uniform(0.8, 60.0, size=int(rng.integers(4, 8))), 2)
    rule = Row(kind="rule", size=0.5)
    rows = [
        *_header(rng),
        _stamped(rng),
        rule,
        *_items(rng, prices, symbol if rng.random() < 0.3 else ""),
        rule,
        *_totals(rng, float(prices.sum()), symbol),
        *([rule] if rng.random() < 0.5 else []),
        *_footer(rng),
    ]
    return Receipt(tuple(rows), _pick(rng, MARGIN_NOTES) if rng.random() < 0.25 else None)


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _centred(text: str, size: float = 1.0, bold: bool = False) -> Row:
    return Row((Segment(text, "centre"),), size, bold)


def _pair(left: str, right: str, size: float = 1.0, bold: bool = False) -> Row:
    return Row((Segment(left), Segment(right, "right")), size, bold)


def _header(rng: np.random.Generator) -> list[Row]:
    name = f"{_pick(rng, SHOPS[0])} {_pick(rng, SHOPS[1])}"
    name = name.upper() if rng.random() < 0.6 else name
    rows = [_centred(name, rng.uniform(1.25, 1.7), bold=True)]
    if rng.random() < 0.35:
        rows.insert(0, Row(kind="logo", size=3.0))
    rows.append(_centred(f"{rng.integers(1, 240)} {_pick(rng, STREETS)}, {_pick(rng, TOWNS)}"))
    if rng.random() < 0.6:
        rows.append(
            _centred(f"Tel {rng.integers(100, 999)}-{rng.integers(100, 999)} {rng.integers(1000, 9999)}")
        )
    return rows


def _stamped(rng: np.random.Generator) -> Row:
    day, month, hour, minute = rng.integers((1, 1, 8, 0), (29, 13, 22, 60))
    date = (
        f"{day:02d}/{month:02d}/20{rng.integers(15, 26)}"
        if rng.random() < 0.6
        else f"2024-{month:02d}-{day:02d}"
    )
    return _pair(date, f"{hour:02d}:{minute:02d}")


def _items(rng: np.random.Generator, prices: np.ndarray, symbol: str) -> list[Row]:
    names = rng.permutation(len(ITEMS))[: len(prices)]
    upper = rng.random() < 0.4
    rows = [_pair("Item", "Amount", bold=True)] if rng.random() < 0.4 else []
    for index, price in zip(names, prices, strict=True):
        name = ITEMS[index].upper() if upper else ITEMS[index]
        quantity = f"{rng.integers(2, 9)} x " if rng.random() < 0.2 else ""
        rows.append(_pair(quantity + name, f"{symbol}{price:.2f}"))
    return rows


def _totals(rng: np.random.Generator, total: float, symbol: str) -> list[Row]:
    rows = []
    if rng.random() < 0.5:
        rows += [_pair("Subtotal", f"{total:.2f}"), _pair("Tax 6%", f"{total * 0.06:.2f}")]
        total *= 1.06
    rows.append(_pair("TOTAL", f"{symbol}{total:.2f}", rng.uniform(1.1, 1.45), bold=True))
    if rng.random() < 0.6:
        rows.append(_pair(_pick(rng, ("Cash", "Card ****4821", "Visa")), f"{np.ceil(total):.2f}"))
    return rows


def _footer(rng: np.random.Generator) -> list[Row]:
    rows = [_centred(_pick(rng, FOOTERS))]
    graphic = rng.random()
    if graphic < 0.25:
        rows.append(Row(kind="code", size=4.0))
    elif graphic < 0.5:
        rows.append(Row(kind="barcode", size=2.4))
    elif graphic < 0.75:
        rows.append(Row((Segment(_pick(rng, STAMPS), "centre"),), 3.2, kind="stamp"))
    return rows
