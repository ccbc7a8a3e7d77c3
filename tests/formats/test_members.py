"""Encoded samples and the index of what was written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from made_set import made_sample

from formats.fingerprint import digest
from formats.members import EncodedSample, HashingFile, SampleIndex, encode_sample, place
from formats.sample import DistanceMaps
from formats.spec import EncodingSpec
from formats.storage import crc32c


def test_hashing_file_knows_what_it_wrote(tmp_path: Path) -> None:
    file = HashingFile(tmp_path / "x")
    assert [place(file, payload) for payload in (b"abc", b"", b"defg")] == [
        (0, 3, crc32c(b"abc")),
        (3, 0, 0),
        (3, 4, crc32c(b"defg")),
    ]
    record = file.record("shards/x")
    assert (tmp_path / "x").read_bytes() == b"abcdefg"
    assert record.model_dump() == {
        "path": "shards/x",
        "bytes": 7,
        "sha256": hashlib.sha256(b"abcdefg").hexdigest(),
    }


def test_encoded_sample_counts_its_texts() -> None:
    sample = made_sample(1)
    encoded = encode_sample(sample, digest(1), EncodingSpec())
    assert encoded.key == sample.meta.key
    assert encoded.source == digest(1)
    assert encoded.texts == {"care": len(sample.meta.texts) - 1, "dont_care": 1}


def test_maps_must_be_of_the_kind_the_encoding_names() -> None:
    sample = made_sample(1)
    assert isinstance(sample.maps, DistanceMaps)
    four = replace(sample, maps=sample.maps.target_maps(0.4))
    for wrong, maps in ((sample, "planes"), (four, "distance")):
        with pytest.raises(ValueError, match=f"encoding.maps is {maps}, the sample has"):
            encode_sample(wrong, digest(1), EncodingSpec(maps=maps))


def bare(key: str, **texts: int) -> EncodedSample:
    return EncodedSample(key, digest(key), b"", {}, b"", texts)


def test_index_columns() -> None:
    index = SampleIndex({"image": 0, "meta": 1})
    index.add(bare("a", care=2), {"image": (0, 5, 7), "meta": (1, 2, 3)})
    index.add(bare("b", care=1, outside=4), {"image": (5, 6, 8), "meta": (3, 4, 5)})
    table = index.table()
    assert table.keys == ["a", "b"]
    assert table.texts == {"care": [2, 1], "outside": [0, 4]}
    assert table.members["meta"].model_dump() == {
        "file": 1,
        "offset": [1, 3],
        "bytes": [2, 4],
        "crc32c": [3, 5],
    }


@pytest.mark.parametrize("second", ["a", "A"])
def test_samples_come_sorted_and_once(second: str) -> None:
    index = SampleIndex({})
    index.add(bare("a"), {})
    with pytest.raises(ValueError, match="sorted by key"):
        index.add(bare(second), {})


def test_no_samples_at_all(tmp_path: Path) -> None:
    table = SampleIndex({"image": 0}).table()
    assert (table.keys, table.members["image"].offset) == ([], [])
