"""What was packed into the same amounts already, for all decisions between two changes of what is free.

How a single component goes into the nodes of each site follows from what it needs, from the nodes that are left out and
from what is free, and from nothing else of an app or its policy. Apps are mostly made of like parts, and a plan is mostly
followed by the same decision, so it is kept as long as all of that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from placement.arrays import Ints
from placement.kept import ENTRY_BYTES, Shelf

T = TypeVar("T")
MOST = 64
"""Things that are kept for the same amounts: packings of components, masks of the bins that they may use."""


class Packed:
    """What was worked out of these amounts. For any thread: what two ask for at once is worked out twice, to one end."""

    __slots__ = ("_found", "_holders", "_nbytes", "_shelf", "free", "unplaced")

    def __init__(self, free: Ints, unplaced: Ints, shelf: Shelf) -> None:
        """free: (bins, resources); unplaced: (sites, resources); neither is ever written to. shelf: where this is kept."""
        self.free, self.unplaced = free, unplaced
        self._shelf = shelf
        self._found: dict[tuple[object, ...], tuple[object, ...]] = {}
        """By what it was made of, arrays by identity: what was made, and these arrays, so that they stay."""
        self._holders: dict[int, int] = {}
        """Of each array, by identity, how many hold it: it takes its bytes once."""
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._found)

    @property
    def nbytes_held(self) -> int:
        """Bytes of what was made and of what it was made of."""
        return self._nbytes

    def get(self, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives, arrays or tuples of such, not to be written to; what was made first goes first.

        made_of: arrays count by identity, all else by value.
        """
        key = tuple([id(one) if isinstance(one, np.ndarray) else one for one in made_of])
        known: Any = self._found.get(key)
        if known is None:
            known = make(), *made_of
            with self._shelf.lock:
                while len(self._found) >= MOST:
                    self._let_go(self._found.pop(next(iter(self._found))))
                if key in self._found:
                    self._let_go(self._found[key])
                self._hold(known)
                self._found[key] = known
                self._shelf.grew(self)
        found: T = known[0]
        return found

    def _hold(self, entry: tuple[object, ...]) -> None:
        self._nbytes += ENTRY_BYTES
        for one in _arrays(entry):
            held = self._holders.get(id(one), 0)
            self._holders[id(one)] = held + 1
            if not held:
                self._nbytes += one.nbytes

    def _let_go(self, entry: tuple[object, ...]) -> None:
        self._nbytes -= ENTRY_BYTES
        for one in _arrays(entry):
            held = self._holders.pop(id(one)) - 1
            if held:
                self._holders[id(one)] = held
            else:
                self._nbytes -= one.nbytes


def _arrays(value: object) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays in a value and in the tuples in it."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _arrays(one)
