"""What docs/placement-walk.md shows is what its app and its policy come to on the demonstration's network."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from graph.documents import Document, document_from
from graph.kinds import Component, Deployment, Site
from graph.kinds.policy import PlacementPolicy
from graph.stores.sqlite import SqliteStore
from graph.view import Reader, each, get_as
from placement.decision import Decision, PlacementStatus
from placement.engine import decide
from placement.problem import problem_from
from placement.verdict import sites_by_rule
from server.demo_network import network_documents
from worldkit.document_world import world_on

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGE = (ROOT / "docs" / "placement-walk.md").read_text(encoding="utf-8")


def documents() -> list[Document]:
    """The network, with the app and a deployment that has the policy."""
    policy = yaml.safe_load((EXAMPLES / "twelve-cities.yaml").read_text(encoding="utf-8"))
    # In the file a place is a text, of which the command line asks the server what it is.
    policy["latency"] = [{**one, "place": {"siteId": one["place"]}} for one in policy["latency"]]
    found = [
        *network_documents(),
        {"kind": "Tenant", "metadata": {"name": "demo"}},
        *yaml.safe_load_all((EXAMPLES / "vision.yaml").read_text(encoding="utf-8")),
        {
            "kind": "Deployment",
            "metadata": {"name": "vision", "tenant": "demo"},
            "spec": {"appVersion": "vision/1.0", "policy": policy},
        },
    ]
    return [document_from(one, where=str(at)) for at, one in enumerate(found)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The graph of the documents, in which nothing runs and nothing changes any more."""

    async def made() -> Reader:
        async with world_on(SqliteStore(tmp_path_factory.mktemp("walk") / "graph.db")) as world:
            applied = await world.apply(documents())
            assert applied.applied, [one.error for one in applied.outcomes if one.error]
            return world.ledger.view

    return asyncio.run(made())


def decided(reader: Reader, **changes: int) -> Decision:
    (deployment,) = each(reader, Deployment)
    policy: PlacementPolicy = msgspec.structs.replace(deployment.policy, **changes)
    problem = problem_from(
        reader,
        components=list(each(reader, Component, "app_version_id", deployment.app_version_id)),
        policy=policy,
        replicas={},
        tenant_id=deployment.tenant_id,
    )
    return decide(problem).whole()


def table(first: str) -> list[list[str]]:
    """The rows of the page's table whose heading begins so, cell by cell."""
    lines = PAGE[PAGE.index(f"\n{first}") + 1 :].splitlines()
    rows = lines[1 : next(at for at, line in enumerate(lines) if not line or line.startswith(("cost:", "```", "--")))]
    return [re.split(r" {2,}", line) for line in rows]


def test_it_is_planned_for_the_sites_that_the_page_shows_and_proved_to_be_the_best(reader: Reader) -> None:
    decision = decided(reader)
    assert decision.feasible
    assert decision.proven
    shown = table("SITE              COST")
    assert [(get_as(reader, Site, one.site_id).name, f"{one.score:.3f}") for one in decision.placements] == [
        (row[0], row[1]) for row in shown
    ]
    assert {row[0] for row in shown} == {"Lárisa", "Clermont-Ferrand", "Copenhagen"}
    # By the page some sites fewer have room, for the demonstration's own deployments run there.
    assert set(sites_by_rule(decision)) == {row[0] for row in table("REFUSED BY ") if row[0]}


def test_the_rules_named_for_zurich_are_those_of_the_page(reader: Reader) -> None:
    zurich = reader.find("Site", "Zürich")
    assert zurich is not None
    (refused,) = [one for one in decided(reader).refusals if one.site_id == zurich.id]
    assert [one.rule for one in refused.reasons] == ["residency", "architecture", "capacity"]
    told = " ".join(PAGE[PAGE.index("\nZürich ") : PAGE.index("All that stands in the way")].split())
    for one in refused.reasons:
        assert one.rule in told
        assert " ".join(one.need.split()) in told
    assert refused.reasons[1].message == (
        "1 of its 2 nodes has no processor of amd64; what is left takes 0 of 1 replica of 'infer'"
    )


def test_with_two_sites_at_most_it_is_proved_that_it_cannot_be_done(reader: Reader) -> None:
    decision = decided(reader, max_sites=2)
    assert decision.status is PlacementStatus.INFEASIBLE
    assert decision.irreducible == ["max_sites", "places"]
