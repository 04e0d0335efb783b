"""Who may only read changes nothing: every mutation of the schema, asked by such members about what they see.

The inputs are made from the schema itself, so a mutation that is added is asked too. What counts is what was committed in
their name, and not only how they were answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from faultkit import broken
from graph.kinds import Role
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.questions import answer_of, changes_asked
from worldkit.running import application_in
from worldkit.two_tenants import World, two_tenants, wish_of

READERS = [Role.VIEWER, Role.GUEST]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("readers"))) as application:
        yield application, await two_tenants(application)


async def asked_by(
    application: Application, made: World, tenant: str, role: Role
) -> tuple[dict[str, set[str]], set[str]]:
    """How each mutation was answered, by the types of the answers, and what was committed of it in the caller's name."""
    viewer, ids = made.viewers[tenant, role], made.ids[tenant]
    before = application.ledger.view.revision
    answers: dict[str, set[str]] = {}
    for name, given in changes_asked(ids):
        if given.get("id") == viewer.id:
            continue  # everybody changes a little of himself
        given |= better(application, made, tenant).get(name, {})
        found, errors = await answer_of(application, viewer, name, given)
        assert not errors, (name, errors)
        answers.setdefault(name, set()).update(types_of(found[name]))
    after = await application.ledger.commits_after(before, limit=100_000)
    return answers, {one.action for one in after if one.author == viewer.id}


def better(application: Application, made: World, tenant: str) -> dict[str, dict[str, Any]]:
    """What is asked with a sample from the schema would be refused whoever asks, by mutation."""
    other = made.viewers[tenant, Role.DEVELOPER].id
    return {
        "createCluster": {"driver": "simulated"},
        "createPlan": {"deployment": wish_of(application, made, tenant, name="planned")},
        "setPassword": {"userId": other, "password": "correct horse battery staple"},
        "applyDocuments": {
            "content": "kind: Region\nmetadata: {name: taken}\nspec: {centre: {longitude: 1, latitude: 1}}"
        },
    }


def types_of(answer: dict[str, Any]) -> set[str]:
    """What an answer is; of a batch, or of documents, what the answer to each item is."""
    results = next((found for name, found in answer.items() if name.endswith("_results")), None)
    return {(one.get("DocumentResult_error") or one)["__typename"] for one in results or [answer]}


@pytest.mark.parametrize("role", READERS, ids=lambda one: one.name)
async def test_who_only_reads_is_refused_every_change_and_nothing_is_done(
    world: tuple[Application, World], role: Role
) -> None:
    answers, done = await asked_by(*world, "a", role)
    assert done == set()
    assert set(answers) == set(graphql_schema().mutation_type.fields)
    granted = {name for name, types in answers.items() if not types <= {"Forbidden", "NotFound"}}
    assert granted == set(), {name: answers[name] for name in granted}


async def test_a_product_that_does_what_whoever_asks_is_found_out(world: tuple[Application, World]) -> None:
    """Of the other tenant, for it leaves little as it was."""
    with broken.whoever_asks():
        answers, done = await asked_by(*world, "b", Role.VIEWER)
    assert {"createApp", "createSite", "createTenant", "createUser", "deleteNode"} <= done
    assert any(one.endswith("Payload") for types in answers.values() for one in types)
