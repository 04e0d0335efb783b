"""Each word of a policy alone, on one small graph: which sites are chosen because of it, and that nothing else is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from decision_verifier import Wish, verify_words
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Component, Region, RegionLevel, Site, Tier
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    LatencyTarget,
    Place,
    PlacementPolicy,
    ScoreWeights,
    SiteGroup,
    SiteSelector,
    Spread,
    SpreadBy,
    Term,
    Toleration,
    TolerationOperator,
)
from graph.values import Position, Taint, TaintEffect

P, S, G, C = PlacementPolicy, SiteSelector, SiteGroup, ComponentPolicy


class Line:
    """Six sites a to f in a row, 100 km and 2 ms apart; a to c in one country, d to f in another; f is tainted.

    Without a word a is chosen, the cheapest. Another app runs at c, this one at b when `runs`.
    """

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.countries = [build.make(Region, name=name, level=RegionLevel.COUNTRY) for name in ("west", "east")]
        self.sites: dict[str, Site] = {}
        for n, name in enumerate("abcdef"):
            area = build.make(
                Region,
                name=f"around {name}",
                parent_id=self.countries[n // 3].id,
                centre=at(0.9 * n, 0.1),
                demand=1.0 + n,
            )
            self.sites[name] = build.site(
                name=name,
                nodes=2,
                position=at(0.9 * n, 0),
                region_id=area.id,
                tier=Tier.METRO if name in "be" else Tier.DISTRICT,
                labels={"rack": "xyxyxy"[n], "name": name},
                price_per_core_hour=0.1 * (n + 1),
                node={
                    "capacity": amount(4000, 16 * GIB),
                    "labels": {"nic": "fast"} if name in "de" else {},
                    "taints": [Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)] if name == "f" else [],
                },
            )
        for one, other in zip("abcde", "bcdef", strict=True):
            build.link(self.sites[one], self.sites[other], 2.0, bandwidth_mbps=100.0 if one == "c" else 1000.0)
        self.web = build.component(name="web")
        self.db = build.component(name="db")
        self.other = build.deployment()
        self.run(build.component(name="other", resources=amount(100)), "c", self.other.id)
        self.own = build.deployment()

    def run(self, component: Component, name: str, deployment_id: str) -> None:
        node = next(iter(self.build.view.ids("Node", "site_id", self.sites[name].id)))
        self.build.release(component, self.sites[name], {node: 1}, deployment_id=deployment_id)

    def ids(self, names: str) -> list[str]:
        return [self.sites[one].id for one in names]

    def only(self, names: str) -> SiteSelector:
        return S(site_ids=self.ids(names))


def place(name: str, **fields: Any) -> Callable[[Line], PlacementPolicy]:
    return lambda line: P(
        latency=[LatencyTarget(place=Place(site_id=line.sites[one].id), **{"within_ms": 3.0} | fields) for one in name]
    )


def box(west: float, east: float, *, half: float = 1.0) -> list[Position]:
    return [at(west, -half), at(east, -half), at(east, half), at(west, half), at(west, -half)]


CHEAP = [[Term.PRICE]]
ONE: dict[str, tuple[Callable[[Line], PlacementPolicy], str]] = {
    # policy, the chosen sites; empty: not feasible
    "nothing": (lambda line: P(), "a"),
    "siteIds": (lambda line: P(sites=line.only("ce")), "c"),
    "excludedSiteIds": (lambda line: P(sites=S(excluded_site_ids=line.ids("ab"))), "c"),
    "regionIds": (lambda line: P(sites=S(region_ids=[line.countries[1].id])), "d"),
    "tiers": (lambda line: P(sites=S(tiers=["METRO"])), "b"),
    "labels": (lambda line: P(sites=S(labels="rack=y")), "b"),
    "circle": (lambda line: P(sites=S(circle=Circle(centre=at(2.7, 0), radius_km=50.0))), "d"),
    "polygon": (lambda line: P(sites=S(polygon=[box(0.5, 4.0), box(0.7, 2.0, half=0.5)])), "d"),
    "groups allOf": (lambda line: P(groups=[G(all_of=[G(sites=line.only("bd")), G(sites=line.only("c"))])]), "bcd"),
    "groups anyOf": (lambda line: P(groups=[G(any_of=[G(sites=line.only("c")), G(sites=line.only("ed"))])]), "c"),
    "groups nested": (
        lambda line: P(
            groups=[
                G(any_of=[G(all_of=[G(sites=line.only("ab"))]), G(sites=line.only("e"))]),
                G(any_of=[G(sites=line.only("d")), G(all_of=[G(any_of=[G(sites=line.only("e"))])])]),
            ]
        ),
        "e",
    ),
    "groups of what a rule refuses": (lambda line: P(groups=[G(sites=line.only("af"))]), ""),
    "preferences": (lambda line: P(preferences=[line.only("e"), line.only("a")]), "e"),
    "preferences overflow": (lambda line: P(preferences=[line.only("e"), line.only("ab")], min_sites=2), "ae"),
    "pinned": (lambda line: P(pinned_site_ids=line.ids("d")), "d"),
    "pinned beside": (lambda line: P(pinned_site_ids=line.ids("d"), min_sites=2), "ad"),
    "latency": (place("be"), "be"),
    "latency in between": (place("ac"), "b"),
    "latency with bandwidth": (place("cd", min_bandwidth_mbps=500.0), "cd"),
    "latency too far": (place("f", within_ms=1.0), ""),
    "coverage ms": (lambda line: P(coverage=[Coverage(within_ms=3.0)]), "be"),
    "coverage km": (lambda line: P(coverage=[Coverage(within_km=120.0, region_ids=[line.countries[0].id])]), "b"),
    "coverage of a polygon": (lambda line: P(coverage=[Coverage(within_ms=1.0, polygon=[box(1.0, 3.0)])]), "cd"),
    "near": (lambda line: P(near=[SiteReach(site_id=line.sites["e"].id, within_ms=4.0)]), "c"),
    "near with bandwidth": (
        lambda line: P(near=[SiteReach(site_id=line.sites["e"].id, min_bandwidth_mbps=500.0)]),
        "d",
    ),
    "residency": (lambda line: P(residency_region_ids=[line.countries[1].id]), "d"),
    "spread min": (lambda line: P(spread=[Spread(by=SpreadBy.REGION, level="COUNTRY", min_domains=2)]), "ad"),
    "spread max": (
        lambda line: P(spread=[Spread(by=SpreadBy.LABEL, label="rack", max_domains=1)], min_sites=2),
        "ac",
    ),
    "spread each": (
        lambda line: P(spread=[Spread(by=SpreadBy.REGION, level="COUNTRY", max_sites_each=1)], min_sites=2),
        "ad",
    ),
    "spread cannot": (lambda line: P(spread=[Spread(by=SpreadBy.LABEL, label="rack", min_domains=3)]), ""),
    "affinity": (lambda line: P(affinity=[AppAffinity(deployment_ids=[line.other.id])]), "c"),
    "antiAffinity": (
        lambda line: P(anti_affinity=[AppAffinity(deployment_ids=[line.other.id])], sites=line.only("cd")),
        "d",
    ),
    "affinity by region": (
        lambda line: P(affinity=[AppAffinity(deployment_ids=[line.other.id], scope=AffinityScope.REGION)]),
        "c",
    ),
    "tolerations": (
        lambda line: P(tolerations=[Toleration(key="gpu", operator=TolerationOperator.EXISTS)], sites=line.only("f")),
        "f",
    ),
    "no tolerations": (lambda line: P(sites=line.only("f")), ""),
    "minSites": (lambda line: P(min_sites=3), "abc"),
    "maxSites": (lambda line: also(place("be")(line), max_sites=1), ""),
    "everywhere": (lambda line: P(everywhere=True), "abcde"),
    "everywhere, at most": (lambda line: P(everywhere=True, max_sites=2), "ab"),
    "maxPricePerHour": (lambda line: P(max_price_per_hour=0.65, min_sites=3), "abc"),
    "maxPricePerHour too low": (lambda line: P(max_price_per_hour=0.05), ""),
    "maxMoves": (lambda line: P(max_moves=0), "b"),
    "moves count": (lambda line: P(objective=[[Term.MOVES], [Term.PRICE]]), "b"),
    "objective price first": (lambda line: also(place("b")(line), objective=CHEAP), "a"),
    "objective latency first": (
        lambda line: also(place("b")(line), objective=[[Term.LATENCY], [Term.PRICE]]),
        "b",
    ),
    "weights": (lambda line: also(place("bc")(line), weights=ScoreWeights(price=50.0, moves=0.0)), "b"),
    "onePerNode": (lambda line: P(components=[C(component="web", one_per_node=True)]), "a"),
    "dedicatedNodes": (
        lambda line: P(components=[C(component="web", dedicated_nodes=True)], sites=line.only("cd")),
        "d",
    ),
    "nodeLabels": (lambda line: P(components=[C(component="web", node_labels="nic=fast")]), "d"),
}


def also(policy: PlacementPolicy, **fields: Any) -> PlacementPolicy:
    return msgspec.structs.replace(policy, **fields)


def sites_of(line: Line, chosen: set[str]) -> str:
    return "".join(sorted(name for name, site in line.sites.items() if site.id in chosen))


@pytest.mark.parametrize(("policy", "expected"), ONE.values(), ids=ONE)
def test_a_word_alone(build: Builder, policy: Callable[[Line], PlacementPolicy], expected: str) -> None:
    line = Line(build)
    asked, own = policy(line), None
    if asked.max_moves is not None or asked.objective[:1] == [[Term.MOVES]]:
        line.run(line.web, "b", line.own.id)
        own = line.own.id
    decision = build.decide(line.web, policy=asked, excluding_deployment_id=own)
    assert decision.feasible is bool(expected)
    if expected:
        (chosen,) = verify_words(Wish(build.view, [line.web], asked, deployment_id=own), decision)
        assert sites_of(line, chosen) == expected
        assert decision.proven
    else:
        assert decision.conflicts
        assert decision.irreducible


def db(**fields: Any) -> Callable[[Line], PlacementPolicy]:
    return lambda line: P(
        sites=line.only("abcde"),
        latency=[LatencyTarget(place=Place(site_id=line.sites["d"].id), within_ms=1.0)],
        components=[C(component="db", apart=True, **fields)],
    )


TWO: dict[str, tuple[Callable[[Line], PlacementPolicy], str, str]] = {
    # policy, sites of web, sites of db
    "apart": (db(), "d", "a"),
    "sites": (db(sites=S(labels="rack=y")), "d", "b"),
    "minSites": (db(min_sites=2), "d", "ab"),
    "serves at the same site": (db(serves=["web"], within_ms=0.0), "d", "d"),
    "serves within ms": (db(serves=["web"], within_ms=4.0), "d", "b"),
    "serves with bandwidth": (db(serves=["web"], within_ms=4.0, min_bandwidth_mbps=500.0), "d", "d"),
    "neverWith": (db(serves=["web"], within_ms=2.0, never_with=["web"]), "d", "c"),
    "neverWith with bandwidth": (
        db(serves=["web"], within_ms=2.0, never_with=["web"], min_bandwidth_mbps=500.0),
        "d",
        "e",
    ),
    "nowhere": (db(sites=S(labels="name=a"), serves=["web"], within_ms=1.0), "", ""),
}


@pytest.mark.parametrize(("policy", "web", "db"), TWO.values(), ids=TWO)
def test_a_word_of_a_component_apart(
    build: Builder, policy: Callable[[Line], PlacementPolicy], web: str, db: str
) -> None:
    line = Line(build)
    asked = policy(line)
    decision = build.decide(line.web, line.db, policy=asked)
    assert decision.feasible is bool(web)
    if web:
        chosen = verify_words(Wish(build.view, [line.web, line.db], asked), decision)
        assert [sites_of(line, one) for one in chosen] == [web, db]
        assert decision.proven
    else:
        assert decision.irreducible
