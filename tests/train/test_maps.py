from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from formats.sample import DistanceMaps, TargetMaps
from train.maps import MapReader, Targets, unpacked, unpacked_on_device

BYTES = arrays.arrays(np.uint8, (3, 5, 16))
BITS = arrays.arrays(np.uint8, (3, 5, 16), elements=st.integers(0, 1))
LOW, HIGH = 0.3, 0.7


def packed(bits_NHW: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.packbits(bits_NHW, axis=2))


def decoded(maps: TargetMaps) -> Targets:
    """The definition: floats of the decoded planes, one after the other, in float64."""
    thresh_HW = LOW + (HIGH - LOW) * maps.thresh_HW.astype(np.float64) / 255.0
    planes = (maps.prob_HW, maps.prob_mask_HW, thresh_HW, maps.thresh_mask_HW)
    return Targets(*(torch.from_numpy(plane.astype(np.float32)) for plane in planes))


def assert_same(targets: Targets, expected: Targets) -> None:
    for name in Targets._fields:
        torch.testing.assert_close(getattr(targets, name), getattr(expected, name), rtol=0.0, atol=0.0)


@given(BYTES, st.none() | BYTES, BITS, st.floats(0.3, 0.9), st.floats(0.0, 0.95))
def test_targets_are_the_decoded_maps_at_any_ratio(
    distance_NHW: np.ndarray,
    overlap_NHW: np.ndarray | None,
    mask_NHW: np.ndarray,
    stored: float,
    beyond: float,
) -> None:
    ratio = stored + beyond * (0.99 - stored)
    expected = decoded(DistanceMaps(distance_NHW, overlap_NHW, mask_NHW).target_maps(stored, ratio))
    overlap = None if overlap_NHW is None else torch.from_numpy(overlap_NHW)
    reader = MapReader(LOW, HIGH)
    planes = torch.from_numpy(distance_NHW), overlap, packed(mask_NHW)
    assert_same(reader.distance(*planes, stored, ratio), expected)


def test_every_level_is_read_at_the_stored_ratio_by_default() -> None:
    distance_NHW = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    mask_NHW = np.ones((1, 16, 16), np.uint8)
    targets = MapReader(LOW, HIGH).distance(distance_NHW, None, packed(mask_NHW), 0.4)
    expected = DistanceMaps(distance_NHW.numpy(), None, mask_NHW).target_maps(0.4)
    assert_same(targets, decoded(expected))
    assert float(targets.thresh_NHW.min()) == pytest.approx(LOW)
    assert HIGH - 0.01 < float(targets.thresh_NHW.max()) <= HIGH


@given(BITS, BITS, BYTES, BITS)
def test_the_four_planes_read_the_same_way(
    prob: np.ndarray, prob_mask: np.ndarray, thresh: np.ndarray, thresh_mask: np.ndarray
) -> None:
    expected = decoded(TargetMaps(prob, prob_mask, thresh, thresh_mask))
    planes = (packed(prob), packed(prob_mask), torch.from_numpy(thresh), packed(thresh_mask))
    assert_same(MapReader(LOW, HIGH).planes(*planes), expected)


@given(BITS)
def test_bits_come_apart_on_a_device_as_on_the_host(bits_NHW: np.ndarray) -> None:
    for unpack in (unpacked, unpacked_on_device):
        found = unpack(packed(bits_NHW))
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), bits_NHW)


def test_a_plane_that_is_a_view_is_read_as_it_looks() -> None:
    distance_NHW = torch.randint(0, 256, (2, 16, 8), dtype=torch.uint8)
    turned_NHW = distance_NHW.transpose(1, 2)
    ones_NHW = torch.full((2, 8, 2), 255, dtype=torch.uint8)
    reader = MapReader(LOW, HIGH)
    assert_same(
        reader.distance(turned_NHW, None, ones_NHW, 0.4),
        reader.distance(turned_NHW.contiguous(), None, ones_NHW, 0.4),
    )


def test_reading_leaves_the_planes_alone() -> None:
    planes = [torch.randint(0, 2, (1, 4, columns), dtype=torch.uint8) for columns in (16, 16, 2)]
    before = [plane.clone() for plane in planes]
    MapReader(LOW, HIGH).distance(planes[0], planes[1], planes[2], 0.4)
    assert all(torch.equal(plane, kept) for plane, kept in zip(planes, before, strict=True))


def test_a_ratio_below_the_stored_one_cannot_be_read() -> None:
    plane = torch.zeros(1, 2, 2, dtype=torch.uint8)
    with pytest.raises(ValueError, match="cannot be read"):
        MapReader(LOW, HIGH).distance(plane, None, plane, 0.4, 0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_reads_what_the_host_reads() -> None:
    planes = [torch.randint(0, 256, (2, 33, columns), dtype=torch.uint8) for columns in (40, 40, 5)]
    reader = MapReader(LOW, HIGH)
    on_host = reader.distance(planes[0], planes[1], planes[2], 0.4, 0.5)
    on_device = reader.distance(*(plane.cuda() for plane in planes), 0.4, 0.5)
    assert_same(Targets(*(plane.cpu() for plane in on_device)), on_host)
