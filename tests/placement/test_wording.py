"""Reasons as an operator reads them: numbers with units that tell need and have apart, and nouns in their number."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.change import decode_entity, encode_entity
from graph.kinds import Deployment, NodeStatus, Site
from graph.kinds.geography import Circle, LatencyTarget, Place, SiteReach
from graph.kinds.policy import (
    AffinityScope,
    AppAffinity,
    ComponentPolicy,
    Division,
    PlacementPolicy,
    SiteSelector,
    Spread,
    SpreadBy,
    Toleration,
    TolerationOperator,
)
from graph.values import Taint, TaintEffect
from placement.decision import Decision
from placement.wording import MOST_SAID, beyond, counted, in_bytes, number, of_its_nodes, told_apart

P, S, C = PlacementPolicy, SiteSelector, ComponentPolicy


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (4.5, "4.5"),
        (1_000_000.0, "1000000"),
        (1_234_567.891, "1234567.891"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        (-2.0, "-2"),
    ],
)
def test_numbers_are_plain_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("count", "of", "words"),
    [
        (1, 1, "its only node is cordoned"),
        (1, 2, "1 of its 2 nodes is cordoned"),
        (2, 3, "2 of its 3 nodes are cordoned"),
        (3, 3, "all of its 3 nodes are cordoned"),
        (0, 3, "none of its 3 nodes is cordoned"),
        (0, 1, "none of its 1 node is cordoned"),
    ],
)
def test_nodes_are_told_in_their_number(count: int, of: int, words: str) -> None:
    assert of_its_nodes(count, of, "is cordoned", "are cordoned") == words


@pytest.mark.parametrize(
    ("amounts", "texts"),
    [
        ((17 * GIB, 16 * GIB), ["17 GiB", "16 GiB"]),
        ((3 * GIB // 2, 0), ["1.5 GiB", "0 GiB"]),
        ((16 * GIB + 2**21, 16 * GIB), ["16386 MiB", "16384 MiB"]),
        ((16 * GIB + 1, 16 * GIB), [f"{16 * GIB + 1} bytes", f"{16 * GIB} bytes"]),
        ((2**20, 2**19), ["1 MiB", "0.5 MiB"]),
        ((1, 0), ["1 bytes", "0 bytes"]),
        ((GIB, GIB), ["1 GiB", "1 GiB"]),
    ],
)
def test_bytes_are_told_in_the_largest_unit_that_tells_them_apart(amounts: tuple[int, ...], texts: list[str]) -> None:
    assert in_bytes(*amounts) == texts


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 4))
def test_what_differs_does_not_read_the_same(one: float, other: float, digits: int) -> None:
    first, second = told_apart(one, other, digits=digits)
    assert (first == second) is (one == other)
    assert beyond(one, other, digits=digits) == first


def test_one_is_not_many() -> None:
    assert [counted(n, "site") for n in (0, 1, 2)] == ["0 sites", "1 site", "2 sites"]


Case = tuple[list[dict[str, Any]], dict[str, Any], PlacementPolicy, str]
"""Nodes of the site, fields of the component `web`, the policy, and what is said of the site."""
TAINT = {"taints": [Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)]}
OTHER = P(tolerations=[Toleration(key="disk", operator=TolerationOperator.EXISTS)])
FAST = P(components=[C(component="web", node_labels="nic=fast")])
SSD, NIC = {"labels": {"disk": "ssd"}}, {"labels": {"nic": "fast"}}
SEVEN = {"replicas": 7}
LEFT = "; what is left takes 4 of 7 replicas of 'web'"
OF_NODES: dict[str, Case] = {
    "only node cordoned": (
        [{"schedulable": False}],
        {},
        P(),
        "its only node is cordoned; what is left takes 0 of 1 replica of 'web'",
    ),
    "one cordoned": ([{"schedulable": False}, {}], SEVEN, P(), f"1 of its 2 nodes is cordoned{LEFT}"),
    "all cordoned": (
        [{"schedulable": False}] * 2,
        {},
        P(),
        "all of its 2 nodes are cordoned; what is left takes 0 of 1 replica of 'web'",
    ),
    "not ready": (
        [{"status": NodeStatus.NOT_READY}, {"status": NodeStatus.NOT_READY}, {}],
        {"replicas": 9},
        P(),
        "2 of its 3 nodes are not ready; what is left takes 4 of 9 replicas of 'web'",
    ),
    "tainted": ([TAINT, {}], SEVEN, P(), f"1 of its 2 nodes has a taint NO_SCHEDULE or NO_EXECUTE{LEFT}"),
    "not tolerated": (
        [TAINT, {}],
        SEVEN,
        OTHER,
        f"1 of its 2 nodes has a taint NO_SCHEDULE or NO_EXECUTE that the policy does not tolerate{LEFT}",
    ),
    "other processor": (
        [{"arch": "arm64"}],
        {"architectures": ["amd64"]},
        P(),
        "'web' runs on amd64, and its only node has arm64",
    ),
    "other processors": (
        [{"arch": "arm64"}, {"arch": "riscv64"}],
        {"architectures": ["amd64"]},
        P(),
        "'web' runs on amd64, and all of its 2 nodes have arm64 and riscv64",
    ),
    "one other processor": (
        [{"arch": "arm64"}, {"arch": "amd64"}],
        {"architectures": ["amd64"], **SEVEN},
        P(),
        f"1 of its 2 nodes has no processor of amd64{LEFT}",
    ),
    "no match": (
        [{}],
        {"node_selector": "disk=ssd"},
        P(),
        "'web' needs nodes that match disk=ssd: none of its 1 node does",
    ),
    "one match": (
        [SSD, {}],
        {"node_selector": "disk=ssd", **SEVEN},
        P(),
        f"1 of its 2 nodes does not match disk=ssd{LEFT}",
    ),
    "no feature": (
        [{}, {}],
        {},
        FAST,
        "the policy wants nodes that match nic=fast for 'web': none of its 2 nodes does",
    ),
    "one feature": ([NIC, {}, {}], SEVEN, FAST, f"2 of its 3 nodes do not match nic=fast{LEFT}"),
    "memory in all": (
        [{}],
        {"resources": amount(100, 17 * GIB)},
        P(),
        "needs 17 GiB of memory in all, has 16 GiB free",
    ),
    "storage on one": (
        [{}, {}],
        {"resources": amount(100, GIB, 150 * GIB)},
        P(),
        "a replica of 'web' needs 150 GiB of storage on one node, the most that is free on one is 100 GiB",
    ),
    "cores": ([{}], {"resources": amount(4001)}, P(), "needs 4001 millicores in all, has 4000 free"),
    "accelerator": ([{}], {"resources": amount(1, a100=1)}, P(), "needs 1 accelerator 'a100' in all, has 0 free"),
    "accelerators": ([{}], {"resources": amount(1, a100=2)}, P(), "needs 2 accelerators 'a100' in all, has 0 free"),
    "not together": (
        [{}, {}],
        {"resources": amount(2500), "replicas": 3},
        P(),
        "free in all, but not on single nodes of one cluster: 2 of 3 replicas of 'web' fit, "
        "the emptiest node has 4000 millicores free",
    ),
}


@pytest.mark.parametrize(("nodes", "fields", "policy", "said"), OF_NODES.values(), ids=OF_NODES)
def test_what_is_said_of_nodes(
    build: Builder, nodes: list[dict[str, Any]], fields: dict[str, Any], policy: PlacementPolicy, said: str
) -> None:
    site = build.site(nodes=0)
    cluster = next(iter(build.view.ids("Cluster", "site_ids", site.id)))
    for one in nodes:
        build.node(site, **{"cluster_id": cluster, **one})
    decision = build.decide(build.component(name="web", **fields), policy=policy)
    assert said in [reason.message for one in decision.refusals for reason in one.reasons]
    grammatical(decision)


def grammatical(decision: Decision) -> None:
    """No noun or verb in the wrong number, in what is told to either reader."""
    reasons = [reason for one in decision.refusals for reason in one.reasons] + list(decision.conflicts)
    texts = [text for one in reasons for text in (one.message, one.untold) if text]
    for text in [*texts, *(one.message for one in decision.unmet)]:
        assert not re.search(r"\b1 (sites|nodes|replicas|moves|domains|millicores|accelerators)\b", text), text
        assert not re.search(r"\b1 of its \d+ nodes (are|have|do)\b|\ball 1 ", text), text
        assert not re.search(r"\d\.?\d*e\+", text), text


class Two:
    """Two sites 100 km apart, `near` and `far`, joined by a link of just over 4 ms; another app runs at `near`."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.near: Site = build.site(name="near", position=at(0, 0), price_per_core_hour=1.0)
        self.far: Site = build.site(name="far", position=at(0.9, 0), price_per_core_hour=2.0)
        build.link(self.near, self.far, 4.0004, bandwidth_mbps=2_500_000.0)
        self.others = [build.deployment() for _ in range(2)]
        for one in self.others:
            self._run(one.id)
        self.web = build.component(name="web")

    def _run(self, deployment_id: str) -> None:
        component = self.build.component(resources=amount(10))
        node = next(iter(self.build.view.ids("Node", "site_id", self.near.id)))
        self.build.release(component, self.near, {node: 1}, deployment_id=deployment_id)


