"""One page to one sample: what is read is what was planned, and lies where its annotation says."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_pages import made_page
from PIL import Image

from formats.codecs import encode_meta, map_planes
from formats.errors import SampleError, TextshardsError
from formats.fingerprint import sha256
from formats.manifest import SetSettings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec
from pipeline.page import make_sample
from pipeline.render import RENDERER_VERSION
from pipeline.sources.record import SourceRecord, SourceText

SETTINGS = SetSettings(
    geometry=GeometrySpec(canvas=(96, 128)),
    targets=TargetsSpec(),
    encoding=EncodingSpec(),
    layout=LayoutSpec(),
    renderer=1,
)
BOX = np.array([[10.0, 8], [90, 8], [90, 28], [10, 28]])


@pytest.fixture
def record(tmp_path: Path) -> SourceRecord:
    path = tmp_path / "a.jpg"
    path.write_bytes(made_page(0))
    return SourceRecord("a.jpg", "train", path, (SourceText(BOX, False, "A"),), "list:1", (96, 128))


def digest(record: SourceRecord) -> str:
    return hashlib.sha256(record.image.read_bytes()).hexdigest()


FROZEN = {
    2: {
        "page": "9ec3e4885947e9cb711c78ff7dfb7a073ba85f5e4c157b6684b8854d788f5a42",
        "meta": "b86aee5ead6dd94fd28d492fbae769c66b4a20d9970f32020e1dfab1b8f2df84",
        "distance": "567408fa16106fb8052eaeddc21d36f6d8b99fce5a54bac3e75ecd93b52bd7d8",
        "planes": "70c77066ebd9763641f41024773972943e7d9747a306ca7442a8024ecd6ce5c9",
    }
}
"""What each version of the renderer stores of the page below: SHA-256 of page, meta data, and maps."""


def test_what_is_stored_of_a_source_moves_with_the_renderers_version_alone(tmp_path: Path) -> None:
    """A page under alpha, shrunk by half and centred, with texts of every kind that cleaning knows.

    Its pixels are alike two by two and its coordinates are short in binary: no library has anything to round,
    so that what is stored is the same with each version of it. A change of our own that shows here needs
    another RENDERER_VERSION, and a row of its own.
    """
    blocks = np.arange(64 * 32 * 4, dtype=np.uint32) * 2654435761 >> 24
    rgba_HW4 = blocks.astype(np.uint8).reshape(64, 32, 4).repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(rgba_HW4).save(tmp_path / "a.png")
    polygons = {
        "box": [[8, 8], [56, 8], [56, 24], [8, 24]],
        "turned, a vertex twice": [[8, 44], [8, 44], [40, 28], [48, 44], [16, 60]],
        "twisted": [[0, 64], [54, 64], [58, 68], [58, 64], [54, 68], [54, 84], [0, 84]],
        "bow tie": [[8, 88], [40, 104], [40, 88], [8, 104]],
        "line": [[2, 2], [60, 2], [30, 2]],
        "ignored": [[44, 90], [60, 90], [60, 110], [44, 110]],
        "small": [[50, 112], [58, 112], [58, 116], [50, 116]],
        "out of the page": [[-20, 112], [30, 112], [30, 140], [-20, 140]],
    }
    texts = tuple(
        SourceText(np.array(polygon, np.float64), name == "ignored", name)
        for name, polygon in polygons.items()
    )
    page = SourceRecord("a.png", "train", tmp_path / "a.png", texts, "list:1")
    found = {}
    for maps in ("distance", "planes"):
        settings = SETTINGS.model_copy(
            update={
                "geometry": GeometrySpec(canvas=(64, 64), position="center", pad_color=(1, 2, 3)),
                "encoding": EncodingSpec(maps=maps),
            }
        )
        sample = make_sample(page, digest(page), settings, 10**6)
        found["page"] = sha256(sample.image_HWC.tobytes())
        found["meta"] = sha256(encode_meta(sample.meta))
        found[maps] = sha256(b"".join(plane.tobytes() for plane in map_planes(sample.maps).values()))
    assert [text.status for text in sample.meta.texts] == [
        *("care", "care", "care", "self_crossing", "degenerate", "dont_care", "too_small", "care")
    ]
    assert found == FROZEN[RENDERER_VERSION]


def test_page_maps_and_meta_belong_together(record: SourceRecord) -> None:
    sample = make_sample(record, digest(record), SETTINGS, 10**6)
    assert sample.meta.source_size == (96, 128)
    np.testing.assert_array_equal(sample.meta.texts[0].polygon_V2, BOX)  # the canvas has the page's size
    dark_HW = sample.image_HWC.mean(axis=2) < 120
    maps = sample.maps.target_maps(0.4)  # type: ignore[union-attr]
    inside = maps.prob_HW.astype(bool)
    assert inside.any()
    assert dark_HW[inside].all()


def test_a_text_beside_its_page_is_not_learnt_from_the_padding(record: SourceRecord) -> None:
    geometry = SETTINGS.geometry.model_copy(update={"canvas": (192, 192)})
    settings = SETTINGS.model_copy(update={"geometry": geometry})  # 96 x 128 becomes 144 x 192
    beside, across = BOX + np.array([0, 90]), BOX + np.array([0, 80])
    texts = (*record.texts, SourceText(beside, False, "B"), SourceText(across, False, "C"))
    sample = make_sample(replace(record, texts=texts), digest(record), settings, 10**6)
    assert [text.status for text in sample.meta.texts] == ["care", "outside", "care"]
    distances_HW = sample.maps.distance_HW  # type: ignore[union-attr]
    assert not distances_HW[180:].any()
    corners = [[[x + 500 * dx, y + 400 * dy] for x, y in BOX] for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    around = [SourceText(np.array(corner), False, None) for corner in corners]
    sample = make_sample(replace(record, texts=tuple(around)), digest(record), settings, 10**6)
    assert [text.status for text in sample.meta.texts] == ["outside"] * 4 + ["care"] + ["outside"] * 4


@pytest.mark.parametrize(("beyond", "status"), [(-0.25, "care"), (0.25, "outside")])
@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_page_ends_half_a_pixel_outside_its_outer_pixels(
    record: SourceRecord, side: str, beyond: float, status: str
) -> None:
    # Of 96 x 128 pixels: from -0.5 to 95.5 and to 127.5; each text begins so far beyond that border.
    x, y = {
        "left": (-0.5 - beyond - 80, 40.0),
        "top": (20.0, -0.5 - beyond - 20),
        "right": (127.5 + beyond, 40.0),
        "bottom": (20.0, 95.5 + beyond),
    }[side]
    text = SourceText(BOX - BOX.min(axis=0) + [x, y], False, None)
    sample = make_sample(replace(record, texts=(text,)), digest(record), SETTINGS, 10**6)
    assert [text.status for text in sample.meta.texts] == [status]


def test_an_image_that_changed_since_the_plan_is_refused(record: SourceRecord) -> None:
    planned = digest(record)
    record.image.write_bytes(made_page(1))
    with pytest.raises(TextshardsError, match=r"a\.jpg") as caught:
        make_sample(record, planned, SETTINGS, 10**6)
    assert not isinstance(caught.value, SampleError)  # not the page's fault: nothing to quarantine


def test_an_image_that_vanished_is_refused(record: SourceRecord) -> None:
    planned = digest(record)
    record.image.unlink()
    with pytest.raises(TextshardsError, match="cannot be read any more"):
        make_sample(record, planned, SETTINGS, 10**6)


def test_an_annotation_made_on_another_size_is_unusable(record: SourceRecord) -> None:
    other = replace(record, stated_size=(100, 128))
    with pytest.raises(SampleError, match="another size"):
        make_sample(other, digest(record), SETTINGS, 10**6)


def test_an_annotation_made_before_exif_turned_the_page_is_unusable_and_says_so(
    record: SourceRecord,
) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    data = record.image.read_bytes()
    record.image.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert cv2.imread(str(record.image)).shape[:2] == (128, 96)
    with pytest.raises(SampleError, match="another size") as caught:
        make_sample(record, digest(record), SETTINGS, 10**6)
    assert "geometry.exif=ignore" in caught.value.found
    geometry = SETTINGS.geometry.model_copy(update={"exif": "ignore"})
    ignoring = SETTINGS.model_copy(update={"geometry": geometry})
    assert make_sample(record, digest(record), ignoring, 10**6).meta.source_size == (96, 128)
