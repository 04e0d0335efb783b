"""What a decision tells those who may not see what others use: that room is short, and not how much there is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount

from graph.kinds import Node, Site
from graph.kinds.policy import ComponentPolicy, Division, PlacementPolicy
from graph.values import Resources
from graph.view import get_as
from placement.decision import Decision, Reason, ScoreTerm, SitePlacement
from placement.disclosure import (
    STEP,
    objective_without_use,
    placement_without_use,
    reason_without_use,
    reasons_without_use,
    tells_use,
)


def nodes_of(build: Builder, site: Site) -> list[str]:
    return list(build.view.ids("Node", "site_id", site.id))


def told(decision: Decision) -> bytes:
    """All that is told of a decision but the revision, and which sites and nodes were chosen."""
    placements = [placement_without_use(one) for one in decision.placements]
    parts = (
        [(one.site_id, one.score, one.terms) for one in placements],
        [(one.site_id, reasons_without_use(one.reasons)) for one in decision.refusals],
        objective_without_use(decision.objective, decision.placements),
        [reason_without_use(one) for one in decision.conflicts],
        decision.unmet,
    )
    return msgspec.json.encode(parts)


@pytest.mark.parametrize(
    ("needed", "nodes", "used"),
    [
        (amount(3500), 1, [amount(600), amount(1700), amount(3900)]),
        (amount(100, 15 * GIB), 1, [amount(1, 2 * GIB), amount(1, 14 * GIB)]),
        (amount(100, GIB, a100=2), 1, [amount(1, 1, a100=1), amount(1, 1, a100=2)]),
        (amount(3000), 2, [amount(2000), amount(2400)]),
    ],
    ids=["cpu", "memory", "accelerator", "single nodes"],
)
def test_however_much_others_use_a_refusal_for_want_of_room_tells_the_same(
    build: Builder, needed: Resources, nodes: int, used: list[Resources]
) -> None:
    site = build.site(nodes=nodes, node={"capacity": amount(4000, 16 * GIB, a100=2)})
    component = build.component(resources=needed)
    known, exact = set(), set()
    for each in used:
        release = build.release(build.component(resources=each), site, dict.fromkeys(nodes_of(build, site), 1))
        decision = build.decide(component)
        assert not decision.feasible
        known.add(told(decision))
        exact.add(msgspec.json.encode([one.reasons for one in decision.refusals]))
        build.remove(release)
    assert len(exact) == len(used)
    assert len(known) == 1


def known_of(decision: Decision) -> bytes:
    """As `told`, with the gap, and without the sites."""
    return told(decision) + msgspec.json.encode(None if tells_use(decision) else decision.gap)


def test_however_much_others_use_a_total_without_room_and_units_that_crowd_tell_the_same(build: Builder) -> None:
    site = build.site(node={"capacity": amount(9000, 64 * GIB)})
    web, db = (build.component(name=name, resources=amount(3000)) for name in ("web", "db"))
    divided = PlacementPolicy(division=Division())
    apart = PlacementPolicy(components=[ComponentPolicy(component="db", apart=True)])
    known: dict[str, set[bytes]] = {"divided": set(), "apart": set()}
    for used in (3100, 4000, 5900):
        release = build.release(build.component(resources=amount(used)), site, dict.fromkeys(nodes_of(build, site), 1))
        total = build.decide(web, policy=divided, replicas={"web": 3})
        both = build.decide(web, db, policy=apart)
        assert not total.feasible
        assert not both.feasible
        known["divided"].add(known_of(total))
        known["apart"].add(known_of(both))
        build.remove(release)
    assert len(known["divided"]) == len(known["apart"]) == 1


def test_costs_by_free_room_are_told_in_steps_without_a_bound_and_no_gap(build: Builder) -> None:
    site = build.site(node={"capacity": amount(9000, 64 * GIB)})
    component, known = build.component(), set()
    for used in (1, 50, 900):
        release = build.release(build.component(resources=amount(used)), site, dict.fromkeys(nodes_of(build, site), 1))
        decision = build.decide(component)
        assert decision.feasible
        assert tells_use(decision)
        assert decision.objective.tiers[1].bound is not None
        known.add(known_of(decision))
        build.remove(release)
    assert len(known) == 1


def test_which_shortage_is_the_worst_is_not_told(build: Builder) -> None:
    site = build.site(node={"capacity": amount(4000, 16 * GIB)})
    component = build.component(resources=amount(5000, 20 * GIB))
    orders, known = set(), set()
    for used in (amount(3900, GIB), amount(100, 15 * GIB)):
        release = build.release(build.component(resources=used), site, dict.fromkeys(nodes_of(build, site), 1))
        (refusal,) = build.decide(component).refusals
        orders.add(tuple(one.unit for one in refusal.reasons))
        known.add(tuple((one.unit, one.message) for one in reasons_without_use(refusal.reasons)))
        build.remove(release)
    assert orders == {("millicores", "bytes"), ("bytes", "millicores")}
    assert len(known) == 1


def test_a_shortage_behind_a_rule_of_nodes_is_told_without_the_replicas_that_fit(build: Builder) -> None:
    site = build.site(nodes=2)
    first, second = nodes_of(build, site)
    node = get_as(build.view, Node, first)
    assert node is not None
    build.change(node, schedulable=False)
    build.release(build.component(resources=amount(1500)), site, {second: 1})
    [refusal] = build.decide(build.component(resources=amount(1000), replicas=4)).refusals
    [reason] = [one for one in refusal.reasons if one.rule == "node_cordoned"]
    assert (reason.need, reason.have) == ("4", "2")
    shown = reason_without_use(reason)
    assert (shown.need, shown.have, shown.unit) == ("4", None, "replicas")
    assert "what is left does not take all 4 replicas" in shown.message


def test_a_reason_that_tells_nothing_of_use_is_the_same_value() -> None:
    reason = Reason(rule="region", need="a", have="b", unit="", message="elsewhere")
    assert reason_without_use(reason) is reason


def term(name: str, value: float, scaled: float, weight: float) -> ScoreTerm:
    return ScoreTerm(
        name=name, value=value, unit="", scaled=scaled, weight=weight, weighted=scaled * weight, explanation=f"{value}"
    )


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 5), st.floats(0, 1))
def test_scores_by_free_room_are_told_in_steps_and_still_add_up(
    value: float, scaled: float, weight: float, latency: float
) -> None:
    terms = [term("headroom", value, scaled, weight), term("latency", 3.0, latency, 1.0)]
    whole = SitePlacement(site_id="s", components=[], score=sum(one.weighted for one in terms), terms=terms)
    shown = placement_without_use(whole)
    headroom, other = shown.terms
    assert headroom.value % STEP == headroom.scaled % STEP == 0
    assert 0 <= value - headroom.value < STEP
    assert other == terms[1]
    assert shown.score == pytest.approx(sum(one.weighted for one in shown.terms))
    assert headroom.explanation.startswith("at least")
