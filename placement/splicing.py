"""Columns with some rows taken out and others put in: runs of what stays are copied whole, which is what makes it quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

T = TypeVar("T")
Column: TypeAlias = np.ndarray[Any, Any]


class Splice:
    """Which runs of the old rows, and which of the new, follow each other."""

    def __init__(self, size: int, *, gone: Sequence[int], before: Sequence[int]) -> None:
        """size: how many rows there are; gone: those taken out; before: for each new row, in their order, the old one that
        it comes before. Both ascend."""
        self._runs: list[tuple[bool, int, int]] = []
        at = new = leaving = 0
        while leaving < len(gone) or new < len(before):
            if new < len(before) and (leaving == len(gone) or before[new] <= gone[leaving]):
                self._keep(at, before[new])
                self._runs.append((True, new, new + 1))
                at, new = max(at, before[new]), new + 1
            else:
                self._keep(at, gone[leaving])
                at, leaving = gone[leaving] + 1, leaving + 1
        self._keep(at, size)

    def _keep(self, start: int, stop: int) -> None:
        if stop > start:
            self._runs.append((False, start, stop))

    def column(self, old: Column, new: Column | None) -> Column:
        """A column spliced along its last axis; `new` has the rows that come, None when none do."""
        parts = [
            new[..., start:stop] if is_new and new is not None else old[..., start:stop]
            for is_new, start, stop in self._runs
        ]
        return np.concatenate(parts, axis=-1) if parts else old[..., :0]

    def items(self, old: Sequence[T], new: Sequence[T]) -> list[T]:
        """The same for a list."""
        found: list[T] = []
        for is_new, start, stop in self._runs:
            found += (new if is_new else old)[start:stop]
        return found
