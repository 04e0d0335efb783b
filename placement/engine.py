"""The decision: filter every site once, score what is left, choose, and say why.

A pure function of the problem: no clock, no randomness, no I/O, and limits that are counts. It may run in a thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.choice import Cover, best, cover, most_served
from placement.decision import (
    ComponentPlacement,
    Decision,
    NearMiss,
    Objective,
    Reason,
    ScoreTerm,
    ServedPlace,
    SitePlacement,
    SiteRefusal,
    UnmetTarget,
)
from placement.problem import Problem
from placement.rules import RULES, Rule
from placement.rules.latency import RULE as LATENCY
from placement.rules.latency import reach
from placement.scores import SCORES, Score
from placement.scores.price import price_per_hour
from placement.scores.score import scaled
from placement.screening import Screening, screen

NEAR_MISSES = 5
"""How many nearer but refused sites are told of a place that cannot be served."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """The scores of the sites that passed; arrays are by the place in `rows`."""

    rows: Ints
    total: Floats
    terms: list[tuple[Score, float, Floats, Floats]]
    """Each score with its weight, its values and its values scaled."""

    def terms_of(self, at: int) -> list[ScoreTerm]:
        return [
            ScoreTerm(
                name=score.name,
                value=float(values[at]),
                unit=score.unit,
                scaled=float(shares[at]),
                weight=weight,
                weighted=float(shares[at] * weight),
                explanation=score.explain(float(values[at])),
            )
            for score, weight, values, shares in self.terms
        ]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Places in `_Scored.rows` that are chosen, or what stands against any choice."""

    chosen: list[int]
    cover: Cover
    conflicts: list[Reason]
    unmet: list[UnmetTarget]


def decide(problem: Problem, *, rules: Sequence[Rule] = RULES, scores: Sequence[Score] = SCORES) -> Decision:
    """Where the components run: the fewest sites that serve every place in time, and of those the best.

    `min_sites` and `everywhere` add the best of the others. A decision that is not feasible has no placements; it says which
    places cannot be served, the nearest miss, and what else is in conflict. Deterministic: ties go to smaller ids.
    """
    screening = screen(problem, rules)
    scored = _score(problem, screening, scores)
    timed = any(one is LATENCY for one in rules)
    reached = _reached(problem, scored.rows) if timed else np.ones((len(scored.rows), 0), dtype=bool)
    choice = _choose(problem, screening, scored, reached)
    rows = [int(scored.rows[one]) for one in choice.chosen]
    placements = _placements(problem, screening, scored, choice.chosen)
    return Decision(
        revision=problem.revision,
        feasible=not choice.conflicts,
        placements=placements,
        refusals=_refusals(problem, screening, scored, choice, reached),
        objective=_objective(problem, scored, choice.chosen, np.array(rows, dtype=np.int64)),
        unmet=choice.unmet,
        conflicts=choice.conflicts,
        looked_at=len(problem),
        passed=len(scored.rows),
        transit_sites=problem.transit_sites,
        iterations=choice.cover.iterations,
        proven=choice.cover.proven,
    )


def _score(problem: Problem, screening: Screening, scores: Sequence[Score]) -> _Scored:
    rows = np.flatnonzero(screening.passed)
    total, terms = np.zeros(len(rows)), []
    for score in scores if len(rows) else ():
        values = score.measure(problem, screening.packing, rows)
        if values is None:
            continue
        weight = float(score.weight(problem.policy.weights))
        shares = scaled(values, more_is_better=score.more_is_better)
        total += shares * weight
        terms.append((score, weight, values, shares))
    return _Scored(rows=rows, total=total, terms=terms)


def _reached(problem: Problem, rows: Ints) -> Mask:
    """(given sites, targets): whether the site is in reach."""
    mask = np.zeros((len(problem.targets), len(problem)), dtype=bool)
    pairs = reach(problem)
    mask[np.repeat(np.arange(len(problem.targets)), np.diff(pairs.indptr)), pairs.indices] = True
    return mask[:, rows].T


