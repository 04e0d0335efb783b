"""Conditions: what an index narrows a question to holds all that satisfy it, and nothing that was asked for is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.conditions import EVERYTHING, NOTHING_AT_ALL, All, Among, AnyOf, Condition, Equals, NameIs, Not, Test
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Region, Site, Tier
from graph.listing import count_of, matching
from graph.selectors import ids_matching, matches
from graph.view import View
from graphkit.programs import NAMES, Model, history, programs, run

Check = Callable[[Entity], bool]
"""What a condition means, said anew."""


def leaves() -> st.SearchStrategy[tuple[Condition, Check]]:
    return st.one_of(
        st.sampled_from(list(Tier)).map(
            lambda tier: (Equals("tier", [tier], indexed=True), lambda one: one.tier is tier)
        ),
        st.lists(st.sampled_from(list(Tier)), max_size=3).map(
            lambda tiers: (Equals("tier", tiers, indexed=True), lambda one: one.tier in tiers)
        ),
        st.booleans().map(
            lambda flag: (Equals("schedulable", [flag], indexed=True), lambda one: one.schedulable is flag)
        ),
        st.lists(st.sampled_from([*NAMES, "nobody", ""]), max_size=3).map(
            lambda names: (NameIs(names), lambda one: one.name in names)
        ),
        st.sampled_from(["no 1", "no 5", None, ""]).map(
            lambda text: (Equals("display_name", [text], indexed=False), lambda one: one.display_name == text)
        ),
        st.sampled_from(["zone=west", "gpu", "gpu=", "!zone", "zone!=west", "zone in (west,east),gpu"]).map(
            lambda text: (
                Among(lambda reader, kind: ids_matching(reader, kind, text), lambda one: matches(text, one.labels)),
                lambda one: matches(text, one.labels),
            )
        ),
        st.just((Test(lambda one: one.name < "gamma"), lambda one: one.name < "gamma")),  # type: ignore[attr-defined]  # a named kind
        st.just((EVERYTHING, lambda one: True)),
        st.just((NOTHING_AT_ALL, lambda one: False)),
    )


def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Condition, Check]]:
    many = st.lists(inner, max_size=3)
    return st.one_of(
        many.map(lambda parts: (All([c for c, _ in parts]), lambda one: all(check(one) for _, check in parts))),
        many.map(lambda parts: (AnyOf([c for c, _ in parts]), lambda one: any(check(one) for _, check in parts))),
        inner.map(lambda part: (Not(part[0]), lambda one: not part[1](one))),
    )


@settings(max_examples=150, deadline=None)
@given(programs(longest=30), st.recursive(leaves(), joined, max_leaves=6), st.booleans())
def test_a_condition_finds_just_what_satisfies_it(program: Any, both: tuple[Condition, Check], under_way: bool) -> None:
    condition, check = both
    view, model, _ = history(program)
    reader: View | Edit = view
    if under_way:
        reader = Edit(view, at=view.at + 1)
        run(reader, model, program[::2])
    expected = [one.id for one in model.of("Site") if check(one)]
    assert [one.id for one in matching(reader, "Site", condition)] == expected
    assert count_of(reader, "Site", where=condition) == len(expected)
    candidates = condition.candidates(reader, "Site")
    if candidates is not None:
        assert set(expected) <= set(candidates)
        assert list(candidates) == sorted(set(candidates)), "candidates are ascending and each once"
    assert [one.id for one in model.of("Site") if condition.holds(one)] == expected


@pytest.fixture
def sites() -> View:
    view = View()
    region = Region(id="region_1", name="r")
    view.load([region])
    view.load(
        Site(id=f"site_{n}", name=f"s{n}", region_id="region_1", tier=list(Tier)[n % 4], labels={"n": str(n % 2)})
        for n in range(40)
    )
    view.loaded(revision=1, at=1, epoch="", counters={})
    return view


def test_of_several_narrowings_the_shortest_is_looked_at(sites: View) -> None:
    both = All([Equals("region_id", ["region_1"], indexed=True), NameIs(["s7"])])
    assert list(both.candidates(sites, "Site") or ()) == ["site_7"]
    # What cannot be narrowed leaves the others their indexes.
    assert list(All([NameIs(["s7"]), Test(lambda _: True)]).candidates(sites, "Site") or ()) == ["site_7"]
    assert AnyOf([NameIs(["s7"]), Test(lambda _: False)]).candidates(sites, "Site") is None
    assert Not(NameIs(["s7"])).candidates(sites, "Site") is None


def test_an_index_knows_nothing_of_what_has_no_value(sites: View) -> None:
    assert Equals("tier", [None], indexed=True).candidates(sites, "Site") is None
    assert not Equals("tier", [None], indexed=True).exact
    assert Equals("tier", [Tier.METRO], indexed=True).exact
    assert not Equals("tier", [Tier.METRO], indexed=False).exact


def test_a_field_with_several_values_has_each_of_them() -> None:
    from graph.kinds import Cluster, Release

    cluster = Cluster(id="cluster_1", name="c", driver="simulated", site_ids=["site_1", "site_2"])
    assert Equals("site_ids", ["site_2"], indexed=True).holds(cluster)
    assert not Equals("site_ids", ["site_3"], indexed=True).holds(cluster)
    release = Release(
        id="release_1", tenant_id="t", deployment_id="d", component_id="c", site_id="s", assignments={"node_1": 2}
    )
    assert Equals("assignments", ["node_1"], indexed=True).holds(release)
    assert not Equals("assignments", ["node_2"], indexed=True).holds(release)


def test_the_model_of_these_tests_sees_sites() -> None:
    view, model, _ = history([(0, 1, 0), (0, 2, 1)])
    assert isinstance(model, Model)
    assert view.count("Site") == len(model.of("Site")) == 1
