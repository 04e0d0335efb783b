"""Single sites with other numbers of replicas than a choice was made with, told as what they cost.

A choice is made with one number of replicas for all sites. Where a site then has another, it takes other nodes, another
price and other room, and a record that still told of the number it was chosen with would be false. So what was chosen is
laid out once more with these numbers, and its terms are made as those of a divided total are: by what each site has. How far
it is from the best is not known then, for the best was looked for with other numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from placement.conflicts import against
from placement.decision import SitePlacement
from placement.engine import feasible, infeasible
from placement.placements import Layout, price_of
from placement.verdict import Verdict


def with_own_numbers(verdict: Verdict, sites: Iterable[SitePlacement], *, ceiling: bool) -> Verdict:
    """A feasible verdict with other replicas and nodes at some of its sites, and what it costs with them.

    sites: what each has instead. ceiling: whether the policy's `maxPricePerHour` is held against them; a verdict that is not
    feasible says then what they would cost.
    """
    told = verdict.told
    assert told.choice is not None, "it is feasible"
    layout = _laid_out(verdict, sites)
    price, most = price_of(told.made, layout), told.made.problem.policy.max_price_per_hour
    if ceiling and most is not None and price > most:
        why = against(told.made.problem, None, dearest=price)
        return infeasible(told.made, told.choice, iterations=verdict.iterations, cut=True, more=why)
    return feasible(told.made, told.choice, layout, iterations=verdict.iterations, cut=True)


def _laid_out(verdict: Verdict, sites: Iterable[SitePlacement]) -> Layout:
    made, layout = verdict.told.made, verdict.told.layout
    assert layout is not None, "it is feasible"
    row_of = {made.problem.sites[row].id: row for rows in layout.rows for row in rows.tolist()}
    number_of = {one.id: n for n, one in enumerate(made.problem.components)}
    replicas = [one.copy() for one in layout.replicas]
    assigned, cluster = dict(layout.assigned), dict(layout.cluster)
    for site in sites:
        row = row_of[site.site_id]
        for placed in site.components:
            component = number_of[placed.component_id]
            unit = next(at for at, one in enumerate(made.units) if component in one.components)
            place = int(layout.rows[unit].searchsorted(row))
            replicas[unit][made.units[unit].components.index(component), place] = placed.replicas
            assigned[component, row] = placed.assignments
            cluster[row] = placed.cluster_id
    return replace(layout, replicas=tuple(replicas), assigned=assigned, cluster=cluster, own=True)