def _choose(problem: Problem, screening: Screening, scored: _Scored, reached: Mask) -> _Choice:
    policy, nothing = problem.policy, Cover([], 0, proven=True)
    count = len(scored.rows)
    conflicts: list[Reason] = []
    if not count:
        conflicts.append(_no_site(problem, screening))
    elif count < policy.min_sites:
        conflicts.append(_conflict("min_sites", policy.min_sites, count, f"{count} sites pass every rule"))
    out_of_reach = np.flatnonzero(~reached.any(axis=0)) if count else np.arange(reached.shape[1])
    if len(out_of_reach):
        unmet = [_unmet(problem, screening, int(one)) for one in out_of_reach]
        if count:
            conflicts.append(
                Reason(
                    rule="latency",
                    need=str(len(problem.targets)),
                    have=str(len(problem.targets) - len(unmet)),
                    unit="places",
                    message=f"no site that passes is in time for {', '.join(one.place for one in unmet)}",
                )
            )
        return _Choice([], nothing, conflicts, unmet)
    if conflicts:
        return _Choice([], nothing, conflicts, [])
    found = cover(reached, scored.total)
    most = policy.max_sites
    if most is not None and len(found.rows) > most:
        kept = most_served(reached, scored.total, sites=most)
        left = np.flatnonzero(~reached[kept].any(axis=0))
        names = ", ".join(problem.targets[one].place for one in left.tolist())
        said = "no choice serves every place with fewer" if found.proven else "none was found that does with fewer"
        conflicts.append(
            _conflict("max_sites", len(found.rows), most, f"{said}; with the most allowed, {names} is left out")
        )
        unmet = [_unmet(problem, screening, int(one)) for one in left]
        return _Choice([], found, conflicts, unmet)
    wanted = max(len(found.rows), policy.min_sites)
    if policy.everywhere:
        wanted = count if most is None else max(wanted, min(count, most))
    others = np.ones(count, dtype=bool)
    others[found.rows] = False
    chosen = sorted((*found.rows, *best(scored.total, others, wanted - len(found.rows))))
    return _Choice(chosen, found, [], [])


def _placements(problem: Problem, screening: Screening, scored: _Scored, chosen: Sequence[int]) -> list[SitePlacement]:
    rows = [int(scored.rows[one]) for one in chosen]
    serves: list[list[ServedPlace]] = [[] for _ in rows]
    for target, latency in zip(problem.targets, problem.latency.to(np.array(rows)) if rows else (), strict=False):
        nearest = int(np.argmin(latency))
        if np.isfinite(latency[nearest]):
            serves[nearest].append(
                ServedPlace(place=target.place, latency_ms=float(latency[nearest]), within_ms=target.within_ms)
            )
    return [
        SitePlacement(
            site_id=problem.sites[row].id,
            components=_components(problem, screening, row),
            score=float(scored.total[at]),
            terms=scored.terms_of(at),
            serves=served,
        )
        for at, row, served in zip(chosen, rows, serves, strict=True)
    ]


def _components(problem: Problem, screening: Screening, row: int) -> list[ComponentPlacement]:
    bins, packing = problem.bins, screening.packing
    group = int(packing.group[row])
    cluster_id = bins.group_cluster[group] if group >= 0 else problem.clusters.callable_id(row)
    here = bins.of_site(row)
    inside = np.flatnonzero((bins.group[here] == group) & (bins.node[here] >= 0)).tolist()
    taken = [packing.taken.of(n, here.start, here.stop).tolist() for n in range(len(problem.components))]
    node_ids = [bins.node_ids[row] if row >= 0 else "" for row in bins.node[here].tolist()]
    return [
        ComponentPlacement(
            component_id=component.id,
            replicas=component.replicas,
            assignments={node_ids[at]: taken[n][at] for at in inside if taken[n][at]},
            cluster_id=cluster_id,
        )
        for n, component in enumerate(problem.components)
    ]


def _refusals(
    problem: Problem, screening: Screening, scored: _Scored, choice: _Choice, reached: Mask
) -> list[SiteRefusal]:
    place_of = {row: at for at, row in enumerate(scored.rows.tolist())}
    chosen = set(choice.chosen)
    rivals = _Rivals(scored, reached, np.array(choice.chosen, dtype=np.int64)) if chosen else None
    refusals = []
    for row, site in enumerate(problem.sites):
        at = place_of.get(row)
        if at in chosen:
            continue
        if at is None:
            reasons = screening.reasons(row)
        else:
            reasons = [_NO_CHOICE if rivals is None else rivals.not_needed(at)]
        refusals.append(SiteRefusal(site_id=site.id, reasons=reasons))
    return refusals


_NO_CHOICE = Reason(
    rule="not_needed",
    need="a feasible decision",
    have="none",
    unit="",
    message="it passes every rule, but the policy as a whole cannot be met",
)


