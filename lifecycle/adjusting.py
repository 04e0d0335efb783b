"""Sites with numbers of replicas of their own: decided like the rest, and put into the whole decision.

A policy has one number for all sites. Where a site has another, the engine is asked about that site alone, with that number
and the rules of its nodes, and the answer takes the place of what the whole decision has there: so what is adjusted packs
on real nodes, is verified at head and has a price like everything else. Sites with the same numbers are asked about
together.

Such a number goes when its component leaves its site, by whatever change or move that is: kept, it would hold again
without a word where a later move leads back there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from graph.kinds import Component, Deployment, SiteReplicas
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.view import Reader
from lifecycle.releases import sites_by_component
from placement.decision import Decision, SitePlacement
from placement.own_numbers import with_own_numbers
from placement.verdict import Verdict


class AskedApart(NamedTuple):
    """What is decided, or was decided and has some sites that are decided by themselves."""

    components: Sequence[Component]
    policy: PlacementPolicy
    replicas: Mapping[str, int]


def adjustments_here(reader: Reader, deployment: Deployment) -> list[SiteReplicas]:
    """The numbers of single sites by which a deployment is decided again: of components where they are to stay.

    While it is nowhere, as when it waits to be placed, all that are wanted.
    """
    here = sites_by_component(reader, deployment.id) if deployment.adjustments else {}
    return [one for one in deployment.adjustments if not here or one.site_id in here.get(one.component, ())]


def adjustments_at(
    adjustments: Iterable[SiteReplicas], components: Iterable[Component], placements: Iterable[SitePlacement]
) -> list[SiteReplicas]:
    """The numbers of single sites that a deployment has once it runs as it was placed: those that it was placed with."""
    given = list(adjustments)
    if not given:
        return given
    names = {one.id: one.name for one in components}
    placed = {(at.site_id, names.get(one.component_id)): one.replicas for at in placements for one in at.components}
    return [one for one in given if placed.get((one.site_id, one.component)) == one.replicas]


def asked_apart(decision: Decision, *, adjustments: Iterable[SiteReplicas], asked: AskedApart) -> list[AskedApart]:
    """What is to be decided by itself, for the chosen sites that have numbers of their own."""
    by_id = {one.id: one for one in asked.components}
    wanted: dict[str, dict[str, int]] = {}
    for one in adjustments:
        wanted.setdefault(one.site_id, {})[one.component] = one.replicas
    alike: dict[tuple[object, ...], tuple[list[Component], dict[str, int], list[str]]] = {}
    for site in decision.placements:
        if site.site_id not in wanted:
            continue
        parts = [by_id[one.component_id] for one in site.components]
        here = wanted[site.site_id]
        own = {
            one.name: here[one.name]
            for one in parts
            if here.get(one.name) not in (None, asked.replicas.get(one.name, one.replicas))
        }
        if own:
            key = (tuple(sorted(own.items())), tuple(one.id for one in parts))
            alike.setdefault(key, (parts, own, []))[2].append(site.site_id)
    found = []
    for parts, own, site_ids in alike.values():
        names = {one.name for one in parts}
        counts = {name: count for name, count in {**asked.replicas, **own}.items() if name in names}
        found.append(AskedApart(parts, only_at(asked.policy, site_ids, names=names), counts))
    return found


def with_adjusted(verdict: Verdict, apart: Iterable[Decision], *, ceiling: bool) -> Decision:
    """The decision with what was decided apart in its place, and what it costs with that.

    The first of those that cannot be, if there is one. `ceiling`: whether the policy's highest price holds for it too.
    """
    sites: list[SitePlacement] = []
    for found in apart:
        if not found.feasible:
            return found
        sites += found.placements
    return with_own_numbers(verdict, sites, ceiling=ceiling)


def only_at(policy: PlacementPolicy, site_ids: Sequence[str], *, names: Iterable[str]) -> PlacementPolicy:
    """What of a policy holds at single sites that are chosen already: the rules of their nodes."""
    known = set(names)
    rules = [
        msgspec.structs.replace(
            one,
            apart=False,
            sites=SiteSelector(),
            min_sites=1,
            max_sites=None,
            serves=[],
            within_ms=None,
            min_bandwidth_mbps=None,
            never_with=[],
        )
        for one in policy.components
        if one.component in known
    ]
    return PlacementPolicy(
        sites=SiteSelector(site_ids=list(site_ids)),
        tolerations=policy.tolerations,
        components=rules,
        min_sites=len(site_ids),
        max_sites=len(site_ids),
    )
