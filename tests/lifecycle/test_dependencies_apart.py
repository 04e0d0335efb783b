"""Components that wait for others which run at other sites than they do: no site of its own is no reason not to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    Deployment,
    Operation,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector
from graph.values import HealthStatus
from graph.view import get_as
from lifecycle.gates import Gate, Gates, Needed
from lifecyclekit.counted import Counted
from lifecyclekit.edge import Edge, asking, everything

READY = DependencyCondition.READY
SAME_SITE = DependencyScope.SAME_SITE
PROMPT_MS = 3_000
"""What is free to go on does so within this: a latency and an observation, and by far no sweep."""
At = tuple[str, int]
"""A component and the number of a site."""


class Lived(NamedTuple):
    """A deployment under way on an edge, and what is behind it."""

    installation: Installation
    edge: Edge
    deployment: Deployment
    operation: Operation

    def there(self) -> dict[At, Release]:
        """The releases by component and site."""
        found: dict[At, Release] = {}
        for one in self.edge.releases(self.deployment.id):
            component = get_as(self.edge.view, Component, one.component_id)
            assert component is not None
            found[component.name, self.edge.site_ids.index(one.site_id)] = one
        return found

    def refuse(self, *those: At, times: int = 2) -> None:
        """Has the next calls for these refused."""
        plans = self.installation.driver.open[0]._cluster.plans
        for one in those:
            plans.add(Plan(fault=PlannedFault.REFUSE, name=self.there()[one].backend_name, count=times))

    def effects(self) -> int:
        """The number of the last thing that was done."""
        return max((one.number for one in self.edge.world().effects.after(0)), default=0)

    def done_at(self, there: Mapping[At, Release], *, after: int = 0) -> dict[At, int]:
        """When each was changed at its backend, the last time, by the clusters' clock."""
        named = {one.backend_name: key for key, one in there.items()}
        effects = [one for one in self.edge.world().effects.after(after) if one.outcome is Outcome.DONE]
        return {named[one.name]: one.at_ms for one in effects if one.name in named}


Driven = Callable[[Lived], Awaitable[None]]


def policy_of(edge: Edge, *, web: Sequence[int], db: Sequence[int]) -> PlacementPolicy:
    """`web` at sites of these numbers, `db` apart at those."""
    at = [edge.site_ids[one] for one in db]
    apart = ComponentPolicy(
        component="db", apart=True, sites=SiteSelector(site_ids=at), min_sites=len(at), max_sites=len(at)
    )
    return PlacementPolicy(
        sites=SiteSelector(site_ids=edge.site_ids),
        min_sites=len(web),
        max_sites=len(web),
        pinned_site_ids=[edge.site_ids[one] for one in web],
        components=[apart],
    )


def live(
    folder: Path,
    driven: Driven,
    *,
    web: Sequence[int] = (1, 2),
    db: Sequence[int] = (0,),
    sites: int = 3,
    refused: Sequence[At] = (),
    refusals: int = 2,
    db_fields: Mapping[str, Any] | None = None,
    rejected: Sequence[str] = (),
    **dependency: Any,
) -> None:
    """Has a deployment made whose `web` waits for `db`, and something done with it; `refused` are, at their first call."""
    installation = Installation(folder)

    async def lived() -> None:
        async with installation.life() as edge:
            await edge.network(
                sites=sites, observeEveryMs=500, latencyMs=300, readyAfterMs=5_000, rejectedReferences=list(rejected)
            )
            # The one that waits is made first, so that nothing but its dependency puts it behind.
            waits = {"dependencies": [Dependency(component="db", **dependency)]}
            await edge.version(web=waits, db=db_fields or {})
            await edge.connected()
            deployment, operation = await edge.deploy(policy=policy_of(edge, web=web, db=db))
            one = Lived(installation, edge, deployment, operation)
            one.refuse(*refused, times=refusals)
            await driven(one)

    run(lived())


def waited_for(there: dict[At, Release], *, site: int, scope: DependencyScope) -> list[Release]:
    """The copies of `db` that a `web` waits for."""
    own = [one for key, one in there.items() if key == ("db", site)]
    return own if own and scope is SAME_SITE else [one for (name, _), one in there.items() if name == "db"]


