"""Who is within reach of whom as bits: one row for each place that was searched from, one bit for each site of the network.

Decisions ask again and again which of a few hundred sites are within so many milliseconds of which of some thousands. A row
of 10,000 bits is 1,250 bytes, so that the rows of hundreds of sites fit in a cache, and those of all can be kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.arrays import Ints
from placement.compiled import Bits, Numbers, Row, Small, Words, kernel, part
from placement.solve.entries import Listed

WORD = 64
"""Bits in a word."""
_ONE = 1
_FEW = 3
"""Columns for each word up to which they are asked for one by one."""
_BEGUN = 8
"""Rows of entries that there is room for at first."""
_PAIRS, _FOURS, _EIGHTS, _EVERY = 0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101


def words_for(count: int) -> int:
    """How many words have so many bits."""
    return (count + WORD - 1) // WORD


def bits_of(sites: Ints, latency: Row, limit: float, *, count: int) -> Words:
    """A row for so many sites with those bits set that are within a limit; `latency` is by `sites`, which ascend."""
    return _bits(sites, latency, limit, words_for(count))


class Near(NamedTuple):
    """Who is near some places: rows of a table of bits."""

    table: Bits
    row: Numbers
    """(places,)."""


def pairs_in(near: Near, columns: Ints) -> Listed:
    """(places, columns): an explicit entry, which is 0, where the bit of that column is set.

    columns: of each the bit, ascending; -1: none.
    """
    start, column = _pairs(near.table, near.row, np.ascontiguousarray(columns, dtype=np.int64))
    return Listed(start, column, np.zeros(len(column)))


@part
def _count(word: np.uint64) -> int:
    """How many bits are set: summed in pairs, fours and eights, and these by a product."""
    word = word - ((word >> np.uint64(1)) & np.uint64(_PAIRS))
    word = (word & np.uint64(_FOURS)) + ((word >> np.uint64(2)) & np.uint64(_FOURS))
    word = (word + (word >> np.uint64(4))) & np.uint64(_EIGHTS)
    return int(np.int64((word * np.uint64(_EVERY)) >> np.uint64(56)))


@kernel
def _bits(sites: Numbers, latency: Row, limit: float, words: int) -> Words:
    found = np.zeros(words, dtype=np.uint64)
    for at in range(len(sites)):
        if latency[at] <= limit:
            found[sites[at] // WORD] |= np.uint64(_ONE) << np.uint64(sites[at] % WORD)
    return found


@kernel
def _pairs(table: Bits, rows: Numbers, columns: Numbers) -> tuple[Numbers, Small]:
    """Where each row's entries begin, and the column of each bit that is set and asked for."""
    words = table.shape[1]
    start = np.zeros(len(rows) + 1, dtype=np.int64)
    if len(columns) <= words * _FEW:
        some = np.empty(len(rows) * len(columns) + 1, dtype=np.int32)
        _few(table, rows, columns, start, some)
        return start, some[: start[-1]].copy()
    place, among = np.full(words * WORD, -1, dtype=np.int32), np.zeros(words, dtype=np.uint64)
    for at in range(len(columns)):
        if columns[at] >= 0:
            place[columns[at]] = at
            among[columns[at] // WORD] |= np.uint64(_ONE) << np.uint64(columns[at] % WORD)
    # There is always room for one row more, so that how many there are need not be counted first.
    column, free = np.empty(_BEGUN * len(columns), dtype=np.int32), 0
    for at in range(len(rows)):
        if free + len(columns) > len(column):
            more = np.empty(2 * len(column), dtype=np.int32)
            more[:free] = column[:free]
            column = more
        row = np.uint64(rows[at])
        for word in range(words):
            left = table[row, word] & among[word]
            while left:
                # As many bits are below the lowest as that less one has.
                column[np.uint64(free)] = place[np.uint64(word * WORD + _count((left - np.uint64(_ONE)) & ~left))]
                free += 1
                left &= left - np.uint64(_ONE)
        start[at + 1] = free
    return start, column[:free]


@part
def _few(table: Bits, rows: Numbers, columns: Numbers, start: Numbers, column: Small) -> None:
    """Writes where each row's entries begin and their columns, asking for one bit after the other."""
    free = 0
    for at in range(len(rows)):
        for n in range(len(columns)):
            bit = columns[n]
            if bit >= 0:
                column[free] = n
                free += int(np.int64((table[rows[at], bit // WORD] >> np.uint64(bit % WORD)) & np.uint64(_ONE)))
        start[at + 1] = free
