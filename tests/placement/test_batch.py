import itertools
import random
from collections import Counter

import pytest

from graph.kinds import Component, Site
from graph.kinds.geography import LatencyTarget, Place
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, Term
from graph.refusal import InvalidInput
from placement.batch import Asked, BatchLimits, Together, decide_together
from placement.verdict import Verdict
from tests.placement.placement_graphs import Builder, amount


def near(*sites: Site, within_ms: float) -> list[LatencyTarget]:
    return [LatencyTarget(place=Place(site_id=one.id), within_ms=within_ms) for one in sites]


def sites_of(verdict: Verdict) -> list[str]:
    return [one.site_id for one in verdict.placements]


def asked(
    build: Builder, id_: str, *components: Component, policy: PlacementPolicy | None = None, priority: int = 0
) -> Asked:
    return Asked(id_, build.problem(*components, policy=policy), priority)


def used(build: Builder, found: Together) -> Counter[str]:
    """Millicores by node."""
    total: Counter[str] = Counter()
    for verdict in found.placed.values():
        for site in verdict.placements:
            for one in site.components:
                component = build.view.get(one.component_id)
                assert isinstance(component, Component)
                for node_id, count in one.assignments.items():
                    total[node_id] += count * component.resources.cpu_millicores
    return total


def test_one_alone_is_decided_as_ever():
    build = Builder()
    build.site()
    component = build.component()
    [(name, verdict)] = decide_together([asked(build, "one", component)]).placed.items()
    assert (name, verdict.whole().placements) == ("one", build.decide(component).placements)


def test_those_that_fit_beside_each_other_have_what_each_would_have_alone():
    build = Builder()
    sites = [build.site(nodes=4, price_per_core_hour=price) for price in (1.0, 2.0)]
    component = build.component()
    found = decide_together([asked(build, name, component) for name in ("a", "b", "c")])
    assert {name: sites_of(one) for name, one in found.placed.items()} == {name: [sites[0].id] for name in "abc"}
    assert not found.not_placed


def test_one_with_another_place_leaves_the_only_place_to_the_one_that_has_no_other():
    build = Builder()
    cheap, dear = build.site(price_per_core_hour=1.0), build.site(price_per_core_hour=5.0)
    build.link(cheap, dear, 10.0)
    large, small = build.component(resources=amount(3500)), build.component(resources=amount(3000))
    found = decide_together(
        [
            asked(build, "anywhere", large),
            asked(build, "bound", small, policy=PlacementPolicy(latency=near(cheap, within_ms=1.0))),
        ]
    )
    assert {name: sites_of(one) for name, one in found.placed.items()} == {"anywhere": [dear.id], "bound": [cheap.id]}


def test_the_higher_priority_has_the_room_that_is_not_there_for_both():
    build = Builder()
    build.site()
    component = build.component(resources=amount(3000))
    for preferred, other in (("a", "b"), ("b", "a")):
        found = decide_together(
            [asked(build, preferred, component, priority=7), asked(build, other, component, priority=-1)]
        )
        assert list(found.placed) == [preferred]
        [missing] = found.not_placed
        assert (missing.id, missing.alone, missing.verdict.feasible) == (other, True, False)


def test_a_high_priority_is_worth_more_than_many_low_ones():
    build = Builder()
    build.site()
    large, small = build.component(resources=amount(4000)), build.component(resources=amount(1000))
    found = decide_together(
        [*(asked(build, f"small {n}", small) for n in range(4)), asked(build, "large", large, priority=1)]
    )
    assert list(found.placed) == ["large"]
    found = decide_together([*(asked(build, f"small {n}", small) for n in range(4)), asked(build, "large", large)])
    assert len(found.placed) == 4


def test_what_has_no_place_even_alone_is_told_so():
    build = Builder()
    build.site()
    fits, too_large = build.component(), build.component(resources=amount(5000))
    found = decide_together([asked(build, "fits", fits), asked(build, "too large", too_large)])
    assert list(found.placed) == ["fits"]
    assert [(one.id, one.alone) for one in found.not_placed] == [("too large", False)]


def test_pooled_room_is_not_trusted():
    build = Builder()
    halves, whole = build.site(nodes=2, price_per_core_hour=1.0), build.site(nodes=1, price_per_core_hour=9.0)
    component = build.component(resources=amount(2500))  # of 8 cores in two nodes, only one fits into each
    found = decide_together([asked(build, name, component) for name in ("a", "b", "c")])
    assert sorted(one for verdict in found.placed.values() for one in sites_of(verdict)) == sorted(
        [halves.id, halves.id, whole.id]
    )
    assert all(cpu <= 4000 for cpu in used(build, found).values())


def test_a_stated_capacity_is_shared_as_well():
    build = Builder()
    stated = build.site(nodes=0, capacity=amount(4000, 2**40))
    component = build.component(resources=amount(3000))
    found = decide_together([asked(build, name, component) for name in ("a", "b")])
    assert [sites_of(one) for one in found.placed.values()] == [[stated.id]]
    assert len(found.not_placed) == 1


