"""What the indexes have of an entity, and what a change of it takes out of them and puts into them."""

from __future__ import annotations

import random

import msgspec
import pytest

from graph.entity import KINDS, Entity
from graph.kinds import Cluster, Region, Site
from graph.postings import but, entries, moved
from storekit.graphs import filed_entities, sample_graph


@pytest.mark.parametrize("seed", range(5))
def test_a_change_moves_what_the_entries_of_both_values_differ_in(seed: int) -> None:
    random_ = random.Random(seed)
    of_kind: dict[str, list[Entity]] = {}
    for one in (*sample_graph(seed, of_each=6), *filed_entities(seed, of_each=6)):
        of_kind.setdefault(one.SPEC.name, []).append(one)
    assert of_kind.keys() == KINDS.keys()
    for name, values in of_kind.items():
        kind = KINDS[name]
        for _ in range(20):
            before, after = random_.sample([None, *values], 2)
            old = entries(kind, before) if before is not None else []
            new = entries(kind, after) if after is not None else []
            left, come = moved(kind, before, after)
            assert sorted(left) == sorted(but(old, new))
            assert sorted(come) == sorted(but(new, old))


@pytest.mark.parametrize(
    ("change", "left", "come"),
    [
        ({}, [], []),
        ({"display_name": "x"}, [], []),
        ({"schedulable": False}, [("schedulable", "true")], [("schedulable", "false")]),
        ({"tenant_id": "tenant_1"}, [], [("tenant_id", "tenant_1")]),
        ({"labels": {"a": "b", "c": ""}}, [("label:e", ""), ("label:e", "f")], [("label:c", "")]),
        ({"labels": {"a": "z", "e": "f"}}, [("label:a", "b")], [("label:a", "z")]),
        ({"labels": {}}, [("label:a", ""), ("label:a", "b"), ("label:e", ""), ("label:e", "f")], []),
    ],
)
def test_only_what_changed_is_moved(
    change: dict[str, object], left: list[tuple[str, str]], come: list[tuple[str, str]]
) -> None:
    before = Site(id="site_1", name="s", region_id="region_1", labels={"a": "b", "e": "f"})
    moves = moved(Site.SPEC, before, msgspec.structs.replace(before, **change))
    assert (sorted(moves[0]), sorted(moves[1])) == (left, come)


def test_of_several_references_those_that_stay_are_not_moved() -> None:
    before = Cluster(id="cluster_1", name="c", driver="simulated", site_ids=["site_1", "site_2"])
    after = msgspec.structs.replace(before, site_ids=["site_2", "site_3"])
    assert moved(Cluster.SPEC, before, after) == ([("site_ids", "site_1")], [("site_ids", "site_3")])


def test_what_neither_was_nor_is_moves_nothing() -> None:
    assert moved(Region.SPEC, None, None) == ([], [])