PLACES = pytest.mark.parametrize(
    ("web", "db"), [((1, 2), (0,)), ((1, 2), (0, 1)), ((0, 1, 2), (0, 1)), ((1,), (1, 2))], ids=str
)


@PLACES
@pytest.mark.parametrize("scope", DependencyScope)
@pytest.mark.parametrize("condition", DependencyCondition)
def test_it_waits_for_the_one_at_its_site_and_where_there_is_none_for_all_and_not_a_sweep_longer(
    tmp_path: Path, web: tuple[int, ...], db: tuple[int, ...], scope: DependencyScope, condition: DependencyCondition
) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        there = lived.there()
        assert sorted(there) == sorted([*(("web", one) for one in web), *(("db", one) for one in db)])
        done = lived.done_at(there)
        for site in web:
            others = waited_for(there, site=site, scope=scope)
            free = max((one.ready_at if condition is READY else one.applied_at) or 0 for one in others)
            assert free <= done["web", site] <= free + PROMPT_MS

    live(tmp_path, driven, web=web, db=db, refused=[("db", db[0])], scope=scope, condition=condition)


@PLACES
@pytest.mark.parametrize("scope", DependencyScope)
@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_it_is_stopped_and_removed_before_all_that_it_waited_for(
    tmp_path: Path, web: tuple[int, ...], db: tuple[int, ...], scope: DependencyScope, verb: str
) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        there, began = lived.there(), lived.effects()
        # What is to go first is refused for a while, so that nothing but the order keeps the others back.
        lived.refuse(("web", web[-1]))
        await lived.edge.succeeded((await getattr(lived.edge, verb)(lived.deployment.id)).operation)
        done = lived.done_at(there, after=began)
        assert sorted(done) == sorted(there)
        for key in (key for key in there if key[0] == "db"):
            first = [site for site in web if there[key] in waited_for(there, site=site, scope=scope)]
            free = max((done["web", site] for site in first), default=0)
            assert free < done[key]
            assert not first or done[key] <= free + PROMPT_MS

    live(tmp_path, driven, web=web, db=db, scope=scope)


