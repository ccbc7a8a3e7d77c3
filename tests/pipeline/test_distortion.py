"""Distorted variants: points and pixels take one map, maps are those of the moved polygons."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from made_pages import BOXES, made_config, made_pages
from oracle import compare, exact_maps
from set_content import content

from formats.checks.sets import verify_set
from formats.manifest_files import read_set_manifest
from formats.sample import DistanceMaps, Points, projected
from formats.settings import validate_settings
from formats.shards import ShardSet
from formats.spec import TargetsSpec, VariantsSpec
from pipeline.assemble import BuildReport, build
from pipeline.config import BuildConfig
from pipeline.distortion import (
    HORIZON,
    TOLERANCE,
    Distortion,
    depth,
    draw_distortion,
    inverse_33,
    perspective_matrix,
)

CANVAS = (192, 256)
ELASTIC = VariantsSpec(count=3, elastic=0.1, elastic_spacing=64, blur=(0.0, 0.0), jpeg=(100, 100))
BOX = np.array([[30.0, 40.0], [220.0, 40.0], [220.0, 70.0], [30.0, 70.0]])

FROZEN_FIRST, FROZEN_COUNT = [35.571, 44.089], 40


def drawn(number: int = 1, key: str = "a.jpg", settings: VariantsSpec = ELASTIC) -> Distortion:
    return draw_distortion(key, number, settings, CANVAS, [BOX])


def test_a_draw_is_a_function_of_seed_number_and_key() -> None:
    again = drawn()
    assert (drawn().record.matrix_33 == again.record.matrix_33).all()
    assert (drawn().move([BOX])[0][:4] == again.move([BOX])[0][:4]).all()
    for other in (drawn(2), drawn(key="b.jpg"), drawn(settings=ELASTIC.model_copy(update={"seed": 1}))):
        assert not np.allclose(other.record.matrix_33, again.record.matrix_33)


def test_frozen_draw() -> None:
    """Bytes that every machine must find: a change needs another DISTORTION_VERSION."""
    moved = drawn(2, "frozen.png").move([BOX])[0]
    assert moved[0].tolist() == FROZEN_FIRST
    assert len(moved) == FROZEN_COUNT


def test_corners_go_where_they_are_sent() -> None:
    inwards = np.array([[0.1, 0.05], [0.2, 0.0], [0.0, 0.1], [0.05, 0.15]])
    corners = np.array([[-0.5, -0.5], [255.5, -0.5], [255.5, 191.5], [-0.5, 191.5]])
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    matrix = perspective_matrix(inwards, CANVAS)
    np.testing.assert_allclose(projected(matrix, corners), corners + signs * inwards * [256, 192], atol=1e-9)
    np.testing.assert_allclose(projected(inverse_33(matrix), projected(matrix, corners)), corners, atol=1e-9)


def test_without_elastic_edges_stay_straight_and_undivided() -> None:
    distortion = drawn(settings=ELASTIC.model_copy(update={"elastic": 0.0}))
    np.testing.assert_array_equal(distortion.move([BOX])[0], projected(distortion.record.matrix_33, BOX))
    along = BOX[0] + np.linspace(0, 1, 50)[:, None] * (BOX[1] - BOX[0])
    line = shapely.LineString(distortion.move([BOX])[0][:2])
    assert shapely.distance(shapely.points(distortion.move([along])[0]), line).max() < 1e-9


@pytest.mark.parametrize("number", range(1, 9))
def test_divided_edges_lie_within_the_tolerance_of_the_curve(number: int) -> None:
    distortion = drawn(number)
    ring = shapely.LinearRing(distortion.move([BOX])[0])
    dense = np.concatenate(
        [a + np.linspace(0, 1, 400)[:, None] * (b - a) for a, b in zip(BOX, np.roll(BOX, -1, 0), strict=True)]
    )
    curve = distortion._bent(dense)
    assert shapely.distance(shapely.points(curve), ring).max() < TOLERANCE
    assert len(ring.coords) < 120
    assert np.abs(curve - projected(distortion.record.matrix_33, dense)).max() <= distortion.record.elastic


def test_the_field_is_smooth_and_ends_at_the_border_of_its_grid() -> None:
    field = drawn().field
    assert field is not None
    over = field.over(CANVAS)
    y, x = np.mgrid[: CANVAS[0], : CANVAS[1]].reshape(2, -1)
    np.testing.assert_array_equal(field.at(np.column_stack([x, y]).astype(float)).reshape(*CANVAS, 2), over)
    for axis in (0, 1):
        assert np.abs(np.diff(over, axis=axis)).max() < 0.2
    far = np.array([[1e9, 5.0], [-1e9, 5.0], [10.0, 1e7]])
    assert (field.at(far) == 0).all()


@pytest.mark.parametrize("number", range(1, 6))
def test_pixels_and_points_take_one_map(number: int) -> None:
    """A disc drawn on the page comes to lie about where its centre is moved to."""
    distortion = drawn(number)
    for center in ([60.0, 60.0], [128.0, 96.0], [190.0, 120.0]):
        page = np.zeros((*CANVAS, 3), np.uint8)
        cv2.circle(page, [int(c) for c in center], 4, (255, 255, 255), -1, cv2.LINE_AA)
        seen = distortion.draw(page, (0, 0, 0))[..., 0].astype(float)
        y, x = np.mgrid[: CANVAS[0], : CANVAS[1]]
        found = np.array([(seen * x).sum(), (seen * y).sum()]) / seen.sum()
        np.testing.assert_allclose(found, distortion._bent(np.array([center]))[0], atol=0.1)


def test_blur_and_jpeg_change_pixels_and_no_point() -> None:
    page = np.full((*CANVAS, 3), 255, np.uint8)
    page[::7] = 0
    still = {"perspective": 0.0, "shear": 0.0, "stretch": (1.0, 1.0), "elastic": 0.0}
    plain = drawn(settings=ELASTIC.model_copy(update=still))
    np.testing.assert_array_equal(plain.draw(page, (0, 0, 0)), page)
    for field, value in (("blur", (1.0, 1.0)), ("jpeg", (20, 20))):
        other = drawn(settings=ELASTIC.model_copy(update={**still, field: value}))
        assert (other.draw(page, (0, 0, 0)) != page).any()
        np.testing.assert_array_equal(other.move([BOX])[0], BOX)


def test_a_text_behind_the_horizon_takes_the_perspective_back() -> None:
    settings = ELASTIC.model_copy(update={"perspective": 0.25, "elastic": 0.0})
    wide, tall = [[-3000.0, 10.0], [3000.0, 10.0], [0.0, 60.0]], [[0.0, -9000.0], [9.0, 9000.0], [9.0, 60.0]]
    for number in range(1, 20):
        for far in (wide, tall):
            distortion = draw_distortion("a", number, settings, CANVAS, [np.array(far)])
            assert depth(distortion.record.matrix_33, np.array(far)).min() >= HORIZON
            assert np.isfinite(distortion.move([np.array(far)])[0]).all()


def run(folder: Path, root: Path, count: int, **sections: dict[str, object]) -> BuildReport:
    variants = {"count": count, "elastic": 0.08, "elastic_spacing": 48, "splits": ["train"]}
    values = made_config(root, "train", "test", variants=variants) | sections
    return build(validate_settings(BuildConfig, values, "test"), folder, command=["test"])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_pages(tmp_path_factory.mktemp("pages"), 5)
    return made_pages(root, 2, "test")


@pytest.mark.parametrize(
    ("container", "maps"), [("tar", "distance"), ("zarr", "planes"), ("zarr", "distance"), ("tar", "planes")]
)
def test_maps_are_those_of_the_moved_polygons(tmp_path: Path, pages: Path, container: str, maps: str) -> None:
    run(tmp_path / "set", pages, 2, encoding={"container": container, "maps": maps, "image": "raw"})
    assert verify_set(tmp_path / "set", deep=True).problems == ()
    opened = ShardSet(tmp_path / "set", variants=True)
    assert (len(opened), opened.pages) == (5 * 3 + 2, 7)
    plain = ShardSet(tmp_path / "set")
    assert [opened.key(n) for n in range(7)] == [plain.key(n) for n in range(len(plain))]
    for number in range(7, len(opened)):
        sample = opened.sample(number)
        texts = sample.meta.texts
        assert sample.meta.variant is not None
        assert opened.key(number) == f"{sample.meta.key}#v{sample.meta.variant.number}"
        assert opened.find(opened.key(number)) == number
        ignored = [text.status == "dont_care" for text in texts]
        exact = exact_maps([text.polygon_V2 for text in texts], ignored, opened.canvas, TargetsSpec())
        if isinstance(sample.maps, DistanceMaps):
            agreement = compare(sample.maps, exact, 0.4)
            assert agreement.gap < 1e-5 and agreement.level_error <= 1
        else:
            assert ((sample.maps.prob_HW == 1) != exact.prob_HW).sum() <= 2
            assert ((sample.maps.prob_mask_HW == 0) != exact.masked_HW).sum() <= 2
        page = opened.number(sample.meta.key)
        assert page is not None
        truth = plain.meta(page)
        assert [t.source_V2.tolist() for t in texts] == [t.source_V2.tolist() for t in truth.texts]
        np.testing.assert_array_equal(sample.meta.to_canvas_23, truth.to_canvas_23)
        shown = sample.image_HWC.mean(axis=2)
        for text, (x0, _, x1, _) in zip(texts[:2], BOXES[:2], strict=True):
            assert x1 - x0 > 50 and shown[_middle(text.polygon_V2)] < 130  # dark boxes on light paper


def _middle(polygon_V2: Points) -> tuple[int, int]:
    center = shapely.Polygon(polygon_V2).centroid
    return round(center.y), round(center.x)


def test_adding_a_variant_reuses_the_others(tmp_path: Path, pages: Path) -> None:
    none = run(tmp_path / "set", pages, 0)
    before = content(tmp_path / "set/shards")
    assert b"variant" not in b"".join(content(tmp_path / "set").values())
    per_variant = sum(shard.split == "train" for shard in none.shards)
    for count in (1, 2):
        report = run(tmp_path / "set", pages, count)
        assert report.made == per_variant
        after = content(tmp_path / "set/shards")
        assert before.items() < after.items()
        before = after
    run(tmp_path / "fresh", pages, 2, runtime={"workers": 2})
    assert content(tmp_path / "fresh") == content(tmp_path / "set")
    manifest = read_set_manifest(tmp_path / "set")
    assert (manifest.splits, manifest.stored) == ({"test": 2, "train": 5}, 17)
    assert run(tmp_path / "set", pages, 1).removed == 2 * per_variant


def test_pages_have_the_first_numbers_whatever_their_shards_are_called(tmp_path: Path, pages: Path) -> None:
    run(tmp_path, pages, 2)
    opened = ShardSet(tmp_path, variants=True)
    variants = [shard.variant for shard in opened.shards]
    assert variants == sorted(variants) and set(variants) == {0, 1, 2}
    keys = [opened.key(number) for number in range(len(opened))]
    assert keys[: opened.pages] == [ShardSet(tmp_path).key(number) for number in range(opened.pages)]
    assert all("#v" in key for key in keys[opened.pages :])


def test_an_unusable_page_is_quarantined_once(tmp_path: Path) -> None:
    root = made_pages(made_pages(tmp_path / "pages", 4), 2, "test")
    (root / "train/page_1.jpg").write_bytes((root / "train/page_1.jpg").read_bytes()[:900])
    report = run(tmp_path / "set", root, 2, runtime={"workers": 1, "max_quarantined": 0.5})
    assert [row.key for row in report.manifest.quarantined] == ["train/page_1.jpg"]
    assert report.manifest.stored == 3 * 3 + 2
    assert verify_set(tmp_path / "set", deep=True).problems == ()
