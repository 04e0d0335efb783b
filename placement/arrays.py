"""The types of arrays that placement works on, and how numbers are found among some that were kept."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]


def places_of(kept: Ints, count: int, *, first: int = 0) -> Ints:
    """(count,): where each of that many numbers stands among those kept, counted from `first`; -1: it is none of them."""
    place = np.full(count, -1, dtype=np.int64)
    place[kept] = np.arange(first, first + len(kept))
    return place
