"""What was worked out of values that are replaced and never changed, kept until they are.

Columns, readers' lists and networks are compared by identity: an equal one that was made anew is another. What holds a key
holds its objects, so that no other object can come to have their identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_BY_VALUE = (str, int, float, frozenset, tuple, type(None))


class Kept:
    """The newest results of one function, by what it was made of."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._found: dict[tuple[object, ...], tuple[tuple[object, ...], object]] = {}

    def get(self, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives for these; strings, numbers, tuples and frozen sets count by value, others by identity."""
        key = tuple(one if isinstance(one, _BY_VALUE) else id(one) for one in made_of)
        found = self._found.pop(key, None)
        if found is None:
            found = made_of, make()
            while len(self._found) >= self._most:
                del self._found[next(iter(self._found))]
        self._found[key] = found
        return found[1]  # type: ignore[return-value]  # what `make` gave for this very key

    def clear(self) -> None:
        """Forgets everything."""
        self._found.clear()
