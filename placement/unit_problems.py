"""Units: the components of an app that run together, each a problem of its own for the rules.

An app is one unit, and each component that has sites of its own another. A unit's problem is the whole problem with its own
components alone, so rules, packing and scores need not know that there are units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from graph.kinds.policy import ComponentPolicy
from placement.bins import needed_in_all
from placement.problem import Problem


@dataclass(frozen=True, slots=True)
class Unit:
    """Components that run at the same sites."""

    name: str
    """Empty for the app's; else the component's name."""
    components: tuple[int, ...]
    """Their places in the whole problem."""
    problem: Problem
    """The whole problem with these components alone."""
    policy: ComponentPolicy | None
    """Of a component with sites of its own."""

    @property
    def names(self) -> list[str]:
        """The names of its components."""
        return [one.name for one in self.problem.components]


def units_of(problem: Problem) -> list[Unit]:
    """The app's unit first, where it has components left; then those apart, in the order of the components."""
    apart = {one.component: one for one in problem.policy.components if one.apart}
    if not apart and problem.policy.division is None:
        return [Unit("", tuple(range(len(problem.components))), problem, None)]
    together = tuple(at for at, one in enumerate(problem.components) if one.name not in apart)
    units = [Unit("", together, _with_only(problem, together), None)] if together else []
    return units + [
        Unit(one.name, (at,), _with_only(problem, (at,)), apart[one.name])
        for at, one in enumerate(problem.components)
        if one.name in apart
    ]


def _with_only(problem: Problem, components: tuple[int, ...]) -> Problem:
    kept = tuple(problem.components[at] for at in components)
    if problem.policy.division is not None:
        # The numbers are totals: a site is looked at for the least that it would have.
        least = max(problem.policy.division.min_each, 1)
        kept = tuple(replace(one, replicas=min(one.replicas, least)) for one in kept)
    matches = tuple(problem.bins.selector_match[at] for at in components)
    needed = needed_in_all(kept) if kept else np.zeros_like(problem.needed)
    return replace(problem, components=kept, needed=needed, bins=replace(problem.bins, selector_match=matches))
