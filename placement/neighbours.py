"""Who is within reach of whom as bits: one row for each place that was searched from, one bit for each site of the network.

Decisions ask again and again which of a few hundred sites are within so many milliseconds of which of some thousands. A row
of 10,000 bits is 1,250 bytes, so that the rows of hundreds of sites fit in a cache, and those of all can be kept.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Ints
from placement.compiled import Bits, Numbers, Row, Small, Words, kernel, part
from placement.solve.entries import parts_of

WORD = 64
"""Bits in a word."""
_ONE = 1
_PAIRS, _FOURS, _EIGHTS, _EVERY = 0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101
_PLACES = (
    *(0, 1, 48, 2, 57, 49, 28, 3, 61, 58, 50, 42, 38, 29, 17, 4),
    *(62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5),
    *(63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11),
    *(46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9, 13, 8, 7, 6),
)
"""By the top six bits of the shifted sequence: how far it was shifted."""


def words_for(count: int) -> int:
    """How many words have so many bits."""
    return (count + WORD - 1) // WORD


def bits_of(sites: Ints, latency: Row, limit: float, *, count: int) -> Words:
    """A row for so many sites with those bits set that are within a limit; `latency` is by `sites`, which ascend."""
    return _bits(sites, latency, limit, words_for(count))


def pairs_in(near: Bits, columns: Ints) -> csr_array:
    """(rows, columns): an explicit entry, which is 0, where the bit of that column is set.

    columns: of each the bit, ascending; -1: none.
    """
    count = near.shape[1] * WORD
    place = np.full(count, -1, dtype=np.int32)
    there = columns >= 0
    place[columns[there]] = np.flatnonzero(there)
    start, column = _pairs(near, place, _bits(columns[there], np.zeros(int(there.sum())), 0.0, near.shape[1]))
    return csr_array((np.zeros(len(column)), column, start.astype(np.int32)), shape=(len(near), len(columns)))


def turned(pairs: csr_array) -> csr_array:
    """The same pairs the other way round; entries are 0."""
    indptr, indices, _ = parts_of(pairs)
    start, column = _turned(indptr, indices, pairs.shape[1])
    return csr_array((np.zeros(len(column)), column, start.astype(np.int32)), shape=pairs.shape[::-1])


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
def _pairs(near: Bits, place: Small, among: Words) -> tuple[Numbers, Small]:
    """Where each row's entries begin, and the place of each bit that is set and among those asked for."""
    rows, words = near.shape
    size, free = 0, 0
    for row in range(rows):
        for word in range(words):
            size += _count(near[row, word] & among[word])
    start = np.zeros(rows + 1, dtype=np.int64)
    column = np.empty(size, dtype=np.int32)
    for row in range(rows):
        for word in range(words):
            left = near[row, word] & among[word]
            while left:
                # As many bits are below the lowest as that less one has.
                column[free] = place[word * WORD + _count((left - np.uint64(_ONE)) & ~left)]
                free += 1
                left &= left - np.uint64(_ONE)
        start[row + 1] = free
    return start, column


@kernel
def _turned(indptr: Numbers, indices: Small, columns: int) -> tuple[Numbers, Small]:
    start = np.zeros(columns + 1, dtype=np.int64)
    for column in indices:
        start[column + 1] += 1
    for column in range(columns):
        start[column + 1] += start[column]
    free, found = start[:-1].copy(), np.empty(len(indices), dtype=np.int32)
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            column = indices[entry]
            found[free[column]] = row
            free[column] += 1
    return start, found
