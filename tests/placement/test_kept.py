"""What is kept between decisions: never more bytes than may be, the longest unused goes, and decisions are the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Component, LinkState, Node, Site
from graph.kinds.policy import ComponentPolicy, LatencyTarget, Place, PlacementPolicy
from graph.view import each
from placement.engine import decide
from placement.kept import ENTRY_BYTES, MOST_BYTES, Kept, Shelf
from placement.problem import problem_from
from placement.projection import Projection

ASKED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 40)), max_size=40)


@given(ASKED, st.integers(0, 6 * ENTRY_BYTES))
def test_a_shelf_has_the_bytes_of_what_was_used_last(asked: Sequence[tuple[int, int, int]], most_bytes: int) -> None:
    shelf = Shelf(most_bytes)
    tables = [Kept(shelf), Kept(shelf)]
    expected: list[tuple[tuple[int, int], int]] = []
    sizes: dict[tuple[int, int], int] = {}
    for table, key, size in asked:
        made = []

        def make(size: int = size, made: list[int] = made) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            made.append(size)
            return np.zeros(size)

        found = tables[table].get((key,), make)
        known = [one for one, _ in expected]
        assert bool(made) is ((table, key) not in known)
        assert len(found) == (size if made else sizes[table, key])
        sizes[table, key] = len(found)
        expected = [one for one in expected if one[0] != (table, key)] + [((table, key), found.nbytes + ENTRY_BYTES)]
        if expected[-1][1] > most_bytes:
            sizes.pop(expected.pop()[0])
        while sum(size for _, size in expected) > most_bytes:
            sizes.pop(expected.pop(0)[0])
        assert shelf.nbytes == sum(size for _, size in expected) <= most_bytes
        assert len(shelf) == len(expected)


def test_keys_that_only_hash_the_same_are_told_apart() -> None:
    assert hash((-1,)) == hash((-2,))
    shelf = Shelf()
    table = Kept(shelf)
    for number in (-1, -2, -1, -2):
        assert table.get((number,), partial(np.full, 3, number)).tolist() == [number] * 3
        assert shelf.nbytes == 3 * 8 + ENTRY_BYTES


def test_an_array_that_several_hold_takes_its_bytes_once_until_the_last_lets_it_go() -> None:
    shelf, shared = Shelf(), np.zeros(100)
    first, second = Kept(shelf), Kept(shelf, most=1)
    first.get((1,), lambda: shared)
    second.get((shared, "key"), lambda: (shared, np.zeros(5)))
    assert shelf.nbytes == 800 + 40 + 2 * ENTRY_BYTES
    for n in range(16):
        first.get((n, "other"), lambda: None)
    assert shelf.nbytes == 800 + 40 + 17 * ENTRY_BYTES
    second.get((2,), lambda: None)
    assert shelf.nbytes == 17 * ENTRY_BYTES
    shelf.clear()
    assert (len(shelf), shelf.nbytes) == (0, 0)
    assert first.get((1, "other"), lambda: 5) == 5


class Grows:
    """A value that is told to hold more."""

    nbytes_held = 0


def test_what_grows_where_it_is_makes_the_others_go_and_at_last_itself() -> None:
    shelf, grows = Shelf(10_000 + 2 * ENTRY_BYTES), Grows()
    kept = Kept(shelf)
    kept.get((1,), lambda: np.zeros(500))
    assert kept.get((2,), lambda: grows) is grows
    assert (len(shelf), shelf.nbytes) == (2, 4_000 + 2 * ENTRY_BYTES)
    grows.nbytes_held = 9_000
    shelf.grew(grows)
    assert (len(shelf), shelf.nbytes) == (1, 9_000 + ENTRY_BYTES)
    grows.nbytes_held = 20_000
    shelf.grew(grows)
    assert (len(shelf), shelf.nbytes) == (0, 0)
    shelf.grew(grows)
    assert kept.get((2,), Grows) is not grows


def test_what_is_larger_than_the_shelf_leaves_the_others_there() -> None:
    shelf, grows = Shelf(10_000 + 3 * ENTRY_BYTES), Grows()
    kept = Kept(shelf)
    kept.get((1,), lambda: np.zeros(500))
    kept.get((2,), lambda: np.zeros(5_000))
    assert (len(shelf), shelf.nbytes) == (1, 4_000 + ENTRY_BYTES)
    assert kept.get((3,), lambda: grows) is grows
    grows.nbytes_held = 40_000
    shelf.grew(grows)
    assert (len(shelf), shelf.nbytes) == (1, 4_000 + ENTRY_BYTES)
    assert kept.get((3,), Grows) is not grows
    assert len(kept.get((1,), lambda: np.zeros(1))) == 500


class World:
    """Twelve sites in a ring, nodes with accelerators and labels; a policy of two parts that serve each other."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.sites: list[Site] = [
            build.site(
                nodes=2,
                position=at(n, 0),
                price_per_core_hour=1.0 + n * 0.1,
                node={"capacity": amount(4000, 16 * GIB, gpu=2), "labels": {"disk": "ssd"}, "arch": "amd64"},
            )
            for n in range(12)
        ]
        self.links = [
            build.link(one, other, 1.0 + n / 10)
            for n, (one, other) in enumerate(zip(self.sites, [*self.sites[1:], self.sites[0]], strict=True))
        ]
        self.web = build.component(name="web", architectures=["amd64"], node_selector="disk=ssd")
        self.db = build.component(name="db", resources=amount(1000, GIB, gpu=1))

    def policy(self, first: int) -> PlacementPolicy:
        places = [Place(position=at(float(first + n), 0.2)) for n in range(3)]
        return PlacementPolicy(
            latency=[LatencyTarget(place=one, within_ms=4.0) for one in places],
            components=[ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=3.0)],
        )

    def decided(self, projection: Projection, first: int) -> bytes:
        components: list[Component] = [self.web, self.db]
        problem = problem_from(
            self.build.view,
            components=components,
            policy=self.policy(first),
            replicas={},
            projection=projection,
        )
        verdict = decide(problem)
        return msgspec.json.encode(verdict.whole())


