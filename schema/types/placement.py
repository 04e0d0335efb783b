"""A placement plan as the schema shows it: the decision that was computed, with the sites and components it names.

What a plan says is the decision's own data (placement/decision.py); here ids become entities, and refusals become pages.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import strawberry

from access.permissions import declare_value_types
from graph.entity import Entity
from graph.kinds import Site
from graph.refusal import InvalidInput
from graph.view import get_as
from lifecycle.in_thread import in_thread
from placement.decision import Decision, Objective, PlacementStatus, Reason, SitePlacement, SiteRefusal
from placement.disclosure import (
    objective_without_use,
    placement_without_use,
    reason_without_use,
    reasons_without_use,
    tells_use,
)
from placement.rules import RULES
from placement.verdict import refusals_page, sites_by_rule
from schema.connections import Edge, PageInfo, id_cursor
from schema.types.deployments import NodeAssignment
from schema.vocabulary import Member, enum_type, input_type, object_type, resolver_field

UNSET = strawberry.UNSET
_RULE = f"The rule, a word for programs (a string, for rules are added): {', '.join(f'`{one.name}`' for one in RULES)}"
_WHOLE = (
    "of a plan as a whole `no_site`, `min_sites`, `max_sites`, `latency`, `group`, `spread`, `max_price_per_hour`, "
    "`max_moves`, `total`, `serves`, `never_with` or `crowded`"
)


def _entity(name: str, kind: str, text: str, *, always: bool = False) -> Member:
    def resolve(source: Any, info: Any) -> Entity | None:
        entity_id = getattr(source, name)
        found: Entity | None = info.context.view.get(entity_id) if entity_id else None
        return found

    return None, resolver_field(resolve, returns=kind if always else f"Optional[{kind}]", description=text)


def _plain(kind: str, text: str) -> Member:
    return kind, strawberry.field(description=text)


class RefusalPage:
    """A page of refusals, by site id."""

    def __init__(self, refusals: list[SiteRefusal], total: int, *, more: bool, after: str | None) -> None:
        self.nodes = refusals
        self.total_count = total
        self._more = more
        self._after = after

    @property
    def edges(self) -> list[Edge]:
        """The refusals with their cursors."""
        return [Edge(one.site_id, one) for one in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        """What lies around the page."""
        first = self.nodes[0].site_id if self.nodes else None
        last = self.nodes[-1].site_id if self.nodes else None
        return PageInfo(self._more, self._after is not None, first, last)


async def _refusals(decision: Decision, info: Any, *, first: int, after: Any, filter: Any) -> RefusalPage:
    most = info.context.page_size_max
    if not 0 <= first <= most:
        raise InvalidInput(f"first is {first}, a page has 0 to {most}", remedy=f"ask for 0 to {most}", path="first")
    position = id_cursor(Site.SPEC.prefix, None if after is UNSET else after)
    wanted = None if filter is UNSET else filter
    page = partial(
        refusals_page,
        decision,
        first=first,
        after=position,
        rule=None if wanted is None or wanted.rule is UNSET else wanted.rule,
        site_id=None if wanted is None or wanted.site is UNSET else wanted.site,
    )
    # What each candidate would have cost takes as much as a decision, so it does not hold others up.
    found, total, more = await in_thread(lambda stop: page())
    return RefusalPage(found, total, more=more, after=position)


def _placements(decision: Decision, info: Any) -> list[SitePlacement]:
    if info.context.view.may_see_use():
        return decision.placements
    return [placement_without_use(one) for one in decision.placements]


def _placement(decision: Decision, info: Any, *, site: str) -> SitePlacement | None:
    found = next((one for one in decision.placements if one.site_id == site), None)
    return found if found is None or info.context.view.may_see_use() else placement_without_use(found)


def _objective(decision: Decision, info: Any) -> Objective:
    if info.context.view.may_see_use():
        return decision.objective
    return objective_without_use(decision.objective, decision.placements)


def _gap(decision: Decision, info: Any) -> float | None:
    return decision.gap if info.context.view.may_see_use() or not tells_use(decision) else None


def _status(decision: Decision, info: Any) -> PlacementStatus:
    return decision.status


def _conflicts(decision: Decision, info: Any) -> list[Reason]:
    if info.context.view.may_see_use():
        return decision.conflicts
    return [reason_without_use(one) for one in decision.conflicts]


def _reasons(refusal: SiteRefusal, info: Any) -> list[Reason]:
    view = info.context.view
    if view.may_see_use():
        return refusal.reasons
    site = get_as(view, Site, refusal.site_id)
    private = site is not None and site.tenant_id is not None and view.may_see_use(site.tenant_id)
    if not private:
        return reasons_without_use(refusal.reasons)
    # Nobody else runs at a private site; what it would cost is told beside what others use all the same.
    return [one if one.untold else reason_without_use(one) for one in refusal.reasons]


async def _rules(decision: Decision, info: Any) -> list[Any]:
    counts = await in_thread(lambda stop: sites_by_rule(decision))
    return [RuleCount(rule, count) for rule, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]


class RuleCount:
    """How many sites a rule refused."""

    def __init__(self, rule: str, sites: int) -> None:
        self.rule = rule
        self.sites = sites


def _assignments(placement: Any, info: Any) -> list[Any]:
    return [NodeAssignment(one, count) for one, count in sorted(placement.assignments.items())]


def define_plans() -> None:
    """Defines the types of placement plans."""
    status = enum_type(PlacementStatus)
    object_type(
        "ComponentPlacement",
        {
            "component": _entity("component_id", "Component", "The component."),
            "replicas": _plain("int", "How many replicas of it."),
            "cluster": _entity("cluster_id", "Cluster", "The control plane that it goes to."),
            "assignments": (
                None,
                resolver_field(
                    _assignments,
                    returns="list[NodeAssignment]",
                    description="On which nodes; empty where none are observed.",
                ),
            ),
        },
        description="Replicas of one component at one site.",
    )
    object_type(
        "ScoreTerm",
        {
            "name": _plain("str", "The term's name."),
            "value": _plain("float", "What was measured, in `unit`."),
            "unit": _plain("str", "The measure's unit."),
            "scaled": _plain("float", "Value / the term's scale, a constant: the same beside any other sites."),
            "weight": _plain("float", "How much it counts."),
            "weighted": _plain("float", "Scaled x weight; a site's score is the sum of these. Less is better."),
            "explanation": _plain("str", "The term in words."),
            "tier": _plain("int", "Its place in the objective: terms of tier 0 decide first."),
        },
        description="One term of a site's score.",
    )
    object_type(
        "ServedPlace",
        {
            "place": _plain("str", "The place's name."),
            "latency_ms": _plain("float", "Latency to it, one way, milliseconds."),
            "within_ms": _plain("Optional[float]", "What was asked for, milliseconds; null: the limit is a distance."),
            "within_km": _plain(
                "Optional[float]", "What was asked for, kilometres by great circle; null: the limit is a latency."
            ),
        },
        description="A place whose users are served from a site.",
    )
    object_type(
        "Placement",
        {
            "site": _entity("site_id", "Site", "The site."),
            "score": _plain("float", "The sum of the weighted terms: a cost, less is better."),
            "terms": _plain("list[ScoreTerm]", "What the score is made of."),
            "components": _plain("list[ComponentPlacement]", "What runs there."),
            "serves": _plain("list[ServedPlace]", "The places for which this is the nearest chosen site."),
        },
        description="A chosen site.",
    )
    object_type(
        "PlacementReason",
        {
            "rule": _plain(
                "str",
                f"{_RULE}; `not_needed` when the site passed and others were better, `crowded` when it passed and has no "
                f"room for all that was chosen for it; {_WHOLE}.",
            ),
            "need": _plain("str", "What was needed."),
            "have": _plain(
                "Optional[str]",
                "What there was; null when that would tell what other tenants use, which you may not see.",
            ),
            "unit": _plain("str", "The unit of both; empty when they are words."),
            "message": _plain("str", "The reason in words."),
        },
        description="What one rule found wanting.",
    )
    object_type(
        "Refusal",
        {
            "site": _entity("site_id", "Site", "The site."),
            "reasons": (
                None,
                resolver_field(
                    _reasons,
                    returns="list[PlacementReason]",
                    description="Why it was not chosen; without all of these it would have passed.",
                ),
            ),
            "components": _plain(
                "list[str]",
                "Names of the components that it was not chosen for, when some have sites of their own; else empty.",
            ),
        },
        description="A site that was looked at and not chosen.",
    )
    object_type(
        "RefusalEdge",
        {
            "cursor": _plain("str", "Give it as `after` to go on from here."),
            "node": _plain("Refusal", "The refusal."),
        },
        description="A refusal in a page, with its cursor.",
    )
    object_type(
        "RefusalConnection",
        {
            "nodes": _plain("list[Refusal]", "The refusals of the page."),
            "edges": _plain("list[RefusalEdge]", "The refusals with their cursors."),
            "page_info": _plain("PageInfo", "What lies around the page."),
            "total_count": _plain("int", "How many sites were refused."),
        },
        description="A page of refusals.",
    )
    input_type(
        "RefusalFilter",
        {
            "rule": (
                "Optional[str]",
                strawberry.field(description="Only those by this `PlacementReason.rule`.", default=UNSET),
            ),
            "site": ("Optional[ID]", strawberry.field(description="Only this site's.", default=UNSET)),
        },
        description="Which refusals.",
    )
    object_type(
        "ObjectiveTier",
        {
            "terms": _plain("list[str]", "The names of the terms that count in it."),
            "cost": _plain("float", "What the choice costs in it; less is better."),
            "bound": _plain(
                "Optional[float]", "No choice costs less, given the tiers before; null when nothing is known."
            ),
        },
        description="One tier of the objective. Choices are compared by the first, and by a later one when they are equal.",
    )
    object_type(
        "Objective",
        {
            "sites": _plain("int", "How many sites were chosen."),
            "score": _plain("float", "The sum of their scores: a cost, less is better."),
            "price_per_hour": _plain("float", "Price units an hour for the cores asked for."),
            "mean_latency_ms": _plain("Optional[float]", "Over the places, weighted by demand; null without any."),
            "worst_latency_ms": _plain("Optional[float]", "The worst place's; null without any."),
            "moves": _plain("int", "Components at sites where they did not run before."),
            "tiers": _plain("list[ObjectiveTier]", "What it costs tier by tier, the most important first."),
        },
        description="What the choice amounts to.",
    )
    object_type(
        "NearMiss",
        {
            "site": _entity("site_id", "Site", "The site."),
            "latency_ms": _plain("float", "Its latency to the place, one way, milliseconds."),
            "rules": _plain("list[str]", "Each `PlacementReason.rule` that refuses it; empty when only distance does."),
        },
        description="A site near a place that cannot be served.",
    )
    object_type(
        "UnmetTarget",
        {
            "place": _plain("str", "The place."),
            "rule": _plain("str", "The limit that is not kept: `latency`, `distance` or `bandwidth`."),
            "within_ms": _plain("Optional[float]", "What was asked for, milliseconds; null: the limit is a distance."),
            "within_km": _plain(
                "Optional[float]", "What was asked for, kilometres by great circle; null: the limit is a latency."
            ),
            "site": _entity("site_id", "Site", "The nearest site that passes every other rule."),
            "latency_ms": _plain("Optional[float]", "Its latency, one way, milliseconds; null: there is no way to it."),
            "distance_km": _plain("Optional[float]", "How far it is, kilometres, where the limit is a distance."),
            "message": _plain("str", "The reason in words."),
            "nearer": _plain("list[NearMiss]", "Nearer sites that other rules refuse, at most five."),
        },
        description="A place that no choice of sites serves within its limit.",
    )
    object_type(
        "RuleCount",
        {
            "rule": _plain("str", "The rule, as in `PlacementReason.rule`."),
            "sites": _plain("int", "How many sites it refused."),
        },
        description="How many sites a rule refused.",
    )
    object_type(
        "PlacementPlan",
        {
            "revision": _plain("BigInt", "The revision of the graph that it was made at."),
            "feasible": _plain("bool", "Whether it can be done."),
            "placements": (
                None,
                resolver_field(
                    _placements,
                    returns="list[Placement]",
                    description="The chosen sites; empty when it cannot be done. Costs that follow from free room are in "
                    "steps of a quarter to whoever may not read the workloads of all tenants.",
                ),
            ),
            "placement": (
                None,
                resolver_field(
                    _placement,
                    returns="Optional[Placement]",
                    description="What was chosen for one site; null where it was not. Costs are as in `placements`.",
                    arguments={"site": ("ID", UNSET, "The site.")},
                ),
            ),
            "refusals": (
                None,
                resolver_field(
                    _refusals,
                    returns="RefusalConnection",
                    description="Why each site that was looked at was not chosen.",
                    arguments={
                        "first": ("int", 50, "At most so many."),
                        "after": ("Optional[str]", UNSET, "After this cursor."),
                        "filter": ("Optional[RefusalFilter]", UNSET, "Only these."),
                    },
                ),
            ),
            "refusals_by_rule": (
                None,
                resolver_field(
                    _rules, returns="list[RuleCount]", description="How many sites each rule refused, most first."
                ),
            ),
            "objective": (
                None,
                resolver_field(_objective, returns="Objective", description="What the choice amounts to."),
            ),
            "unmet": _plain("list[UnmetTarget]", "Places that cannot be served, when that is why it cannot be done."),
            "conflicts": (
                None,
                resolver_field(
                    _conflicts, returns="list[PlacementReason]", description="What makes it impossible as a whole."
                ),
            ),
            "looked_at": _plain("int", "COMPUTE sites that were looked at."),
            "passed": _plain("int", "Of these, how many passed every rule."),
            "transit_sites": _plain("int", "Sites that are only routed through; they are counted, not listed."),
            "iterations": _plain("int", "Steps of search that were made; its limits are counts, never seconds."),
            "status": (
                None,
                resolver_field(
                    _status,
                    returns=status,
                    description="How it ended: not feasible is proved, or nothing was found within limits.",
                ),
            ),
            "irreducible": _plain(
                "list[str]",
                "When it is proved not feasible: demands of which none can be left out of the proof, when known.",
            ),
            "proven": _plain("bool", "Whether it is proved that no choice is better, or that there is none at all."),
            "bound_kind": _plain(
                "str",
                "Where the bound is from: `EXACT` the whole problem, `LP` its relaxation, `NONE` nothing is known.",
            ),
            "gap": (
                None,
                resolver_field(
                    _gap,
                    returns="Optional[float]",
                    description="By what share the cost is above the bound, in the first tier in which they differ. Null "
                    "when nothing is known, when that tier's bound is 0, or when it would tell what other tenants use, "
                    "which you may not see.",
                ),
            ),
        },
        description="Where the components would run, why there, and why not elsewhere.",
    )
    declare_value_types(
        "ComponentPlacement",
        "ScoreTerm",
        "ServedPlace",
        "Placement",
        "PlacementReason",
        "Refusal",
        "ObjectiveTier",
        "Objective",
        "NearMiss",
        "UnmetTarget",
        "RuleCount",
        "PlacementPlan",
    )
