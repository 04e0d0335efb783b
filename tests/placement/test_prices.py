"""What a placement costs: cores, memory and accelerators by what each site asks for them."""

from __future__ import annotations

import pytest
from placement_graphs import GIB, Builder

from graph.kinds.policy import Division, PlacementPolicy
from graph.values import Accelerator, AcceleratorPrice, Resources

NEED = Resources(cpu_millicores=500, memory_bytes=2 * GIB, accelerators=[Accelerator("nvidia-l4", 1)])
HAVE = Resources(cpu_millicores=8_000, memory_bytes=64 * GIB, accelerators=[Accelerator("nvidia-l4", 4)])
PRICES = {
    "price_per_core_hour": 0.04,
    "price_per_gib_hour": 0.005,
    "accelerator_prices": [AcceleratorPrice("nvidia-l4", 0.7), AcceleratorPrice("nvidia-a100", 3.0)],
}
EACH = 0.5 * 0.04 + 2 * 0.005 + 0.7


@pytest.mark.parametrize("policy", [PlacementPolicy(), PlacementPolicy(division=Division())], ids=["each", "divided"])
def test_all_that_is_asked_for_has_its_price(policy: PlacementPolicy) -> None:
    builder = Builder()
    builder.site(nodes=1, node={"capacity": HAVE}, **PRICES)
    decision = builder.decide(builder.component(name="infer", resources=NEED), policy=policy, replicas={"infer": 2})
    assert decision.objective.price_per_hour == pytest.approx(2 * EACH)
    [placement] = decision.placements
    [price] = [one for one in placement.terms if one.name == "price"]
    assert price.value == pytest.approx(2 * EACH)


@pytest.mark.parametrize(("most", "feasible"), [(2 * EACH + 0.01, True), (2 * EACH - 0.01, False)])
def test_the_ceiling_counts_accelerators(most: float, feasible: bool) -> None:
    builder = Builder()
    builder.site(nodes=1, node={"capacity": HAVE}, **PRICES)
    policy = PlacementPolicy(max_price_per_hour=most)
    decision = builder.decide(builder.component(name="infer", resources=NEED), policy=policy, replicas={"infer": 2})
    assert decision.feasible is feasible
    if not feasible:
        assert [one.rule for one in decision.conflicts] == ["max_price_per_hour"]


def test_the_cheaper_accelerator_decides() -> None:
    builder = Builder()
    builder.site(name="dear", nodes=1, node={"capacity": HAVE}, **PRICES)
    cheap = builder.site(
        name="cheap",
        nodes=1,
        node={"capacity": HAVE},
        price_per_core_hour=0.05,
        accelerator_prices=[AcceleratorPrice("nvidia-l4", 0.1)],
    )
    decision = builder.decide(builder.component(name="infer", resources=NEED))
    assert [one.site_id for one in decision.placements] == [cheap.id]


def test_a_site_that_begins_to_price_a_model_is_followed_by_the_columns() -> None:
    builder = Builder()
    first, second = (builder.site(nodes=1, node={"capacity": HAVE}) for _ in range(2))
    builder.change(first, accelerator_prices=[AcceleratorPrice("nvidia-l4", 2.0)])
    decision = builder.decide(builder.component(name="infer", resources=NEED))
    assert [one.site_id for one in decision.placements] == [second.id]
