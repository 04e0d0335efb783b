"""Components that share nodes, arranged exactly: a search over the nodes of a site, one after the other.

What runs beside another follows it, so how that one is spread decides for both: first fit puts four replicas on one node,
and what goes with them finds no room there, while on four nodes all of it has some. Here each node takes any numbers of
each component that go onto it, the largest first, and a branch is left as soon as what is still missing can no longer be
had from the nodes that follow: by what each of them takes of a component alone, and by how many of them can still have a
replica of those that it goes with. The search is complete within its steps; past them nothing was found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import Flags, FlagTable, Numbers, NumberTable, kernel, part
from placement.filling import fit_of, in_arrays, kept_off, lacks
from placement.needs import ComponentNeed

STEPS = 20_000
"""Of the search in one group."""
ALL_STEPS = 400_000
"""Of one call, over all groups: those that come after have no more."""


def arranged(
    bins: Bins,
    components: Sequence[ComponentNeed],
    eligible: Sequence[Mask],
    wanted: Ints,
    *,
    order: Sequence[int],
) -> tuple[Mask, Ints]:
    """The groups of which an arrangement was found, and (components, bins) how many replicas are in each bin of these.

    eligible: for each component which bins it may use; wanted: (components, groups). What goes with others comes after them.
    """
    return _arrange(
        np.ascontiguousarray(bins.free.T),
        bins.starts,
        *in_arrays(components, eligible, order),
        np.ascontiguousarray(wanted),
        STEPS,
        ALL_STEPS,
    )


@kernel
def _arrange(
    free: NumberTable,
    starts: Numbers,
    need: NumberTable,
    most: Numbers,
    apart: FlagTable,
    beside: FlagTable,
    eligible: FlagTable,
    order: Numbers,
    wanted: NumberTable,
    steps_each: int,
    steps_of_all: int,
) -> tuple[Flags, NumberTable]:
    """Searches all groups, one after the other."""
    components, resources = need.shape
    groups = len(starts) - 1
    found = np.zeros(groups, dtype=np.bool_)
    taken = np.zeros((components, free.shape[1]), dtype=np.int64)
    steps = 0
    for group in range(groups):
        first, nodes = starts[group], starts[group + 1] - starts[group]
        alone = np.zeros((components, nodes + 1), dtype=np.int64)  # what each node takes of a component by itself
        after = np.zeros((components, nodes + 1), dtype=np.int64)  # the same of all nodes from one on
        greatest = np.zeros((components, nodes + 1), dtype=np.int64)  # and the most that one of these takes
        left = np.empty((nodes, resources), dtype=np.int64)
        for place in range(nodes - 1, -1, -1):
            for resource in range(resources):
                left[place, resource] = free[resource, first + place]
            for at in range(components):
                if eligible[at, first + place]:
                    alone[at, place] = max(fit_of(left[place], need, at, min(wanted[at, group], most[at])), 0)
                after[at, place] = after[at, place + 1] + alone[at, place]
                greatest[at, place] = max(greatest[at, place + 1], alone[at, place])
        missing = wanted[:, group].copy()
        here = np.zeros((nodes, components), dtype=np.int64)
        depth, fresh, budget = 0, True, min(steps_each, steps_of_all - steps)
        while 0 <= depth < nodes * components and budget > 0:
            budget -= 1
            steps += 1
            place, turn = depth // components, depth % components
            at = order[turn]
            if fresh:
                count = 0
                may = eligible[at, first + place] and not lacks(at, beside, here[place])
                if may and not kept_off(at, apart, here[place]):
                    count = max(fit_of(left[place], need, at, min(missing[at], most[at])), 0)
            else:
                # Of what comes last on a node more is never worse.
                count = here[place, at] - 1 if turn < components - 1 else -1
                for resource in range(resources):
                    left[place, resource] += here[place, at] * need[at, resource]
                missing[at] += here[place, at]
                here[place, at] = 0
            if count < 0 or missing[at] - count > after[at, place + 1]:
                depth, fresh = depth - 1, False
                continue
            here[place, at] = count
            missing[at] -= count
            for resource in range(resources):
                left[place, resource] -= count * need[at, resource]
            if not missing.any():
                found[group] = True
                break
            fresh = _hopeful(place, turn, order, beside, missing, here[place], alone, after, greatest)
            if fresh:
                depth += 1
                if depth == nodes * components:
                    depth, fresh = depth - 1, False
        if found[group]:
            for place in range(nodes):
                for at in range(components):
                    taken[at, first + place] = here[place, at]
    return found, taken


@part
def _hopeful(
    place: int,
    turn: int,
    order: Numbers,
    beside: FlagTable,
    missing: Numbers,
    here: Numbers,
    alone: NumberTable,
    after: NumberTable,
    greatest: NumberTable,
) -> bool:
    """Whether what is missing may still be had, when the components up to a turn have what they have on a node."""
    for each in range(len(order)):
        at = order[each]
        lacking = missing[at]
        if lacking <= 0:
            continue
        if each > turn:
            lacking -= alone[at, place]
        if lacking > after[at, place + 1]:
            return False
        for other in range(len(order)):
            if not beside[at, other]:
                continue
            # Each later node that it uses takes one more of those that it goes with.
            if lacking > missing[other] * greatest[at, place + 1]:
                return False
    return True
