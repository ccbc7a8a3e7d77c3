"""What is asked for together; what an epoch asks for, and when, is tested through train/remote_reader.py."""

from __future__ import annotations

from train.reading_ahead import GAP, LONGEST, spans_of


def test_neighbours_go_together_up_to_a_length() -> None:
    wanted = {0: (100, 1), 200: (50, 2), 10_000_000: (5, 3)}
    assert spans_of(wanted) == [
        ((0, 250), {0: (100, 1), 200: (50, 2)}),
        ((10_000_000, 10_000_005), {10_000_000: (5, 3)}),
    ]


def test_a_stretch_has_an_end() -> None:
    wanted = {number * (1 << 20): (1 << 20, number) for number in range(9)}
    found = spans_of(wanted)
    assert [end - begin for (begin, end), _ in found] == [LONGEST, LONGEST, 1 << 20]
    assert {offset: member for _, together in found for offset, member in together.items()} == wanted


def test_samples_further_apart_are_asked_for_alone() -> None:
    assert len(spans_of({0: (1, 0), 1 + GAP: (1, 0)})) == 1
    assert len(spans_of({0: (1, 0), 2 + GAP: (1, 0)})) == 2
