from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.sources import FolderPair, SourceSettings


def make(**values: Any) -> SourceSettings:
    return SourceSettings(**{"format": "icdar", "root": "data", "splits": {"train": "list.txt"}, **values})


def test_defaults() -> None:
    settings = make()
    assert settings.root == Path("data")
    assert settings.dont_care == ("###", "*")
    assert settings.max_pixels == 178_956_970
    assert settings.images_folder("train") == ""


def test_the_splits_name_in_the_images_folder() -> None:
    assert make(images="x/{split}/images/").images_folder("train") == "x/train/images"
    assert make(images=".").images == ""


def test_a_pair_of_folders() -> None:
    pair = make(splits={"train": {"images": "img\\", "gt": "/elsewhere/gt"}}).splits["train"]
    assert pair == FolderPair(images="img", gt="/elsewhere/gt")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"images": "../x"}, "must be a folder below root"),
        ({"images": "a/../../x"}, "must be a folder below root"),
        ({"images": "/x"}, "must be a folder below root"),
        ({"images": "C:\\x"}, "must be a folder below root"),
        ({"splits": {"train": {"images": "..", "gt": "gt"}}}, "must be a folder below root"),
        ({"splits": {}}, "at least 1"),
        ({"splits": {"../train": "list.txt"}}, "a split's name"),
        ({"format": "ufo", "splits": {"train": {"images": "a", "gt": "b"}}}, "not a pair of folders"),
        ({"format": "voc"}, "one of ufo, icdar"),
        ({"format": "labelmee"}, "did you mean labelme"),
        ({"max_pixels": 0}, "greater than or equal to 1"),
        ({"folder": "x"}, "Extra inputs"),
    ],
)
def test_what_does_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**values)
