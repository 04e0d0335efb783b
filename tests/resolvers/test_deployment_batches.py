"""Batches of deployments: an answer for each item, and what is refused touches no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.edit import Edit
from graph.kinds import Deployment, Release, ReleasePhase, Role
from graph.request import Request
from graph.view import each
from resolvers.mutations import deployment_batches
from resolvers.mutations.deployment_batches import BATCHES, MOST
from worldkit.running import application_in, data
from worldkit.two_tenants import two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ITEMS = {one.action: one.item[0].upper() + one.item[1:] for one in BATCHES}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("batches"))) as application:
        yield application, await two_tenants(application)


async def batch(world: Any, name: str, *items: dict[str, Any], role: Role = Role.DEVELOPER, **more: Any) -> Any:
    """The results of a batch, or the refusal of all of it."""
    application, made = world
    kind, item = name[0].upper() + name[1:], ITEMS[name]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename ... on Error {{ code path }} "
        f"... on {kind}Payload {{ results {{ __typename ... on {item}Payload {{ deployment {{ id name }} }} "
        f"... on Error {{ code path }} }} }} }} }}"
    )
    given = {"input": {"items": list(items), **more}}
    answer = (await data(application, text, given, viewer=made.viewers["a", role]))[name]
    return answer["results"] if answer["__typename"].endswith("Payload") else answer


def named(world: Any, name: str) -> list[Deployment]:
    return [one for one in each(world[0].ledger.view, Deployment) if one.name.endswith(name)]


async def test_what_is_refused_is_not_done_and_the_rest_is(world) -> None:
    application, made = world
    good = [wish_of(application, made, "a", name=f"good-{number}", replicas=1) for number in range(2)]
    bad = wish_of(
        application,
        made,
        "a",
        name="bad",
        replicas=1,
    ) | {"appVersionId": "appversion_none"}
    foreign = wish_of(application, made, "b", name="foreign", replicas=1)
    results = await batch(world, "deployMany", good[0], bad, foreign, good[1], good[0])
    assert [one["__typename"] for one in results] == [
        "DeployPayload",
        "NotFound",
        "NotFound",
        "DeployPayload",
        "AlreadyExists",
    ]
    assert results[1]["path"] == "input.items[1].appVersionId"
    assert results[2]["path"].startswith("input.items[2].")
    assert not named(world, "bad")
    assert not named(world, "foreign")
    assert len(named(world, "good-0")) == len(named(world, "good-1")) == 1


async def test_a_batch_that_comes_again_under_its_key_does_nothing_twice(world) -> None:
    application, made = world
    items = [wish_of(application, made, "a", name=f"once-{number}", replicas=1) for number in range(3)]
    first = await batch(world, "deployMany", *items, idempotencyKey="whole")
    assert await batch(world, "deployMany", *items, idempotencyKey="whole") == first
    assert [len(named(world, f"once-{number}")) for number in range(3)] == [1, 1, 1]
    others = await batch(world, "deployMany", items[1], items[0], idempotencyKey="whole")
    assert [one["code"] for one in others] == ["IDEMPOTENCY_MISMATCH"] * 2


async def test_deployments_are_updated_and_terminated_together(world) -> None:
    application, made = world
    items = [wish_of(application, made, "a", name=f"many-{number}", replicas=1) for number in range(2)]
    ids = [one["deployment"]["id"] for one in await batch(world, "deployMany", *items)]
    theirs = made.ids["b"]["Deployment"][0]
    asked = [{"id": one, "driftPolicy": "REPORT"} for one in (ids[0], theirs, ids[1])]
    assert [one["__typename"] for one in await batch(world, "updateMany", *asked)] == [
        "UpdateDeploymentPayload",
        "NotFound",
        "UpdateDeploymentPayload",
    ]
    gone = [{"id": one, "delete": True} for one in (theirs, *ids)]
    assert [one["__typename"] for one in await batch(world, "terminateMany", *gone)] == [
        "NotFound",
        "TerminateDeploymentPayload",
        "TerminateDeploymentPayload",
    ]
    assert application.ledger.view.get(theirs).phase.name != "TERMINATING"


async def test_a_batch_is_bounded_and_has_one_key(world) -> None:
    refused = await batch(world, "terminateMany")
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.items")
    refused = await batch(world, "terminateMany", *[{"id": "deployment_none"}] * (MOST + 1))
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.items")
    refused = await batch(world, "terminateMany", {"id": "deployment_none"}, idempotencyKey="k" * 201)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.idempotencyKey")
    item = {"id": "deployment_none", "idempotencyKey": "own"}
    results = await batch(world, "terminateMany", item, idempotencyKey="whole-too")
    assert (results[0]["code"], results[0]["path"]) == ("INVALID_INPUT", "input.items[0].idempotencyKey")


async def test_who_may_not_write_gets_a_refusal_for_each(world) -> None:
    _, made = world
    own = made.ids["a"]["Deployment"][0]
    results = await batch(world, "terminateMany", {"id": own}, {"id": own}, role=Role.VIEWER)
    assert [one["code"] for one in results] == ["FORBIDDEN"] * 2


async def given_up(world: Any, deployment_id: str) -> str:
    """The operation of a deployment whose release was given up.

    The epoch and the generation are new ones, as after a change that failed: what is under way with the release, and what an
    observer has to say of it, is of an earlier one and does not set it right.
    """
    application, _ = world

    def give_up(edit: Edit) -> str:
        release = next(each(edit, Release, "deployment_id", deployment_id))
        edit.replace(
            release,
            epoch=release.epoch + 1,
            generation=release.generation + 1,
            phase=ReleasePhase.QUARANTINED,
            error="it was given up",
        )
        assert release.operation_id is not None
        return release.operation_id

    committed = await application.ledger.commit(give_up, Request(author="user_test", action="test"))
    return str(committed.value)


async def test_every_verb_has_a_form_for_many_with_an_answer_for_each(world) -> None:
    application, made = world
    items = [wish_of(application, made, "a", name=f"verb-{number}", replicas=1) for number in range(2)]
    begun = await batch(world, "deployMany", *items)
    first, second = (one["deployment"]["id"] for one in begun)
    component = items[0]["replicas"][0]["name"]
    theirs, other = made.ids["b"]["Deployment"][0], made.ids["b"]["Site"][0]
    site = next(each(application.ledger.view, Release, "deployment_id", first)).site_id
    web = [{"name": component, "count": 2}]
    own = made.ids["a"]["Site"][0]
    gated = [
        wish_of(application, made, "a", name=f"gated-{number}", replicas=1) | {"requiresApproval": True}
        for number in range(2)
    ]
    waits, withdrawn = (one["deployment"]["id"] for one in await batch(world, "deployMany", *gated))
    taken_back = application.ledger.view.get(withdrawn).proposal.operation_id
    failed = await given_up(world, first)
    asked: list[tuple[str, list[dict[str, Any]], list[str]]] = [
        # First of all: whatever changes the deployment takes over what was given up.
        ("retryMany", [{"id": failed}, {"id": "operation_none"}], ["", "NOT_FOUND"]),
        ("scaleMany", [{"id": first, "replicas": web}, {"id": theirs, "replicas": web}], ["", "NOT_FOUND"]),
        (
            "adjustSiteMany",
            [{"id": first, "siteId": site, "replicas": web}, {"id": first, "siteId": other}],
            ["", "INVALID_STATE"],
        ),
        (
            "rollbackMany",
            [{"id": first, "revisionNumber": 1}, {"id": second, "revisionNumber": 9}],
            ["", "INVALID_INPUT"],
        ),
        ("migrateMany", [{"id": first, "toSiteIds": [site]}, {"id": second}], ["", "INVALID_INPUT"]),
        (
            "addSitesMany",
            [{"id": second, "siteIds": [own]}, {"id": first, "siteIds": [other]}],
            ["", "NOT_FOUND"],
        ),
        (
            "removeSitesMany",
            [{"id": second, "siteIds": [own]}, {"id": first, "siteIds": [site]}],
            ["", "INVALID_STATE"],
        ),
        ("relabelMany", [{"id": first, "displayName": "x"}, {"id": theirs, "displayName": "x"}], ["", "NOT_FOUND"]),
        ("pauseMany", [{"id": first}, {"id": theirs}], ["", "NOT_FOUND"]),
        ("resumeMany", [{"id": first}, {"id": second}], ["", "INVALID_STATE"]),
        ("stopMany", [{"id": first}, {"id": theirs}], ["", "NOT_FOUND"]),
        (
            "approveMany",
            [{"id": waits, "revisionNumber": 1}, {"id": first, "revisionNumber": 1}],
            ["", "INVALID_STATE"],
        ),
        ("cancelMany", [{"id": taken_back}, {"id": "operation_none"}], ["", "NOT_FOUND"]),
    ]
    assert {name for name, _, _ in asked} | {"deployMany", "updateMany", "terminateMany"} == set(ITEMS)
    for name, given, codes in asked:
        results = await batch(world, name, *given, role=Role.TENANT_ADMIN)
        assert [one.get("code", "") for one in results] == codes, (name, results)


async def test_what_a_request_has_no_time_for_is_told_and_done_when_it_is_sent_again(world, monkeypatch) -> None:
    application, made = world
    items = [wish_of(application, made, "a", name=f"slow-{number}", replicas=1) for number in range(3)]
    # No time is left after the first: the clock of the batch alone goes on by as much as a request may take.
    times = iter([0.0, *[1_000_000.0] * 20])
    monkeypatch.setattr(deployment_batches, "monotonic", lambda: next(times))
    results = await batch(world, "deployMany", *items, idempotencyKey="slow")
    assert [one.get("code") for one in results] == [None, "UNAVAILABLE", "UNAVAILABLE"]
    assert [len(named(world, f"slow-{number}")) for number in range(3)] == [1, 0, 0]
    monkeypatch.undo()
    again = await batch(world, "deployMany", *items, idempotencyKey="slow")
    assert again[0] == results[0]
    assert [one["__typename"] for one in again] == ["DeployPayload"] * 3
    assert [len(named(world, f"slow-{number}")) for number in range(3)] == [1, 1, 1]
