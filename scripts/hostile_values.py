"""Inputs that are damaged, absurd or meant to harm: bytes, JSON values, names, polygons, YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator

NAMES: tuple[str, ...] = (
    *("", ".", "..", "/", "//", "\0", "a\0.jpg", "\n", "\ud800", "\u202egpj.exe", "ä.jpg", "a\u0308.jpg"),
    *("../page_0.jpg", "../../../../etc/passwd", "/etc/passwd", "C:\\windows\\a.jpg", "..\\..\\a.jpg"),
    *("train/../../out.jpg", "train/./page_0.jpg", "train//page_0.jpg", "train/page_0.jpg/", "train"),
    *("link_out.jpg", "link_folder/passwd", "loop.jpg", "zero.jpg", "pipe.jpg", "folder.jpg", "~/a.jpg"),
    *("x" * 300, "x/" * 3000 + "a", "%2e%2e/a", "file:///etc/passwd", "http://localhost/a.jpg", "-rf", "*"),
)
NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**32, 2**53, 2**63, 2**64, 2**70, 10**400, -(10**400), True, False, -0.0),
    *(1e300, -1e300, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 0.1, 1e6, 1e9, "1e999"),
)


def leaf(rng: Rng) -> Any:
    """Return a value that does not belong where it will stand."""
    kind = rng.integers(8)
    if kind < 3:
        return NUMBERS[rng.integers(len(NUMBERS))]
    if kind < 5:
        return NAMES[rng.integers(len(NAMES))]
    big = int(rng.choice([10, 1000, 100_000]))
    absurd: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: [],
        lambda: {},
        lambda: "9" * big,
        lambda: "9" * big + "x",
        lambda: [[float(i), float(i % 7)] for i in range(big)],
        lambda: list(map(float, range(big))),
        lambda: {f"k{i}": i for i in range(big // 10)},
        lambda: nested(int(rng.choice([5, 500, 3000]))),
        lambda: polygon(rng).tolist(),
    )
    return absurd[rng.integers(len(absurd))]()


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def altered(rng: Rng, value: Any) -> Any:
    """Return a JSON value with one place in it replaced, doubled or dropped."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        return leaf(rng)
    copy = value.copy()
    place = list(copy)[rng.integers(len(copy))] if isinstance(copy, dict) else int(rng.integers(len(copy)))
    if rng.random() < 0.12:
        del copy[place]
    elif rng.random() < 0.08 and isinstance(copy, list):
        copy += copy
    elif rng.random() < 0.08 and isinstance(copy, dict):
        copy[NAMES[rng.integers(len(NAMES))]] = copy.pop(place)
    else:
        copy[place] = altered(rng, copy[place])
    return copy


def json_bytes(rng: Rng, value: Any) -> bytes:
    """Return an altered value as JSON text; deep or huge ones as a hand would write them."""
    kind = rng.integers(12)
    if kind == 0:
        return b"[" * int(rng.choice([100, 100_000])) + b"]" * 5
    if kind == 1:
        names = ",".join(f'"k{i}":1' for i in range(int(rng.choice([3, 30_000]))))
        return ("{" + names + ',"k2":2}').encode()
    for _ in range(rng.integers(1, 4)):
        value = altered(rng, value)
    return mutated(rng, written(value)) if kind < 4 else written(value)


def written(value: Any) -> bytes:
    """Return a value as JSON text, or some other text where the library cannot write it."""
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b'{"images": ' + b"9" * 5000 + b"}"


def mutated(rng: Rng, data: bytes) -> bytes:
    """Return bytes with a few places changed, cut, doubled or thrown together."""
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 2, 8]))):
        size = len(changed)
        at = int(rng.integers(size + 1))
        span = int(min(rng.choice([1, 4, 64, 4096]), size))
        kind = rng.integers(7)
        if kind == 0 and size:
            changed[min(at, size - 1)] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at : at + span] = rng.bytes(span)
        elif kind == 2:
            changed[at : at + 4] = (0, 2**32 - 1, 2**31 - 1, 2**31)[rng.integers(4)].to_bytes(4, "big")
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            del changed[at : at + span]
        elif kind == 5:
            changed[at:at] = changed[at : at + span] * int(rng.integers(1, 4))
        else:
            changed[at:at] = rng.bytes(span)
    return bytes(changed)


def polygon(rng: Rng) -> NDArray[np.float64]:
    """Return (V, 2) vertices that no person drew."""
    count = int(rng.choice([0, 1, 2, 3, 4, 7, 50, 999]))
    span = float(rng.choice([1e-9, 1.0, 100.0, 1e4, 1e6]))
    points_V2 = rng.uniform(-span, span, (count, 2))
    kind = rng.integers(9)
    if kind == 0:
        points_V2 = np.round(points_V2 / span * 3)
    elif kind == 1:
        turn_V = np.arange(count) * rng.uniform(0.1, 3.1)
        points_V2 = 60 + 50 * np.stack([np.cos(turn_V), np.sin(turn_V)], axis=1)
    elif kind == 2:
        points_V2[:, 1] = points_V2[:, :1].sum(axis=1) * 2
    elif kind == 3:
        points_V2 = np.repeat(points_V2[:1], count, axis=0)
    elif kind == 4:
        points_V2 = np.full((int(rng.choice([5, 1001, 100_000])), 2), 3.0).cumsum(axis=0) % 97
    elif kind == 5 and count:
        points_V2[rng.integers(count), rng.integers(2)] = rng.choice([np.nan, np.inf, 1e300, -1e308, 5e-324])
    elif kind == 6:
        x_V = np.arange(count) * 0.1
        points_V2 = np.stack([x_V, (np.arange(count) % 2) * 90.0], axis=1)
    return points_V2


def yaml_text(rng: Rng, plain: str) -> bytes:
    """Return a configuration that is damaged, cyclic, or made to take for ever."""
    big = int(rng.choice([10, 3000, 60_000]))
    absurd: tuple[Callable[[], str], ...] = (
        lambda: "a: &a [*a]\n",
        lambda: "&a a: &b {b: *b}\n*a : 1\n",
        lambda: "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i},*a{i}]\n" for i in range(40)),
        lambda: "a: !!python/object/apply:os.system ['touch /tmp/harm']\n",
        lambda: "a: !!python/name:os.system\n",
        lambda: "a: " + "[" * big,
        lambda: "{a: " * big,
        lambda: "- " * big + "1",
        lambda: "? " * big,
        lambda: "a: " + "9" * big,
        lambda: "a: 0x" + "f" * big,
        lambda: "a: " + "1:" * big + "1",
        lambda: "a: 2026-99-99\nb: 0000-00-00 25:61:61\n",
        lambda: "a: !!binary '###'\nb: !!int ''\nc: !!float x\n",
        lambda: "<<: {source: 1}\nsource: {<<: [1, 2]}\n",
        lambda: "[1]: 2\n? {a: b}\n: c\nnull: 3\n1.5: 4\n",
        lambda: "source: 1\nsource: 2\n",
        lambda: "--- a\n--- b\n",
        lambda: "%YAML 9.9\n---\na: 1\n",
        lambda: "a: |\n" + "  x\n" * big,
        lambda: 'a: "' + "\\U0010ffff" * big + '"\n',
        lambda: 'a: "\\ud800 \\0"\n',
        lambda: "\t" * big,
        lambda: "#" * (1 << 19),
    )
    kind = rng.integers(3)
    if kind == 0:
        return absurd[rng.integers(len(absurd))]().encode("utf-8", "surrogatepass")
    if kind == 1:
        return mutated(rng, plain.encode())
    return written(altered(rng, json.loads(plain)))
