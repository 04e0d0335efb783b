"""Units as problems of their own: what the rules are asked of.

An app is one unit, and each component that has sites of its own another (placement/units.py). A unit's problem is the whole
problem with its own components alone, so rules, packing and scores need not know that there are units.
"""

from __future__ import annotations

from dataclasses import dataclass

from placement.altered import altered
from placement.needs import needed_in_all
from placement.problem import Problem
from placement.units import UnitWords


@dataclass(frozen=True, slots=True)
class Unit:
    """Components that run at the same sites."""

    words: UnitWords
    problem: Problem
    """The whole problem with these components alone."""
    apart: bool
    """Whether it is a component with sites of its own, and not the one that the policy's places are served by."""

    @property
    def components(self) -> tuple[int, ...]:
        """Their places in the whole problem."""
        return self.words.components

    @property
    def names(self) -> list[str]:
        """The names of its components."""
        return [one.name for one in self.problem.components]


def unit_problems(problem: Problem) -> list[Unit]:
    """The unit that serves the places first, then the others."""
    words = problem.words.units
    if len(words) == 1 and problem.policy.division is None:
        return [Unit(words[0], problem, apart=False)]
    return [Unit(one, _with_only(problem, one), apart=at > 0) for at, one in enumerate(words)]


def _with_only(problem: Problem, words: UnitWords) -> Problem:
    kept = tuple(problem.components[at] for at in words.components)
    if problem.policy.division is not None:
        # The numbers are totals: a site is looked at for the least that it would have.
        least = max(problem.policy.division.min_each, 1)
        kept = tuple(altered(one, replicas=min(one.replicas, least)) for one in kept)
    other_archs = tuple(problem.bins.other_archs[at] for at in words.components)
    other_labels = tuple(problem.bins.other_labels[at] for at in words.components)
    return altered(
        problem,
        components=kept,
        needed=needed_in_all(kept),
        bins=altered(problem.bins, other_archs=other_archs, other_labels=other_labels),
        words=altered(
            problem.words, components=tuple(problem.words.components[at] for at in words.components), units=(words,)
        ),
    )