OF_FAR: dict[str, tuple[Callable[[Two], PlacementPolicy], str]] = {
    "near": (
        lambda two: P(near=[SiteReach(site_id=two.near.id, within_ms=4.0)]),
        "it is 4.0004 ms from site 'near', and must be within 4 ms",
    ),
    "bandwidth": (
        lambda two: P(near=[SiteReach(site_id=two.near.id, min_bandwidth_mbps=3_000_000.0)]),
        "the way from site 'near' needs 3000000 Mbit/s free, and has 2500000 Mbit/s",
    ),
    "latency": (
        lambda two: P(latency=[LatencyTarget(place=Place(site_id=two.near.id), within_ms=4.15)]),
        "it is 4.1504 ms from near, which is to be served within 4.15 ms",
    ),
    "circle": (
        lambda two: P(sites=S(circle=Circle(centre=at(0, 0), radius_km=100.0))),
        "it must lie within 100 km of the circle's centre: it is 100.1 km away",
    ),
    "affinity": (
        lambda two: P(affinity=[AppAffinity(deployment_ids=[two.others[0].id])]),
        "it goes with 'deployment_00013', which does not run at the site",
    ),
    "listed": (
        lambda two: P(sites=S(site_ids=[two.near.id, two.build.site().id, two.near.id])),
        "it is not one of the 2 sites that the policy names",
    ),
}


