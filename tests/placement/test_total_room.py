"""Totals without room are proved by adding up, and told with the component, need and have."""

from __future__ import annotations

import pytest
from placement_graphs import Builder, amount

from graph.kinds.policy import Division, PlacementPolicy
from placement.decision import PlacementStatus


@pytest.mark.parametrize(
    ("division", "max_sites", "need", "have", "irreducible"),
    [
        (Division(), None, 1_000, 12, ["total"]),
        (Division(max_each=2), None, 7, 6, ["total"]),
        (Division(), 2, 10, 8, ["max_sites", "total"]),
    ],
    ids=["room", "at most so many each", "at most so many sites"],
)
@pytest.mark.parametrize("others", [0, 1])
def test_a_total_above_all_room_is_proved_to_have_none(
    division: Division, max_sites: int | None, need: int, have: int, irreducible: list[str], others: int
) -> None:
    builder = Builder()
    for _ in range(3):
        builder.site(nodes=1)
    component = builder.component(name="web", resources=amount(1_000))
    small = [builder.component(name=f"small{n}", resources=amount(1)) for n in range(others)]
    policy = PlacementPolicy(division=division, max_sites=max_sites)
    replicas = {"web": need, **{one.name: 1 for one in small}}
    decision = builder.decide(component, *small, policy=policy, replicas=replicas)
    assert decision.status is PlacementStatus.INFEASIBLE
    assert decision.irreducible == irreducible
    [conflict] = decision.conflicts
    assert (conflict.rule, conflict.need, conflict.have, conflict.unit) == ("total", str(need), str(have), "replicas")
    assert "'web'" in conflict.message
    assert str(have) not in conflict.untold.replace(str(need), "").replace("at most 2 each", "")


def test_a_total_that_just_fits_is_placed() -> None:
    builder = Builder()
    for _ in range(3):
        builder.site(nodes=1)
    component = builder.component(name="web", resources=amount(1_000))
    decision = builder.decide(component, policy=PlacementPolicy(division=Division()), replicas={"web": 12})
    assert decision.feasible