def test_it_goes_as_soon_as_those_at_a_site_that_is_away_are_known_to_be_gone(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        edge = lived.edge
        await edge.succeeded(lived.operation)
        there, began = lived.there(), lived.effects()
        await edge.configure(observeEveryMs=500, latencyMs=300, awaySites=["s2"])
        await edge.until(lambda: edge.site(2).health.status is HealthStatus.DOWN, what="that it is away")
        termination = (await edge.terminate(lived.deployment.id)).operation
        await edge.until(lambda: set(lived.there()) == {("web", 2), ("db", 0)}, what="what can go")
        await asyncio.sleep(10.0)
        assert lived.there()["db", 0].error == "component web depends on it and is removed everywhere first"
        await edge.lifecycle.failover.fence(edge.site_ids[2], asking("fence"), visible=everything)
        fenced_at = edge.site(2).fence.at
        await edge.until(lambda: ("db", 0) not in lived.there(), what="that it is gone")
        assert fenced_at < lived.done_at(there, after=began)["db", 0] <= fenced_at + PROMPT_MS
        await edge.configure(observeEveryMs=500, latencyMs=300)
        await edge.succeeded(termination)

    live(tmp_path, driven)


def test_what_is_resumed_waits_as_what_is_new_does(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        await lived.edge.succeeded((await lived.edge.stop(lived.deployment.id)).operation)
        await lived.edge.succeeded((await lived.edge.resume(lived.deployment.id)).operation)
        there = lived.there()
        ready_at = there["db", 0].ready_at
        assert ready_at is not None
        assert all(at >= ready_at for (name, _), at in lived.done_at(there).items() if name == "web")

    live(tmp_path, driven)


def test_it_says_for_what_it_waits_and_is_given_the_time_to_settle(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        def told() -> set[str | None]:
            return {one.error for one in lived.there().values() if one.phase is ReleasePhase.WAITING_DEPENDENCY}

        for reason in (
            "component db is not ready at every site, and this site has none",
            "component db is ready and given 10 s to settle",
        ):
            await lived.edge.until(lambda expected=reason: told() == {expected}, what=reason)
        await lived.edge.succeeded(lived.operation)
        there = lived.there()
        settled = (there["db", 0].ready_at or 0) + 10_000
        assert all(settled <= lived.done_at(there)["web", site] <= settled + PROMPT_MS for site in (1, 2))

    live(tmp_path, driven, wait_seconds=10)


def test_whoever_waited_is_forgotten_once_it_is_gone(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        await lived.edge.terminate(lived.deployment.id, delete=True)
        await lived.edge.until(lambda: lived.edge.deployment(lived.deployment.id) is None, what="its end")
        waiting = lived.edge.lifecycle.reconciler._waiting
        assert not any((waiting._here, waiting._gated, waiting._shut_by, waiting._gates._shut))

    live(tmp_path, driven, wait_seconds=2)


def test_what_waits_for_one_elsewhere_that_is_given_up_does_not_keep_an_operation_running(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        over = await lived.edge.ended(lived.operation.id)
        assert (over.status, over.progress.failed) == (OperationStatus.FAILED, 3)

    wrong = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="db:1")
    live(tmp_path, driven, db_fields={"artifact": wrong}, rejected=["db:1"])


def test_who_waits_for_one_elsewhere_goes_on_when_its_own_site_has_got_one(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.phases(lived.deployment.id, WAITING_DEPENDENCY=2)
        # Where it is to be besides it is ready long before the first one, which is refused again and again.
        await lived.edge.update(lived.deployment.id, policy=policy_of(lived.edge, web=(1, 2), db=(0, 1)))

        def begun() -> Mapping[At, int] | None:
            done = lived.done_at(lived.there())
            return done if ("web", 1) in done else None

        done = await lived.edge.until(begun, what="web at the site that has got a db")
        there = lived.there()
        free = there["db", 1].ready_at or 0
        assert 0 < free <= done["web", 1] <= free + PROMPT_MS
        assert there["db", 0].ready_at is None
        assert ("web", 2) not in done
        await lived.edge.succeeded(lived.edge.view.get(there["web", 2].operation_id))

    live(tmp_path, driven, refused=[("db", 0)], refusals=5)


def test_a_migration_makes_what_is_waited_for_first_and_lets_it_go_last(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        old = lived.there()
        began = lived.effects()
        policy = policy_of(lived.edge, web=(4, 5), db=(3,))
        migration = (await lived.edge.migrate(lived.deployment.id, policy=policy)).operation
        new = {key: one for key, one in lived.there().items() if key not in old}
        assert sorted(new) == [("db", 3), ("web", 4), ("web", 5)]
        lived.refuse(("web", 2))
        await lived.edge.succeeded(migration)
        made, gone = lived.done_at(new, after=began), lived.done_at(old, after=began)
        ready_at = lived.there()["db", 3].ready_at
        assert ready_at is not None
        assert ready_at <= min(made["web", 4], made["web", 5])
        assert max(gone["web", 1], gone["web", 2]) < gone["db", 0]

    live(tmp_path, driven, sites=6)


def test_a_gate_that_one_at_a_site_without_what_it_depends_on_shuts_costs_a_look_at_that_site(tmp_path: Path) -> None:
    async def driven(lived: Lived) -> None:
        await lived.edge.succeeded(lived.operation)
        await lived.edge.terminate(lived.deployment.id)
        gate, found = Gate(lived.deployment.id, "db", Needed.DEPENDENTS_GONE, lived.edge.version_id), Gates()
        assert found.answer(Counted(lived.edge.view), gate).shut_by == lived.there()["web", 1].id
        await lived.edge.change(lambda edit: edit.replace(lived.edge.site(0), display_name="x"))
        again = Counted(lived.edge.view)
        assert found.answer(again, gate).by_component == "web"
        assert again.read == 2

    live(tmp_path, driven, web=(1, 2, 3, 4, 5), sites=6)