def test_accelerators_of_different_models_are_each_counted_by_name():
    build = Builder()
    build.site(node={"capacity": amount(64000, 2**40, 2**40, l4=1, a100=1)})
    first, second = (build.component(resources=amount(1000, **{model: 1})) for model in ("l4", "a100"))
    found = decide_together(
        [asked(build, "a", first), asked(build, "b", second), asked(build, "c", first), asked(build, "d", second)]
    )
    assert len(found.placed) == 2
    ids = {one.components[0].component_id for verdict in found.placed.values() for one in verdict.placements}
    assert ids == {first.id, second.id}


def test_nodes_that_one_has_to_itself_are_none_for_another_of_the_batch():
    build = Builder()
    build.site(nodes=2)
    alone, other = build.component(name="alone"), build.component(name="other")
    policy = PlacementPolicy(components=[ComponentPolicy(component="alone", dedicated_nodes=True)])
    found = decide_together([asked(build, "a", alone, policy=policy), asked(build, "b", other)])
    nodes = [
        node
        for verdict in found.placed.values()
        for site in verdict.placements
        for one in site.components
        for node in one.assignments
    ]
    assert len(nodes) == len(set(nodes)) == 2


def test_problems_of_different_revisions_are_refused():
    build = Builder()
    build.site()
    component = build.component()
    first = asked(build, "a", component)
    build.site()
    with pytest.raises(InvalidInput, match="revision"):
        decide_together([first, asked(build, "b", component)])


def test_nothing_asked_is_nothing_decided():
    assert decide_together([]) == Together({}, (), (), 0)


def contended(seed: int) -> tuple[Builder, list[Site], list[tuple[str, Component, list[Site], int]]]:
    chance = random.Random(seed)
    build = Builder()
    sites = [build.site(nodes=1, price_per_core_hour=chance.choice((1.0, 2.0, 3.0, 5.0))) for _ in range(4)]
    for one, other in zip(sites, [*sites[1:], sites[0]], strict=True):
        build.link(one, other, 2.0)
    wanted = []
    for at in range(3):
        component = build.component(resources=amount(chance.choice((1500, 2000, 2500, 4000))))
        wanted.append((f"app {at}", component, chance.sample(sites, chance.randrange(1, 3)), chance.randrange(2)))
    return build, sites, wanted


def of(targets: list[Site]) -> PlacementPolicy:
    return PlacementPolicy(
        latency=near(*targets, within_ms=2.5), objective=[[Term.SITES, Term.PRICE, Term.LATENCY, Term.HEADROOM]]
    )


@pytest.mark.parametrize("seed", range(20))
def test_as_many_are_placed_as_by_the_best_of_all_choices(seed):
    build, sites, wanted = contended(seed)
    found = decide_together(
        [asked(build, name, one, policy=of(targets), priority=rank) for name, one, targets, rank in wanted]
    )
    count = len(sites)

    def choices(targets: list[Site]) -> list[tuple[int, ...] | None]:
        return [
            None,
            *(
                chosen
                for size in (1, 2, 3)
                for chosen in itertools.combinations(range(count), size)
                if all(any((at - sites.index(one)) % count in (0, 1, count - 1) for at in chosen) for one in targets)
            ),
        ]

    best = (0, 0)
    for together in itertools.product(*(choices(targets) for _, _, targets, _ in wanted)):
        load = [0] * count
        for (_, component, _, _), chosen in zip(wanted, together, strict=True):
            for at in chosen or ():
                load[at] += component.resources.cpu_millicores
        if max(load) <= 4000:
            ranks = [rank for (_, _, _, rank), chosen in zip(wanted, together, strict=True) if chosen is not None]
            best = max(best, (ranks.count(1), ranks.count(0)))
    rank_of = {name: rank for name, _, _, rank in wanted}
    placed = [rank_of[name] for name in found.placed]
    assert (placed.count(1), placed.count(0)) == best
    assert all(cpu <= 4000 for cpu in used(build, found).values())


@pytest.mark.parametrize("seed", range(4))
def test_the_same_batch_has_the_same_answer_in_any_order(seed):
    build, _, wanted = contended(seed)
    batch = [asked(build, name, one, policy=of(targets), priority=rank) for name, one, targets, rank in wanted]
    first = decide_together(batch, limits=BatchLimits(exchanges=10))
    second = decide_together(batch[::-1], limits=BatchLimits(exchanges=10))
    assert {name: one.whole() for name, one in first.placed.items()} == {
        name: one.whole() for name, one in second.placed.items()
    }
    assert (first.cost, first.iterations) == (second.cost, second.iterations)


def test_what_a_batch_costs_is_what_its_decisions_say():
    # Each uses more of the nodes that the others run on, so what one cost when it was found is not what it costs at last.
    build = Builder()
    for price in (1.0, 2.0, 3.0):
        build.site(nodes=2, price_per_core_hour=price)
    component = build.component(resources=amount(1500))
    policy = PlacementPolicy(objective=[[Term.PRICE, Term.HEADROOM]])
    found = decide_together(
        [
            Asked(f"app_{n}", build.problem(component, policy=policy, replicas={component.name: 1 + n % 2}))
            for n in range(8)
        ]
    )
    assert len(found.placed) == 8
    told = sum(one.objective.tiers[0].cost for one in found.placed.values())
    assert found.cost == pytest.approx((told,))
