"""What one request may have looked at: a bound that no alias, nesting or filter gets round."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from graphql import ExecutionResult, graphql

from graph.conditions import Test as Asking
from graph.kinds import Link, Node, Region, Site, Tier
from graph.paths import LinkGraph
from graph.refusal import LimitExceeded
from graph.view import View
from resolvers.schema import graphql_schema
from schema.work import MAX_WORK, Metered, Work
from schemakit.asking import Asked

NODES = 2_000


@pytest.fixture(scope="module")
def view() -> View:
    made = View()
    made.load([Region(id="region_0", name="r")])
    made.load(Site(id=f"site_{n}", name=f"s{n}", region_id="region_0", tier=Tier.METRO) for n in range(10))
    made.load(
        Node(id=f"node_{n:04}", name=f"n{n}", site_id=f"site_{n % 10}", labels={"a": str(n % 7)}) for n in range(NODES)
    )
    made.load([Link(id="link_0", from_site_id="site_0", to_site_id="site_1", latency_ms=1.0)])
    made.loaded(revision=1, at=1, epoch="e", counters={})
    return made


async def ask(view: View, text: str, *, most: int) -> ExecutionResult:
    asked = Asked(view)
    asked.work = Work(most)
    asked.services.links = LinkGraph(view)
    return await graphql(graphql_schema(), text, context_value=asked)


def refused(answer: ExecutionResult) -> bool:
    found = [error.original_error for error in answer.errors or ()]
    assert all(isinstance(one, LimitExceeded) and one.remedy and one.path for one in found), found
    return bool(found)


SLOW = '{name: {contains: "zz"}}'


@pytest.mark.parametrize(
    ("text", "looked_at"),
    [
        (f"nodes(filter: {SLOW}) {{ totalCount }}", 2 * 2 * NODES),
        (f"nodes(filter: {SLOW}) {{ nodes {{ id }} }}", 2 * NODES),
        (f"nodes(filter: {{or: [{SLOW}, {SLOW}, {SLOW}]}}) {{ nodes {{ id }} }}", 8 * NODES),
        (f"nodes(filter: {SLOW}, orderBy: [{{field: ARCH}}]) {{ nodes {{ id }} }}", 2 * NODES),
        (f"nodes(filter: {SLOW}, orderBy: [{{field: ID}}]) {{ nodes {{ id }} }}", 2 * NODES),
        ('nodes(filter: {name: {contains: "n"}}, first: 5) { nodes { id } }', 2 * 6),
        ('nodes(filter: {site: "site_1"}) { nodes { id } totalCount }', 0),
        ('nodes(filter: {labels: "a=1"}) { nodes { id } }', 0),
        ('nodes(filter: {labels: "a notin (1)"}) { nodes { id } }', NODES // 4 + 2 * 51),
        ('nodes(filter: {name: {eq: "n1"}}) { nodes { id } }', 2),
        ("nodes { totalCount nodes { id } }", 0),
        ('sites(filter: {id: ["site_1"]}) { nodes { id } }', 2),
        (f"sites {{ nodes {{ nodes(filter: {SLOW}) {{ nodes {{ id }} }} }} }}", 2 * NODES),
        ('path(from: "site_0", to: "site_1") { hops }', 11),
        ("sites { nodes { reachable(withinLatencyMs: 5) { latencyMs } } }", 110),
    ],
)
async def test_each_list_pays_for_what_it_looks_at_whatever_it_answers(view: View, text: str, looked_at: int) -> None:
    assert not refused(await ask(view, f"{{ {text} }}", most=looked_at)), "it takes no more"
    if looked_at:
        assert refused(await ask(view, f"{{ {text} }}", most=looked_at - 1)), "it takes no less"


async def test_aliases_share_one_budget_and_two_requests_do_not(view: View) -> None:
    text = f"{{ a: nodes(filter: {SLOW}) {{ nodes {{ id }} }} b: nodes(filter: {SLOW}) {{ nodes {{ id }} }} }}"
    assert not refused(await ask(view, text, most=4 * NODES))
    assert refused(await ask(view, text, most=4 * NODES - 1))
    assert not refused(await ask(view, text, most=4 * NODES)), "each request has its own"


def test_what_a_page_of_a_large_graph_takes_is_within_the_budget() -> None:
    entities, terms = 100_000, 10
    assert entities * terms * 5 <= MAX_WORK


def test_when_the_budget_is_used_up_nothing_more_is_asked() -> None:
    asked: list[Any] = []

    def look(entity: Any) -> bool:
        asked.append(entity)
        return True

    condition = Metered(Asking(look), terms=3, work=Work(10), path="filter")
    for _ in range(3):
        assert condition.holds(SimpleNamespace())  # type: ignore[arg-type]  # any value is as good
    with pytest.raises(LimitExceeded, match="look at too much"):
        condition.holds(SimpleNamespace())  # type: ignore[arg-type]  # any value is as good
    assert len(asked) == 3
