"""The dataset formats: a row each. A format's reader is `read` of the module of its name in this package."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

FORMATS = {
    "ufo": "UFO JSON",
    "icdar": "ICDAR or SROIE text: x1,y1,...,x4,y4,text",
    "polygons": "polygon text: x1,y1,...,xn,yn,text",
    "paddle": "PaddleOCR Label.txt",
    "labelme": "Labelme JSON",
    "coco": "COCO-style JSON",
    "cocotext": "COCO-Text v2 JSON",
    "mmocr0": "MMOCR 0.x JSON lines",
    "mmocr1": "MMOCR 1.x JSON",
}
"""What each is called."""


def known(name: str) -> str:
    """Return the name of a format that there is.

    Raises:
        ValueError: there is none.
    """
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"must be one of {', '.join(FORMATS)}{hint}")
    return name


FormatName = Annotated[str, AfterValidator(known)]
