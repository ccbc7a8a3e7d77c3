from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import SourceError
from pipeline.sources.reading import (
    PIECE,
    decode_text,
    make_entry,
    parse_json,
    read_json,
    read_small,
    text_lines,
)
from pipeline.sources.record import UnusableError


def test_bom_and_utf8_and_windows() -> None:
    assert decode_text("\ufeffé€".encode()) == "é€"
    assert decode_text(b"caf\xe9 \x80 \x81") == "café € \x81"


@given(st.binary())
def test_every_file_has_a_text(data: bytes) -> None:
    assert isinstance(decode_text(data), str)


@given(st.binary(), st.lists(st.sampled_from("0123456789,-."), max_size=30))
def test_the_encoding_never_changes_digits_and_commas(data: bytes, digits: list[str]) -> None:
    text = "".join(digits)
    assert text in decode_text(data + b"\n" + text.encode("ascii") + b"\n" + b"\xff")


def test_lines_end_in_any_of_three_ways_and_blank_ones_are_counted_not_given() -> None:
    data = "a\r\nb\rc\n\n  \nd\u2028\x0be".encode()
    assert list(text_lines(data)) == [(1, "a"), (2, "b"), (3, "c"), (6, "d\u2028\x0be")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "Expecting"),
        (b"", "Expecting value"),
        (b"\xff\xfe\x00", "codec"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        (b'{"x": {"\\ud800": 1, "\\ud800": 2}}', "stands twice"),
    ],
)
def test_faulty_json(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        parse_json(data)


def test_a_file_of_a_whole_split_that_is_missing_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"annotations sub/x.json[\s\S]*No such file") as caught:
        read_json(tmp_path, tmp_path / "sub/x.json")
    assert caught.value.exit_code == 2
    (tmp_path / "x.json").write_text("{]")
    with pytest.raises(SourceError, match="line 1 column 2"):
        read_json(tmp_path, tmp_path / "x.json")
    with pytest.raises(SourceError):
        read_json(tmp_path, tmp_path)


def test_a_fault_in_the_texts_becomes_the_entrys_problem() -> None:
    def fail() -> tuple[()]:
        raise UnusableError("expected x", line=4)

    entry = make_entry("a.jpg", "gt.txt", fail, stated_size=(1, 2))
    assert (entry.problem, entry.where, entry.texts, entry.stated_size) == (
        "expected x",
        "gt.txt:4",
        (),
        (1, 2),
    )


def test_files_of_any_length_are_read_as_a_whole(tmp_path: Path) -> None:
    for size in (0, 1, PIECE, PIECE + 1, 3 * PIECE):
        (tmp_path / "a").write_bytes(bytes(range(251)) * (size // 251 + 1))
        assert read_small(tmp_path / "a") == (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(b"")
    assert read_small(tmp_path / "a") == b""
    for file, reason in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(OSError, match=reason):
            read_small(file)


@given(st.binary(max_size=6))
def test_a_mark_at_the_beginning_is_dropped_once(data: bytes) -> None:
    for marked in (data, b"\xef\xbb\xbf" + data):
        try:
            expected = marked.decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        assert decode_text(marked) == expected
