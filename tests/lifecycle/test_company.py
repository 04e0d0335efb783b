"""Who goes with whom and who keeps away holds when it is committed, and not only when it was decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from graph.kinds import DeploymentPhase, Release
from graph.kinds.policy import AppAffinity, PlacementPolicy, SiteSelector
from graph.refusal import CapacityGone
from graph.view import get_as
from lifecycle.placing import Placing
from lifecycle.unplaceable import Unplaceable

DATABASE = AppAffinity(labels="role=db")
BESIDE = PlacementPolicy(everywhere=True, affinity=[DATABASE])
APART = PlacementPolicy(everywhere=True, anti_affinity=[DATABASE])


def after_a_decision(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[Any]], *, times: int
) -> list[int]:
    """Has something happen between a decision and its commit, the first so many times; gives how often it was decided."""
    decided: list[int] = []
    choose = Placing.choose

    async def chosen(self: Placing, *given: Any, **options: Any) -> Any:
        found = await choose(self, *given, **options)
        decided.append(len(decided))
        if len(decided) <= times:
            await happens()
        return found

    monkeypatch.setattr(Placing, "choose", chosen)
    return decided


def at(site_id: str) -> PlacementPolicy:
    """At one site, and away from databases."""
    return PlacementPolicy(sites=SiteSelector(site_ids=[site_id]), anti_affinity=[DATABASE])


def sites_of(edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id)}


async def leave(edge, release: Release) -> None:
    def change(edit) -> None:
        found = get_as(edit, Release, release.id)
        edit.replace(found, wanted=False, generation=found.generation + 1)

    await edge.change(change)


async def test_what_is_wanted_beside_leaves_between_decision_and_commit_and_it_is_decided_anew(
    edge, monkeypatch
) -> None:
    await edge.network(sites=3)
    await edge.version()
    one, two, _ = edge.site_ids
    database, operation = await edge.deploy("db", sites=[one, two], labels={"role": "db"})
    await edge.succeeded(operation)
    leaving = next(each for each in edge.releases(database.id) if each.site_id == one)
    decided = after_a_decision(monkeypatch, lambda: leave(edge, leaving), times=1)
    deployment, operation = await edge.deploy("web", policy=BESIDE)
    await edge.succeeded(operation)
    assert (len(decided), sites_of(edge, deployment.id)) == (2, {two})


async def test_what_is_wanted_beside_leaves_altogether_and_nothing_is_deployed(edge, monkeypatch) -> None:
    await edge.network(sites=2)
    await edge.version()
    database, operation = await edge.deploy("db", labels={"role": "db"})
    await edge.succeeded(operation)
    after_a_decision(monkeypatch, lambda: edge.terminate(database.id), times=1)
    with pytest.raises(Unplaceable, match="affinity refuses 2"):
        await edge.deploy("web", policy=BESIDE)
    assert edge.view.find("Deployment", "web", edge.tenant_id) is None


async def test_one_that_keeps_leaving_ends_in_a_refusal_that_names_what_is_missing(edge, monkeypatch) -> None:
    await edge.network(sites=4)
    await edge.version()
    database, operation = await edge.deploy("db", labels={"role": "db"})
    await edge.succeeded(operation)
    leaving = iter(edge.releases(database.id))
    after_a_decision(monkeypatch, lambda: leave(edge, next(leaving)), times=3)
    with pytest.raises(CapacityGone, match="role=db no longer runs at site"):
        await edge.deploy("web", policy=BESIDE)


@pytest.mark.parametrize("shy_first", [True, False])
async def test_labels_keep_a_new_deployment_apart_whichever_of_the_two_comes_first(edge, shy_first) -> None:
    await edge.network(sites=3)
    await edge.version()
    one = edge.site_ids[0]
    named = {"labels": {"role": "db"}}
    earlier, operation = await edge.deploy("first", **({"policy": at(one)} if shy_first else {"sites": [one], **named}))
    await edge.succeeded(operation)
    later, operation = await edge.deploy("second", **(named if shy_first else {"policy": APART}))
    await edge.succeeded(operation)
    assert sites_of(edge, earlier.id) == {one}
    assert sites_of(edge, later.id) == set(edge.site_ids[1:])


async def test_a_label_that_another_keeps_away_from_is_felt_at_commit(edge, monkeypatch) -> None:
    await edge.network(sites=2)
    await edge.version()
    one, two = edge.site_ids
    decided = after_a_decision(monkeypatch, lambda: edge.deploy("shy", policy=at(one)), times=1)
    deployment, operation = await edge.deploy("db", labels={"role": "db"})
    await edge.succeeded(operation)
    assert len(decided) == 3
    assert sites_of(edge, deployment.id) == {two}


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_others_are_to_be_beside_is_terminated_and_they_stay_until_they_change(edge, deleted) -> None:
    await edge.network(sites=2)
    await edge.version()
    database, operation = await edge.deploy("db", labels={"role": "db"})
    await edge.succeeded(operation)
    beside = PlacementPolicy(everywhere=True, affinity=[AppAffinity(deployment_ids=[database.id])])
    web, operation = await edge.deploy("web", policy=beside)
    await edge.succeeded(operation)
    before = {one.id: one.generation for one in edge.releases(web.id)}

    await edge.succeeded((await edge.terminate(database.id, delete=deleted)).operation)
    assert (edge.view.get(database.id) is None) is deleted
    assert {one.id: one.generation for one in edge.releases(web.id)} == before
    assert edge.deployment(web.id).phase is DeploymentPhase.READY
    with pytest.raises(Unplaceable, match="affinity refuses 2"):
        await edge.scale(web.id, web=2)
    await edge.succeeded((await edge.terminate(web.id)).operation)
