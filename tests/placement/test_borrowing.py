"""What is borrowed is read as it is, and stays its owner's."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from placement.borrowing import borrowed
from placement.compiled import Numbers, Row, Table, kernel, part


class Parts(NamedTuple):
    figures: Row
    table: Table
    numbers: Numbers


@part
def _slice(parts: Parts, row: int) -> Parts:
    return Parts(parts.figures[1:], parts.table[row:], np.append(parts.numbers, row))


@kernel
def weighed(parts: Parts, times: int) -> Row:
    """Sums of slices of what is borrowed, beside what was made anew."""
    parts = borrowed(parts)
    found = np.zeros(times)
    for at in range(times):
        some = _slice(parts, at % len(parts.table))
        found[at] = some.figures.sum() + some.table[0].sum() * some.numbers[-1] + len(some.numbers)
    return found


def _parts() -> Parts:
    return Parts(np.array([1.0, 2.5, 4.0]), np.arange(6.0).reshape(3, 2), np.array([3, 5]))


def test_what_is_borrowed_is_read_as_it_is() -> None:
    parts = _parts()
    assert weighed(parts, 5).tolist() == weighed.compiled_from(parts, 5).tolist()


def test_whoever_lent_something_has_it_as_before_and_alone() -> None:
    parts = _parts()
    counts = [sys.getrefcount(one) for one in parts]
    for _ in range(50):
        weighed(parts, 20)
    assert [sys.getrefcount(one) for one in parts] == counts
    assert [one.tolist() for one in parts] == [one.tolist() for one in _parts()]
