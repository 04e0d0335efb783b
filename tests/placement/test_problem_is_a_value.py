"""A problem is a value of one state of the graph: whatever is decided of it later, the graph may have gone on since.

It is made on the event loop, between two commits, and decided in a thread while commits go on; what it has still to search
for may not be searched for in the newer graph.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, amount, at

from graph.kinds import Link, LinkState
from graph.kinds.geography import Coverage, SiteReach
from graph.kinds.policy import ComponentPolicy, LatencyTarget, Place, PlacementPolicy
from graph.refusal import NotFound, Refusal
from graph.view import View, each
from placement.engine import decide
from placement.problem import Problem
from placement.projection import Projection
from tests.placement.test_projection import STEPS, step

LINK_STEPS = ("slower", "down", "reserved", "wider", "unstated", "new", "gone")


def _policies(first: str) -> dict[str, PlacementPolicy]:
    near = LatencyTarget(place=Place(position=at(0, 0)), within_ms=4.0)
    return {
        "latency": PlacementPolicy(everywhere=True, latency=[near]),
        "bandwidth": PlacementPolicy(
            latency=[LatencyTarget(place=Place(site_id=first), within_ms=9.0, min_bandwidth_mbps=300.0)]
        ),
        "distance": PlacementPolicy(everywhere=True, coverage=[Coverage(within_km=250.0)]),
        "near": PlacementPolicy(
            everywhere=True, near=[SiteReach(site_id=first, within_ms=5.0, min_bandwidth_mbps=300.0)]
        ),
        "served": PlacementPolicy(
            latency=[near],
            components=[
                ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=3.0, min_bandwidth_mbps=300.0)
            ],
        ),
    }


class _Ground:
    """A small network, the same each time that it is made, with a projection that follows it."""

    def __init__(self) -> None:
        self.build = Builder()
        self.build.change(self.build.region, centre=at(1, 0), demand=3.0)
        sites = [self.build.site(nodes=1 + n % 2, position=at(n, n % 2)) for n in range(5)]
        for one, other in itertools.pairwise(sites):
            self.build.link(one, other, 1.0, bandwidth_mbps=1_000.0, reserved_mbps=100.0)
        self.build.link(sites[0], sites[3], 2.5, bandwidth_mbps=400.0)
        self.components = [self.build.component(name="web"), self.build.component(name="db", resources=amount(1500))]
        self.projection = Projection(self.build.view)
        self.build.view.follow(self.projection)
        self.first = sites[0].id

    def problem(self, words: str) -> Problem:
        """What is to be decided now."""
        policy = _policies(self.first)[words]
        return self.build.problem(*self.components, policy=policy, projection=self.projection)

    def change(self, name: str, pick: int) -> None:
        """A commit, of a link or of anything else."""
        links = list(each(self.build.view, Link))
        with contextlib.suppress(Refusal):
            if name not in LINK_STEPS:
                step(self.build, name, pick)
            elif name == "new":
                ids = self.build.view.ids("Site")
                a: Any = self.build.view.get(ids[pick % len(ids)])
                b: Any = self.build.view.get(ids[(pick + 2) % len(ids)])
                self.build.link(a, b, 0.5, bandwidth_mbps=2_000.0)
            elif links:
                one = links[pick % len(links)]
                if name == "gone":
                    self.build.remove(one)
                else:
                    self.build.change(one, **_CHANGES[name])


_CHANGES: dict[str, dict[str, Any]] = {
    "slower": {"latency_ms": 8.0},
    "down": {"state": LinkState.DOWN},
    "reserved": {"bandwidth_mbps": 1_000.0, "reserved_mbps": 950.0},
    "wider": {"bandwidth_mbps": 10_000.0},
    "unstated": {"bandwidth_mbps": None, "reserved_mbps": 0.0},
}


@pytest.mark.parametrize("words", sorted(_policies("site")))
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from((*LINK_STEPS, *STEPS)), st.integers(0, 20)), min_size=1, max_size=8))
def test_it_is_decided_as_it_was_made_whatever_has_changed_since(words: str, steps: list[tuple[str, int]]) -> None:
    at_once, later = _Ground(), _Ground()
    wanted = decide(at_once.problem(words)).whole()
    problem = later.problem(words)
    for name, pick in steps:
        later.change(name, pick)
    assert decide(problem).whole() == wanted
    # And what was searched for late does not stand in the way of the next.
    with contextlib.suppress(NotFound):  # of a site that the policy names
        anew = later.build.problem(*later.components, policy=_policies(later.first)[words])
        assert decide(later.problem(words)).whole() == decide(anew).whole()


def test_what_is_made_of_a_link_that_changed_alone_is_not_taken_for_what_was() -> None:
    ground = _Ground()
    before = ground.problem("near")
    for pick in range(len(ground.build.view.ids("Link"))):
        ground.change("reserved", pick)
    after = ground.problem("near")
    assert decide(before).passed > decide(after).passed == 1, "only the site itself needs no link"


@pytest.mark.parametrize("words", sorted(_policies("site")))
def test_nothing_of_the_graph_is_read_when_it_is_decided(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ground = _Ground()
    problem = ground.problem(words)

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the graph is read while it is decided")

    for name in ("get", "ids", "count", "find"):
        monkeypatch.setattr(View, name, refuse)
    assert decide(problem).whole().looked_at == len(problem)
