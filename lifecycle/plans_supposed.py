"""Whether a plan that was made on suppositions still stands where they have not come true.

To move everything away from a site that turned out to be well is the mistake that a kept what-if invites. So before such a
plan is applied it is planned again: on the graph as it is, and if that comes to something else, with the suppositions laid
over the graph as it is. When both come to the same, they do not matter; else they have not come true, and are the reasons.
Comparing two plans of one graph leaves out all that has changed in the meantime for other causes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graph.kinds import Cluster, Deployment, Link, LinkState, Node, Plan, PlanKind, Site
from graph.kinds.what_if import Change
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import Reader, each, get_as
from lifecycle.deployments import Visible
from lifecycle.plans_dry_runs import DryRuns
from lifecycle.plans_kept import GOING, PlanReason, wish_of
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_steps import Planned, places_of
from placement.conditions import is_down

Places = frozenset[tuple[str, str]]
Done = dict[str | None, Places | None]
"""By deployment (None: it is not there yet) the component and site ids of where it goes; None: it does not go."""


class Suppositions:
    """Plans again what was planned on suppositions."""

    def __init__(self, ledger: Ledger, dry_runs: DryRuns) -> None:
        self._ledger = ledger
        self._dry_runs = dry_runs

    async def not_come_true(self, plan: Plan, steps: Sequence[Planned], *, visible: Visible) -> list[PlanReason]:
        """What a plan supposes that is not so, when it would be another without; empty when it stands.

        Raises Unavailable.
        """
        doing = _done(one for one in steps if one.step.outcome in GOING)
        if not plan.what_if or not doing:
            return []
        try:
            now = await self._planned(plan, steps, (), visible=visible)
        except Unavailable:
            raise
        except Refusal:
            return []  # what is gone or cannot be read any more is told by those who look at that
        if _only(now, doing) == doing:
            return []
        try:
            supposed = await self._planned(plan, steps, plan.what_if, visible=visible)
        except Unavailable:
            raise
        except Refusal:
            supposed = {}  # what it was supposed of is gone
        if _only(now, doing) == _only(supposed, doing):
            return []
        reader = visible(self._ledger.view)
        untrue = [why for one in plan.what_if if (why := _untrue(reader, one)) is not None]
        return [
            PlanReason(code="ONLY_SUPPOSED", message=f"without what it supposes the plan would be another: {why}")
            for why in untrue
        ]

    async def _planned(
        self, plan: Plan, steps: Sequence[Planned], changes: Sequence[Change], *, visible: Visible
    ) -> Done:
        """What would be done by now under some suppositions."""
        dry_runs = self._dry_runs
        if plan.kind is PlanKind.DEPLOYMENT:
            wish = wish_of(plan)
            chosen = await dry_runs.deployment(wish, visible=visible, replaces=plan.subject_id, changes=changes)
            return {plan.subject_id: places_of(chosen.decision) if chosen.decision.feasible else None}
        if plan.kind is PlanKind.DRAIN:
            moves = await dry_runs.drain(plan.subject_id or "", visible=visible, changes=changes)
            return _done(moves.steps)
        reader = visible(self._ledger.view)
        there = [one.step.deployment_id or "" for one in steps]
        wanted = Rebalancing(
            tenant_id=plan.tenant_id or "",
            deployment_ids=[one for one in there if get_as(reader, Deployment, one) is not None],
            move_penalty=plan.move_penalty,
            max_moves=plan.max_moves,
        )
        return _done((await dry_runs.rebalance(wanted, visible=visible, changes=changes)).steps)


def _done(steps: Iterable[Planned]) -> Done:
    return {
        one.step.deployment_id: None
        if one.decision is None or one.step.outcome not in GOING
        else places_of(one.decision)
        for one in steps
    }


def _only(found: Done, wanted: Done) -> Done:
    """What was found of those that are wanted."""
    return {one: found.get(one) for one in wanted}


def _untrue(reader: Reader, change: Change) -> str | None:
    """What of the graph is not as it was supposed, as far as it is seen; None when it is so.

    Of factors and of nodes that are more nobody knows what they were counted from, so they are named in any case.
    """
    lost, link, price, cordon = change.site_lost, change.link, change.price, change.cordon
    if lost is not None:
        return _not_lost(reader, lost.site_id, with_links=lost.with_links)
    if link is not None:
        found = get_as(reader, Link, link.link_id)
        if found is None:
            return None if link.state is LinkState.DOWN else "a link is gone"
        if link.state not in (None, found.state):
            return f"link {_ends(reader, found)} is {found.state.name}"
        if link.latency_ms not in (None, found.latency_ms):
            return f"link {_ends(reader, found)} takes {found.latency_ms:g} ms, not {link.latency_ms:g}"
        return None
    if price is not None:
        site = get_as(reader, Site, price.site_id)
        if site is None or site.price_per_core_hour == price.price_per_core_hour:
            return None
        return f"a core at site {site.name!r} costs {site.price_per_core_hour:g} an hour, not {price.price_per_core_hour:g}"
    if cordon is not None:
        thing = reader.get(cordon.entity_id)
        if not isinstance(thing, Site | Node | Cluster) or thing.schedulable == cordon.schedulable:
            return None
        return f"{thing.SPEC.name} {thing.name!r} is {'not cordoned' if thing.schedulable else 'cordoned'}"
    return _of_amounts(reader, change)


def _not_lost(reader: Reader, site_id: str, *, with_links: bool) -> str | None:
    site = get_as(reader, Site, site_id)
    if site is None:
        return None
    if not is_down(site):
        return f"site {site.name!r} is not lost"
    if with_links:
        for field in ("from_site_id", "to_site_id"):
            for link in each(reader, Link, field, site.id):
                if link.state is not LinkState.DOWN:
                    return f"link {_ends(reader, link)} is {link.state.name}"
    return None


def _of_amounts(reader: Reader, change: Change) -> str:
    if change.demand is not None:
        return f"{change.demand.factor:g} times as many users are supposed"
    if change.capacity is not None:
        return f"{change.capacity.factor:g} times the capacity is supposed"
    assert change.nodes_added is not None, "a change is exactly one of these"
    site = get_as(reader, Site, change.nodes_added.site_id)
    where = "a site" if site is None else f"site {site.name!r}"
    return f"{change.nodes_added.count} more nodes at {where} are supposed"


def _ends(reader: Reader, link: Link) -> str:
    names = (get_as(reader, Site, one) for one in (link.from_site_id, link.to_site_id))
    return " - ".join(repr(one.name) if one is not None else "a site" for one in names)
