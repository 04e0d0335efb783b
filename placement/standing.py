"""Whether what runs may stay where it is: the question before any that asks where else it might go.

A label may have changed, a link may be down, a node may have shrunk since a deployment was placed. The rules are asked of
the sites as for a new decision, on a problem that leaves the deployment's own use out, and what runs now is held against
them and against the model as it stands. Nothing is searched, so it costs what one pass over the sites costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement.modelling import modelled
from placement.problem import Problem
from placement.repair_beside import staying
from placement.rules import OF_PLACES, RULES
from placement.screening import screen
from placement.solve.evaluation import evaluate
from placement.solve.model import Limits
from placement.unit_problems import unit_problems

MOST_JOINED = 16
"""Sites that are told of which match and run nothing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A site where something runs that the policy refuses by now."""

    site_id: str
    rules: tuple[str, ...]
    """The names of the rules that refuse it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How what runs stands by its policy."""

    refused: tuple[Refused, ...] = ()
    """By ascending site id."""
    lacking: bool = False
    """Whether the sites that may stay no longer keep the policy as a whole."""
    joined: tuple[str, ...] = ()
    """With `everywhere`: ids of sites that pass and do not run it, of which there may be more."""

    @property
    def holds(self) -> bool:
        """Whether all of it may stay, and nothing is missing."""
        return not (self.refused or self.lacking or self.joined)


NOTHING = Standing()


def standing(problem: Problem, *, limits: Limits | None = None) -> Standing:
    """How a deployment stands where it runs.

    problem: made without the deployment's own use (`excluding_deployment_id`). Of totals that are divided only the sites are
    looked at, one by one.
    """
    if not problem.current:
        return NOTHING
    units = unit_problems(problem)
    screenings = screen([one.problem for one in units], RULES)
    refused: dict[int, set[str]] = {}
    for unit, screening in zip(units, screenings, strict=True):
        there = [unit.problem.current[one.id] for one in unit.problem.components if one.id in unit.problem.current]
        runs = np.any(there, axis=0) if there else np.zeros(len(problem), dtype=bool)
        for row in np.flatnonzero(runs & ~screening.passed).tolist():
            # That a site serves none of the places is no fault of it, where others serve them.
            against = set(screening.rules_against(row)) - OF_PLACES
            if against:
                refused.setdefault(row, set()).update(against)
    told = tuple(Refused(problem.sites[row].id, tuple(sorted(rules))) for row, rules in sorted(refused.items()))
    if problem.policy.division is not None:
        return Standing(refused=told)
    candidates = [one.passed for one in screenings]
    width = 0 if problem.policy.everywhere else None
    made = modelled(
        problem, units, screenings, candidates, timed=True, narrow=False, limits=limits or Limits(), width=width
    )
    now = staying(made)
    lacking = not evaluate(made.model, now).feasible
    joined: tuple[str, ...] = ()
    most = made.model.units[0].max_open
    if problem.policy.everywhere and (most is None or len(now[0]) < most):
        rows = made.rows(0)
        missing = np.setdiff1d(np.arange(len(rows)), now[0])[:MOST_JOINED]
        joined = tuple(problem.sites[row].id for row in rows[missing].tolist())
    return Standing(refused=told, lacking=lacking, joined=joined)
