"""Components that wait for others, over a whole edge: at every site, for as long as they ask, and back in reverse."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from drivers.simulated.effects import Outcome
from drivers.simulated.planned import Plan, PlannedFault
from faultkit.lives import Installation
from faultkit.logical_time import run
from graph.kinds import (
    Artifact,
    ArtifactType,
    Component,
    Dependency,
    DependencyCondition,
    DependencyScope,
    DeploymentPhase,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.refusal import InvalidState
from graph.view import each, get_as
from lifecycle import todo
from lifecycle.gates import Gate, Gates, Needed
from lifecyclekit.counted import Counted

EVERYWHERE = DependencyScope.EVERYWHERE
DEPLOYED = DependencyCondition.DEPLOYED


def on(name: str, **fields: Any) -> dict[str, Any]:
    return {"dependencies": [Dependency(component=name, **fields)]}


def names(edge) -> dict[str, str]:
    """Component names by backend name."""
    return {one.backend_name: get_as(edge.view, Component, one.component_id).name for one in each(edge.view, Release)}


async def test_everywhere_waits_for_the_slowest_site_and_is_undone_in_the_reverse_order(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=3, readyAfterMs=30)
        await edge.version(db={}, web=on("db", scope=EVERYWHERE))
        deployment, operation = await edge.deploy()
        waiting = await edge.phases(deployment.id, WAITING_DEPENDENCY=3)
        assert {one.error for one in waiting if one.phase is ReleasePhase.WAITING_DEPENDENCY} == {
            "component db is not ready at every site"
        }
        await edge.succeeded(operation)
        component = names(edge)
        assert [component[name] for _, name, _ in edge.history()] == ["db"] * 3 + ["web"] * 3
        began = len(edge.history())
        await edge.succeeded((await edge.stop(deployment.id)).operation)
        assert [component[name] for _, name, _ in edge.history()[began:]] == ["web"] * 3 + ["db"] * 3
        began = len(edge.history())
        await edge.succeeded((await edge.resume(deployment.id)).operation)
        assert [component[name] for _, name, _ in edge.history()[began:]] == ["db"] * 3 + ["web"] * 3
        began = len(edge.history())
        await edge.succeeded((await edge.terminate(deployment.id)).operation)
        assert [component[name] for _, name, _ in edge.history()[began:]] == ["web"] * 3 + ["db"] * 3


async def test_deployed_does_not_wait_for_readiness(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        await edge.network(sites=1, readyAfterMs=60_000)
        await edge.version(
            db={},
            web=on("db", condition=DependencyCondition.DEPLOYED),
            cache=on("db", condition=DependencyCondition.DEPLOYED, scope=EVERYWHERE),
            late=on("db"),
        )
        deployment, _ = await edge.deploy()
        await edge.phases(deployment.id, WAITING_READY=3, WAITING_DEPENDENCY=1)
        assert names(edge)[edge.history()[0][1]] == "db"


LATENCY_MS = 300


def effects_by_site(folder: Path) -> list[list[str]]:
    """Deploys to three sites, each of which takes its time and refuses `db` once; by site what was done, in its order."""
    installation = Installation(folder)

    async def live() -> list[list[str]]:
        async with installation.life() as edge:
            await edge.network(sites=3, observeEveryMs=1_000, latencyMs=LATENCY_MS)
            # The one that waits is made first, so that nothing but its dependency puts it behind.
            await edge.version(web=on("db"), db={})
            await edge.connected()
            plans = installation.driver.open[0]._cluster.plans
            _, operation = await edge.deploy()
            component = names(edge)
            for name in (one for one, what in component.items() if what == "db"):
                plans.add(Plan(fault=PlannedFault.REFUSE, verb="ensure", name=name))
            await edge.succeeded(operation)
            assert not plans.waiting, "nothing was refused"
            done = [one for one in edge.world().effects.after(0) if one.outcome is Outcome.DONE]
            return [[component[one.name] for one in done if one.site_id == site] for site in edge.site_ids]

    return run(live())


def test_at_no_site_is_anything_done_for_what_waits_before_what_it_waits_for_is_there(tmp_path: Path) -> None:
    assert effects_by_site(tmp_path) == [["db", "web"]] * 3


def test_a_component_that_waits_for_nothing_is_found_out(tmp_path: Path) -> None:
    with mock.patch.object(todo, "_before_it", return_value=None):
        assert effects_by_site(tmp_path) == [["web", "db"]] * 3


async def test_a_healthy_change_is_never_called_degraded_while_components_wait_for_each_other(edge) -> None:
    await edge.network(sites=2, readyAfterMs=30)
    await edge.version(db={}, api=on("db"), web=on("api", scope=EVERYWHERE))
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.succeeded((await edge.stop(deployment.id)).operation)
    await edge.succeeded((await edge.resume(deployment.id)).operation)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    told = [one.reason for one in await edge.events(deployment.id) if one.reason.startswith("Deployment")]
    assert "DeploymentDegraded" not in told
    assert told.count("DeploymentReady") >= 2


async def test_what_settles_is_waited_for_once_and_not_at_every_update(edge) -> None:
    await edge.network(sites=2)
    await edge.version(db={}, web=on("db", wait_seconds=3), all=on("db", wait_seconds=3, scope=EVERYWHERE))
    deployment, operation = await edge.deploy()

    def settling() -> list[Release] | None:
        found = edge.releases(deployment.id)
        told = [one.error == "component db is ready and given 3 s to settle" for one in found]
        return found if sum(told) == 4 else None

    waiting = await edge.until(settling, what="the time to settle")
    await edge.succeeded(operation)
    by_name = {(get_as(edge.view, Component, one.component_id).name, one.site_id): one for one in waiting}
    for one in edge.releases(deployment.id):
        name = get_as(edge.view, Component, one.component_id).name
        if name != "db":
            assert one.applied_at >= by_name["db", one.site_id].ready_at + 3_000
    scaled = (await edge.scale(deployment.id, web=2)).operation
    await edge.succeeded(scaled)


async def test_what_waits_everywhere_for_what_was_given_up_does_not_keep_an_operation_running(edge) -> None:
    await edge.network(sites=3)
    await edge.configure(rejectedReferences=["db:1"])
    await edge.version(
        db={"artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="db:1")}, web=on("db", scope=EVERYWHERE)
    )
    _, operation = await edge.deploy()
    over = await edge.ended(operation.id)
    assert (over.status, over.progress.failed) == (OperationStatus.FAILED, 6)


async def test_a_version_that_waits_for_what_it_does_not_have_is_not_deployed(edge) -> None:
    await edge.network(sites=1)
    await edge.version(web=on("db"))
    with pytest.raises(InvalidState, match="component 'web' depends on 'db', which version '1' does not have"):
        await edge.deploy()


@pytest.mark.parametrize("verb", ["terminate", "update"])
async def test_versions_that_depend_the_other_way_round_do_not_wait_for_each_other(edge, verb) -> None:
    """Both are there while the one is migrated to the other, and are then removed at once."""
    await edge.network(sites=2, readyAfterMs=60_000)
    await edge.version(a=on("b", scope=EVERYWHERE, condition=DEPLOYED), b={})
    newer = await edge.version("2", b=on("a", scope=EVERYWHERE, condition=DEPLOYED), a={})
    newest = await edge.version("3", reference="shop:3", c={})
    deployment, _ = await edge.deploy(sites=edge.site_ids[:1])
    await edge.phases(deployment.id, WAITING_READY=2)
    await edge.migrate(deployment.id, app_version_id=newer, site_ids=edge.site_ids[1:])
    await edge.phases(deployment.id, WAITING_READY=4)
    if verb == "terminate":
        await edge.terminate(deployment.id)
    else:
        await edge.update(deployment.id, app_version_id=newest)
    left = 0 if verb == "terminate" else 1
    await edge.until(lambda: len(edge.releases(deployment.id)) == left, what="that both versions are gone")
    removed = [(one.name.split("-")[1], one.site_id) for one in edge.world().effects.after(0) if one.what == "removed"]
    old, new = edge.site_ids
    assert removed.index(("a", old)) < removed.index(("b", old))
    assert removed.index(("b", new)) < removed.index(("a", new))


async def test_a_gate_is_looked_at_once_a_revision_and_while_it_is_shut_by_one_release(edges) -> None:
    async with edges(running=False) as edge:
        await edge.network(sites=8)
        await edge.version(db={}, web=on("db", scope=EVERYWHERE))
        async with edge.lifecycle.running():
            deployment, operation = await edge.deploy()
            await edge.succeeded(operation)
        gate = Gate(deployment.id, "db", Needed.READY)
        reader, gates = Counted(edge.view), Gates()
        assert gates.answer(reader, gate).shut_by is None
        assert reader.read == 16
        for _ in range(5):
            gates.answer(reader, gate)
        assert reader.read == 16
        last = [one for one in edge.releases(deployment.id) if names(edge)[one.backend_name] == "db"][-1]
        await edge.change(lambda edit: edit.replace(last, phase=ReleasePhase.WAITING_SITE))
        reader = Counted(edge.view)
        assert gates.answer(reader, gate).shut_by == last.id
        assert reader.read > 1
        await edge.change(lambda edit: edit.replace(edge.site(0), display_name="x"))
        again = Counted(edge.view)
        assert gates.answer(again, gate).shut_by == last.id
        assert again.read == 1
