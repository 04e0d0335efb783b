"""Lists of ids that leave out what a viewer may not see, without copying the index that they are taken from.

A page needs the length and some fifty items of a list that may have 100,000, so nothing here is made before it is asked
for: lengths are sums of index lengths, walking skips, and only access by position makes something, once. Like the index's
own lists they are not to be kept across an await.
"""

from __future__ import annotations

import heapq
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

FEW = 64
"""Up to one in so many left out, their positions are looked for one by one; beyond, in one walk."""


class _Ids(Sequence[str]):
    """A read-only list of ids; slices are plain lists."""

    __slots__ = ()

    @abstractmethod
    def _at(self, index: int) -> str:
        """The id at a position from 0 on, which is there."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._at(one) for one in range(*index.indices(len(self)))]
        size = len(self)
        if index < 0:
            index += size
        if not 0 <= index < size:
            raise IndexError("no such position")
        return self._at(index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a list, compared by what it holds


class Without(_Ids):
    """The items of an ascending `base` but those of `hidden`, all of which are in `base`; ascending.

    Length O(lists of hidden); a walk O(items walked); access by position O(log hidden) after O(min(hidden log base, base))
    once.
    """

    __slots__ = ("_base", "_hidden", "_offsets", "_size")

    def __init__(self, base: Sequence[str], hidden: Sequence[Sequence[str]]) -> None:
        self._base = base
        self._hidden = hidden
        self._size = len(base) - sum(map(len, hidden))
        self._offsets: list[int] | None = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        hidden = frozenset(chain.from_iterable(self._hidden))
        return (one for one in self._base if one not in hidden)

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and contains(self._base, value)
            and not any(contains(one, value) for one in self._hidden)
        )

    def _at(self, index: int) -> str:
        offsets = self._offsets
        if offsets is None:
            offsets = self._offsets = [position - count for count, position in enumerate(self._positions())]
        return self._base[index + bisect_right(offsets, index)]

    def _positions(self) -> list[int]:
        """Where the hidden items are in `base`, ascending."""
        base = self._base
        left_out = len(base) - self._size
        if left_out * FEW > len(base):
            hidden = frozenset(chain.from_iterable(self._hidden))
            return [at for at, one in enumerate(base) if one in hidden]
        return sorted(bisect_left(base, one) for one in chain.from_iterable(self._hidden))


class Merged(_Ids):
    """The items of several ascending lists that have none in common, ascending.

    Length O(lists); a walk from the start is lazy; access by position merges them all, once.
    """

    __slots__ = ("_all", "_parts")

    def __init__(self, parts: Sequence[Sequence[str]]) -> None:
        self._parts = parts
        self._all: list[str] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[str]:
        return iter(self._all) if self._all is not None else heapq.merge(*self._parts)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and any(contains(one, value) for one in self._parts)

    def _at(self, index: int) -> str:
        if self._all is None:
            self._all = sorted(chain.from_iterable(self._parts))
        return self._all[index]


def contains(ascending: Sequence[str], value: str) -> bool:
    """Whether an ascending list has an item."""
    at = bisect_left(ascending, value)
    return at < len(ascending) and ascending[at] == value


def in_both(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """What two ascending lists have in common, ascending; O(shorter x log longer)."""
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    return [item for item in short if contains(long, item)]