class _Rivals:
    """The chosen sites, beside which another may not be needed; all by their places in `_Scored.rows`."""

    def __init__(self, scored: _Scored, reached: Mask, chosen: Ints) -> None:
        self._scores, self._reached, self._chosen = scored.total, reached, chosen
        served = reached[chosen]
        self._alone = served & (served.sum(axis=0) == 1)
        """(chosen, targets): what each alone of them serves in time."""

    def not_needed(self, at: int) -> Reason:
        """Why a site that passed was not taken instead of one of these."""
        replaceable = self._chosen[~(self._alone & ~self._reached[at]).any(axis=1)]
        against = replaceable if len(replaceable) else self._chosen
        rival = int(against[np.argmin(self._scores[against])])
        mine, other = float(self._scores[at]), float(self._scores[rival])
        tied = math.isclose(mine, other, rel_tol=0.0, abs_tol=1e-12)
        digits = 4 if tied or f"{mine:.4f}" != f"{other:.4f}" else 12
        have, need = f"{mine:.{digits}f}", f"{other:.{digits}f}"
        if not len(replaceable):
            told = f"it scores {have}, and each chosen site alone serves places that it does not"
        elif not tied:
            told = f"it scores {have}, the least of the chosen sites whose place it could take {need}"
        elif rival < at:
            told = f"it scores {have}, the same as a chosen site whose place it could take; ties go to the smaller id"
        else:
            told = (
                f"it scores {have}, the same as a chosen site whose place it could take: the choice is as good without"
            )
        return Reason(
            rule="not_needed",
            need=need,
            have=have,
            unit="score",
            message=f"it passes every rule and is not needed: {told}",
        )


def _objective(problem: Problem, scored: _Scored, chosen: Sequence[int], rows: Ints) -> Objective:
    served = problem.latency.to(rows).min(axis=1) if len(rows) and problem.targets else np.empty(0)
    return Objective(
        sites=len(rows),
        score=float(scored.total[list(chosen)].sum()),
        price_per_hour=float(price_per_hour(problem, rows).sum()),
        mean_latency_ms=float(served.mean()) if len(served) else None,
        worst_latency_ms=float(served.max()) if len(served) else None,
    )


def _unmet(problem: Problem, screening: Screening, target: int) -> UnmetTarget:
    wanted, latency = problem.targets[target], problem.latency.row(target)
    passing = np.flatnonzero(screening.passed_but_for(LATENCY.name) & np.isfinite(latency))
    nearest = int(passing[np.argmin(latency[passing])]) if len(passing) else None
    bound = np.inf if nearest is None else float(latency[nearest])
    closer = np.flatnonzero(np.isfinite(latency) & (latency < bound))
    closer = closer[np.argsort(latency[closer], kind="stable")][:NEAR_MISSES]
    if nearest is None:
        message = f"no site with a way to {wanted.place} passes the other rules"
    elif bound <= wanted.within_ms:
        message = f"{wanted.place} could be served in {bound:.2f} ms, but not by so few sites together with the others"
    else:
        message = f"{wanted.place} needs {wanted.within_ms:g} ms; the nearest site that passes is {bound:.2f} ms away"
    return UnmetTarget(
        place=wanted.place,
        within_ms=wanted.within_ms,
        site_id=None if nearest is None else problem.sites[nearest].id,
        latency_ms=None if nearest is None else bound,
        message=message,
        nearer=[
            NearMiss(
                site_id=problem.sites[row].id,
                latency_ms=float(latency[row]),
                rules=[one for one in screening.rules_against(row) if one != LATENCY.name],
            )
            for row in closer.tolist()
        ],
    )


def _no_site(problem: Problem, screening: Screening) -> Reason:
    counts = [(name, int(refused.sum())) for name, refused in screening.refused.items() if refused.any()]
    said = ", ".join(f"{name} refuses {count}" for name, count in sorted(counts, key=lambda one: (-one[1], one[0])))
    message = f"no site passes: {said}" if len(problem) else "there is no site with role COMPUTE to place on"
    return Reason(rule="no_site", need=str(problem.policy.min_sites), have="0", unit="sites", message=message)


def _conflict(rule: str, need: int, have: int, message: str) -> Reason:
    return Reason(rule=rule, need=str(need), have=str(have), unit="sites", message=message)
