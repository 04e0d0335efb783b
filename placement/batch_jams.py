"""Which components do not fit at a site together, as it was found on its nodes: room that no way of counting shows.

Counting (placement/batch_kinds.py) lets through what no arrangement on nodes has. Once that is proved of some components at
a site, it is one more kind of room there: each of them takes one of it, and there is one less than there are of them. What
needs at least as much as any of them, on at most the same nodes, takes of it too, so that a jam that is found once is seldom
found again in other words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from placement.arrays import Floats, Ints
from placement.batch_packing import Bundle, packed_exactly, packed_together

Entry = tuple[int, int, int]
"""Site, component, replicas, numbered as in the shared room and the prices."""


@dataclass(frozen=True, slots=True)
class Jam:
    """Components of which not all fit at a site."""

    site: int
    members: Mapping[int, int]
    """By component: with how many replicas or more it counts."""
    most: float
    """How many of them there may be, each by its weight."""
    weights: Mapping[int, float] = field(default_factory=dict)
    """By component: what it counts; 1 where nothing is said."""

    def takes(self, component: int, replicas: int) -> float:
        """What so many replicas of a component count."""
        least = self.members.get(component)
        return 0.0 if least is None or replicas < least else self.weights.get(component, 1.0)


class Jams:
    """Those that are known."""

    def __init__(self) -> None:
        self._found: list[Jam] = []
        self._at: dict[int, list[int]] = {}
        self._takes: dict[tuple[Entry, ...], tuple[int, Ints, Floats]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, number: int) -> Jam:
        return self._found[number]

    @property
    def most(self) -> Floats:
        """(jams,): how many of its components each lets be there."""
        return np.array([one.most for one in self._found], dtype=np.float64)

    def add(self, jam: Jam) -> None:
        """Takes one in."""
        self._at.setdefault(jam.site, []).append(len(self._found))
        self._found.append(jam)

    def takes(self, entries: tuple[Entry, ...]) -> tuple[Ints, Floats]:
        """Of which jams a choice has components, ascending, and how many."""
        known = self._takes.get(entries)
        if known is None or known[0] < len(self._found):
            counts: dict[int, float] = {}
            for site, component, replicas in entries:
                for number in self._at.get(site, ()):
                    takes = self._found[number].takes(component, replicas)
                    if takes:
                        counts[number] = counts.get(number, 0.0) + takes
            numbers = sorted(counts)
            amounts = np.array([counts[one] for one in numbers], dtype=np.float64)
            known = self._takes[entries] = len(self._found), np.array(numbers, dtype=np.int64), amounts
        return known[1], known[2]


def jammed(free: Ints, bundles: Sequence[Bundle], *, nodes: int) -> list[int] | None:
    """Of what does not fit together, some that do not and of which none can be left out; None where that is not proved.

    free: (resources, nodes). What needs most is left out first, so that what is found holds for more.
    """
    _, proved = packed_exactly(free, bundles, nodes=nodes)
    if not proved:
        return None
    total = np.maximum(free.sum(axis=1), 1)
    kept = list(range(len(bundles)))
    for one in sorted(kept, key=lambda each: (-float((bundles[each].need * bundles[each].count / total).max()), each)):
        rest = [each for each in kept if each != one]
        some = [bundles[each] for each in rest]
        if packed_together(free, some) is None and packed_exactly(free, some, nodes=nodes)[1]:
            kept = rest
    return kept


def needs_as_much(one: Bundle, other: Bundle) -> bool:
    """Whether the one does not fit where the other does not."""
    return (
        one.count >= other.count
        and one.apart >= other.apart
        and bool((one.need >= other.need).all())
        and not bool((one.usable & ~other.usable).any())
    )