@pytest.mark.parametrize("kept_bytes", [0, 8_000, 40_000])
def test_decisions_are_the_same_however_little_is_kept(build: Builder, kept_bytes: int) -> None:
    world = World(build)
    usual, tiny = Projection(build.view), Projection(build.view, kept_bytes=kept_bytes)
    build.view.follow(usual)
    build.view.follow(tiny)
    for step in range(12):
        first = step * 5 % 9
        assert world.decided(usual, first) == world.decided(tiny, first)
        assert tiny.outlooks.shelf.nbytes <= kept_bytes
        link = world.links[step]
        if step % 3 == 0:
            build.change(link, latency_ms=link.latency_ms + 1.0, state=LinkState.DOWN if step % 2 else LinkState.UP)
        elif step % 3 == 1:
            one = next(each(build.view, Node, "site_id", world.sites[step].id))
            build.change(one, labels={"disk": "hdd"})
    assert usual.outlooks.shelf.nbytes > 40_000
    assert usual.outlooks.shelf.most_bytes == MOST_BYTES


def test_what_is_asked_for_without_end_does_not_grow_without_end(build: Builder) -> None:
    world = World(build)
    projection = Projection(build.view, kept_bytes=200_000)
    build.view.follow(projection)
    shelf = projection.outlooks.shelf
    for n in range(40):
        problem = world.build.problem(
            world.web,
            policy=PlacementPolicy(
                latency=[LatencyTarget(place=Place(position=at(n * 0.1, m * 0.01)), within_ms=50.0) for m in range(20)]
            ),
            projection=projection,
        )
        decide(problem).whole()
        assert shelf.nbytes <= 200_000
    assert shelf.nbytes > 100_000
    projection.reloaded()
    assert (len(shelf), shelf.nbytes) == (0, 0)


def test_places_that_differ_in_one_of_many_are_told_apart(build: Builder) -> None:
    world = World(build)
    projection = Projection(build.view)

    def latency(within_ms: float) -> object:
        targets = [
            LatencyTarget(place=Place(position=at(n * 0.1, 0.0)), within_ms=within_ms if n == 5 else 9.0)
            for n in range(40)
        ]
        policy = PlacementPolicy(latency=targets)
        return build.problem(world.web, policy=policy, projection=projection).latency

    first, other = latency(9.0), latency(8.0)
    assert latency(8.0) is other
    assert other is not first
    assert [one.within_ms for one in other.targets[4:7]] == [9.0, 8.0, 9.0]  # type: ignore[attr-defined]  # the policy has targets
