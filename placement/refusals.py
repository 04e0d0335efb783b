"""Why each other site was not chosen: the rules that refuse it, or what choosing it would have cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.decision import Reason, SiteRefusal
from placement.modelling import Modelled
from placement.placements import Layout
from placement.rivals import Rivals
from placement.solve.model import Choice

NO_CHOICE = Reason(
    rule="not_needed",
    need="a feasible decision",
    have="none",
    unit="",
    message="it passes every rule, but the policy as a whole cannot be met",
)


def refusals_of(made: Modelled, choice: Choice | None, layout: Layout | None) -> list[SiteRefusal]:
    """Every site that was looked at and runs nothing of a unit, by ascending id; without a choice none was feasible."""
    found: list[SiteRefusal] = []
    several = len(made.units) > 1
    problem = made.problem
    for at, (unit, screening) in enumerate(zip(made.units, made.screenings, strict=True)):
        chosen = np.zeros(len(problem), dtype=bool)
        if layout is not None:
            chosen[layout.rows[at]] = True
        place = np.full(len(problem), -1, dtype=np.int64)
        place[made.rows(at)] = np.arange(len(made.rows(at)))
        rivals = None if choice is None else Rivals(made, choice, at)
        names = unit.names if several else []
        for row in np.flatnonzero(~chosen).tolist():
            if not screening.passed[row]:
                reasons = screening.reasons(row)
            elif rivals is None:
                reasons = [NO_CHOICE]
            elif place[row] < 0:
                reasons = [_crowded(unit.names)]
            else:
                reasons = [rivals.not_needed(int(place[row]))]
            found.append(SiteRefusal(site_id=problem.sites[row].id, reasons=reasons, components=names))
    return sorted(found, key=lambda one: one.site_id) if several else found


def _crowded(names: Sequence[str]) -> Reason:
    what = ", ".join(repr(one) for one in names)
    return Reason(
        rule="crowded",
        need=f"room for {what} and what else was chosen for the site",
        have="room for one of them",
        unit="",
        message=f"{what} would fit alone, but not on the same nodes as what else was chosen for the site",
    )