@pytest.mark.parametrize(("policy", "said"), OF_FAR.values(), ids=OF_FAR)
def test_what_is_said_of_a_site(build: Builder, policy: Callable[[Two], PlacementPolicy], said: str) -> None:
    two = Two(build)
    decision = build.decide(two.web, policy=policy(two))
    (refusal,) = [one for one in decision.refusals if one.site_id == two.far.id]
    assert re.sub(r"deployment_\d+", "deployment_00013", refusal.reasons[0].message) == said
    grammatical(decision)


def test_two_that_are_kept_away_from_run_and_one_runs(build: Builder) -> None:
    two = Two(build)
    for named, said in ((two.others[:1], "runs at the site"), (two.others, "run at the site")):
        policy = P(anti_affinity=[AppAffinity(deployment_ids=[one.id for one in named])])
        decision = build.decide(two.web, policy=policy)
        (refusal,) = [one for one in decision.refusals if one.site_id == two.near.id]
        assert f"{said}, which the policy keeps away from" in refusal.reasons[0].message
    policy = P(affinity=[AppAffinity(labels="role=none", scope=AffinityScope.REGION)])
    for one in build.decide(two.web, policy=policy).refusals:
        assert one.reasons[0].message == "it goes with what has labels role=none, which runs nowhere"


OF_THE_WHOLE: dict[str, tuple[Callable[[Two], PlacementPolicy], dict[str, int], str]] = {
    "min sites": (lambda two: P(min_sites=3), {}, "at least 3 sites are wanted; 2 sites pass every rule"),
    "one passes": (
        lambda two: P(min_sites=2, sites=S(site_ids=[two.near.id])),
        {},
        "at least 2 sites are wanted; 1 site passes every rule",
    ),
    "max sites": (
        lambda two: P(
            max_sites=1,
            latency=[LatencyTarget(place=Place(site_id=one.id), within_ms=1.0) for one in (two.near, two.far)],
        ),
        {},
        "at most 1 site leaves out far, though each could be served",
    ),
    "places and a price": (
        lambda two: P(
            max_sites=5,
            max_price_per_hour=1.5,
            latency=[LatencyTarget(place=Place(site_id=one.id), within_ms=1.0) for one in (two.near, two.far)],
        ),
        {},
        "no choice was found that keeps the rest and is in time for far",
    ),
    "spread": (
        lambda two: P(spread=[Spread(by=SpreadBy.SITE, min_domains=3)]),
        {},
        "spread[0]: at least 3 domains are wanted, 2 found",
    ),
    "sites of a domain": (
        lambda two: P(everywhere=True, spread=[Spread(by=SpreadBy.REGION, max_sites_each=1)]),
        {},
        "spread[0]: at most 1 site in each domain allowed, 2 found",
    ),
    "price": (
        lambda two: P(max_price_per_hour=0.9999999),
        {},
        "it may cost at most 0.9999999 price units/h, and the least found is 1.0000000",
    ),
    "total": (
        lambda two: P(division=Division(max_each=5), max_sites=1),
        {"web": 5},
        "5 replicas of 'web' are wanted in all; the site that takes the most has room for 4, at most 5 each",
    ),
    "coverage": (
        lambda two: P(
            latency=[LatencyTarget(place=Place(site_id=two.far.id), within_ms=4.15)], sites=S(site_ids=[two.near.id])
        ),
        {},
        "far is to be served within 4.15 ms; the nearest site that passes is 4.1504 ms away",
    ),
}


