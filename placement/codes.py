"""Small numbers for values that many rows share, such as architectures, tenants, regions and sets of taints.

A column of numbers is compared for all rows at once; the value itself is looked up only to be shown. Numbers are given once
and stay, so that columns made at different revisions can be compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Codes(Generic[T]):
    """Values by number, from 0 in the order in which they were first met. A value of its own: `including` gives another."""

    __slots__ = ("_code_of", "values")

    def __init__(self, values: Iterable[T] = ()) -> None:
        self.values: tuple[T, ...] = tuple(dict.fromkeys(values))
        """By number."""
        self._code_of = {one: at for at, one in enumerate(self.values)}

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, value: T) -> int:
        return self._code_of[value]

    def get(self, value: T, default: int = -1) -> int:
        """The number of a value, or the default when none has it."""
        return self._code_of.get(value, default)

    def including(self, values: Iterable[T]) -> Codes[T]:
        """These and others; itself when nothing is new."""
        new = [one for one in dict.fromkeys(values) if one not in self._code_of]
        return Codes((*self.values, *new)) if new else self
