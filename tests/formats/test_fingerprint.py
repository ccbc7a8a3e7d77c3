"""Canonical JSON and the digests made of it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.fingerprint import PARTS, SCHEME, Fingerprint, canonical, digest, digest_pairs, sha256

SAFE = 2**53 - 1
NUMBERS = st.integers(-SAFE, SAFE) | st.floats(-SAFE, SAFE) | st.floats(1e21, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def test_rfc_8785_examples() -> None:
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "literals": [None, True, False]}
    expected = b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'
    assert canonical(value) == expected
    assert canonical({"ö": 1, "\U0001f600": 2, "\ufb33": 3}) == '{"ö":1,"\U0001f600":2,"\ufb33":3}'.encode()
    assert canonical([1.0, -0.0]) == b"[1,0]"


@given(JSON)
def test_canonical_is_stable(value: object) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2, max_size=5))
def test_digest_knows_no_order(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_digest_is_the_sha256_of_the_text() -> None:
    text = '{"a":"é","b":[1,0.5]}'.encode()
    assert digest({"b": [1, 0.5], "a": "é"}) == f"{SCHEME}:{hashlib.sha256(text).hexdigest()}"
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_pairs_keep_their_borders_and_order() -> None:
    whole = hashlib.sha256(b'["a","1"]\n["b","2"]\n').hexdigest()
    assert digest_pairs([("a", "1"), ("b", "2")]) == f"{SCHEME}:{whole}"
    others = [[("b", "2"), ("a", "1")], [("a", "1")], [("a", '1"]\n["b","2')], []]
    assert len({digest_pairs(rows) for rows in others} | {f"{SCHEME}:{whole}"}) == 5


@given(st.lists(st.tuples(st.text(), st.text())))
def test_pairs_are_canonical_json(pairs: list[tuple[str, str]]) -> None:
    lines = b"".join(canonical(list(pair)) + b"\n" for pair in pairs)
    assert digest_pairs(pairs) == f"{SCHEME}:{hashlib.sha256(lines).hexdigest()}"


@pytest.mark.parametrize("part", PARTS)
def test_a_difference_is_named(part: str) -> None:
    parts = {name: digest(name) for name in PARTS}
    one, other = Fingerprint(parts), Fingerprint(parts | {part: digest("other")})
    assert one.differing(other) == (part,)
    assert one.whole != other.whole
    assert one.differing(one) == ()


def test_parts_must_be_complete() -> None:
    with pytest.raises(ValueError, match="parts"):
        Fingerprint({"source": digest(1)})