@pytest.mark.parametrize(("policy", "replicas", "said"), OF_THE_WHOLE.values(), ids=OF_THE_WHOLE)
def test_what_is_said_of_the_policy_as_a_whole(
    build: Builder, policy: Callable[[Two], PlacementPolicy], replicas: dict[str, int], said: str
) -> None:
    two = Two(build)
    decision = build.decide(two.web, policy=policy(two), replicas=replicas)
    assert not decision.feasible
    assert said in [*(one.message for one in decision.conflicts), *(one.message for one in decision.unmet)]
    grammatical(decision)


def test_what_is_named_twice_is_said_once(build: Builder) -> None:
    two = Two(build)
    policy = P(sites=S(tiers=["METRO", "METRO"], site_ids=[two.near.id] * 2, region_ids=[two.near.region_id] * 2))
    by_site = {
        one.site_id: [reason.message for reason in one.reasons] for one in build.decide(two.web, policy=policy).refusals
    }
    assert by_site[two.far.id] == ["the policy names another site", "its tier must be METRO: it is DISTRICT"]


def test_a_reason_about_a_site_is_bounded_however_long_the_policy_is(build: Builder) -> None:
    two = Two(build)
    labels = ",".join(f"key-{n}={'v' * 60}" for n in range(60))
    others = [
        build.make(
            Deployment,
            tenant_id=build.tenant.id,
            app_version_id=build.version.id,
            name=f"other-{n}-{'x' * 200}",
            policy=P(),
        )
        for n in range(40)
    ]
    policies = [
        P(sites=S(labels=labels)),
        P(components=[C(component="web", node_labels=labels)]),
        P(affinity=[AppAffinity(deployment_ids=[one.id for one in others])]),
        P(affinity=[AppAffinity(labels=labels)]),
    ]
    for policy in policies:
        refusals = build.decide(two.web, policy=policy).refusals
        assert len(refusals) == 2
        for reason in (one for refusal in refusals for one in refusal.reasons):
            assert max(map(len, (reason.need, reason.have, reason.message, reason.untold))) <= MOST_SAID


def test_of_many_places_that_cannot_be_served_the_first_are_named(build: Builder) -> None:
    two = Two(build)
    places = [LatencyTarget(place=Place(name=f"place-{n}", position=at(40, n)), within_ms=1.0) for n in range(12)]
    served = LatencyTarget(place=Place(site_id=two.near.id), within_ms=1.0)
    decision = build.decide(two.web, policy=P(latency=[served, *places]))
    (conflict,) = decision.conflicts
    assert conflict.message == (
        "no choice of sites that pass is in time for place-0, place-1, place-2, place-3, place-4, 7 more"
    )
    assert len(decision.unmet) == 12


def test_of_a_place_with_a_long_name_reasons_have_the_first_of_it(build: Builder) -> None:
    two = Two(build)
    place = Place(name="x" * 100_000, position=at(40, 0))
    decision = build.decide(two.web, policy=P(latency=[LatencyTarget(place=place, within_ms=1.0)]))
    (unmet,) = decision.unmet
    assert unmet.place == "x" * 252 + "…"
    assert all(one.message.count("x") < 300 for one in (*decision.conflicts, *decision.refusals[0].reasons))


def test_a_deployment_is_read_whatever_its_places_are_called(build: Builder) -> None:
    target = LatencyTarget(place=Place(name="x" * 300, position=at(40, 0)), within_ms=1.0)
    kept = build.change(build.deployment(), policy=P(latency=[target]))
    assert decode_entity("Deployment", encode_entity(kept)) == kept
