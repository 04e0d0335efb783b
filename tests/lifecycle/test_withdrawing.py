"""What is left where something moves away: the old copy of what others depend on goes after the old copies of these."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from drivers.simulated.effects import Effect, Outcome
from drivers.simulated.planned import Plan, PlannedFault
from faultkit.lives import Installation
from faultkit.logical_time import run
from graph.kinds import (
    Component,
    Dependency,
    DependencyScope,
    Deployment,
    DeploymentPhase,
    FailoverMode,
    FailoverPolicy,
    Fence,
    OperationStatus,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy
from graph.view import get_as
from lifecycle import withdrawing
from lifecycle.blocked import going
from lifecycle.withdrawing import may_go
from lifecyclekit.edge import Edge
from lifecyclekit.graphs import deployed
from tests.placement.placement_graphs import Builder

ONE = PlacementPolicy(min_sites=1, max_sites=1)
SHOP = {"web": {"dependencies": [Dependency(component="api")]}, "api": {"depends_on": ["db"]}, "db": {}}
QUIET: dict[str, Any] = {"observeEveryMs": 500, "latencyMs": 300, "readyAfterMs": 5_000}
EVERYWHERE = DependencyScope.EVERYWHERE


class Moving:
    """A deployment of `web`, `api` and `db`, each of which waits for the next, and where it runs."""

    def __init__(self, installation: Installation, edge: Edge, deployment: Deployment) -> None:
        self.installation = installation
        self.edge = edge
        self.id = deployment.id
        self.old = self.releases()
        [self.home] = {one.site_id for one in self.old.values()}
        self.names: dict[str, str] = {}
        self.began = max(one.number for one in edge.world().effects.after(0))

    def releases(self, *, new: bool = False) -> dict[str, Release]:
        """Those that there are by component, or those of them that came since."""
        found = {}
        for one in self.edge.releases(self.id):
            component = get_as(self.edge.view, Component, one.component_id)
            assert component is not None
            if not (new and one.id in {each.id for each in self.old.values()}):
                found[component.name] = one
        return found

    async def ready(self, *components: str) -> None:
        """Waits until the new copies of these are ready."""

        def found() -> bool:
            new = self.releases(new=True)
            return all(name in new and new[name].phase is ReleasePhase.READY for name in components)

        await self.edge.until(found, what=f"{components} ready elsewhere")

    def refuse(self, component: str, fault: PlannedFault, *, times: int = 1, verb: str = "ensure") -> None:
        """Has the next calls for the new copy of a component, or for its old one's removal, go wrong."""
        one = (self.old if verb == "remove" else self.releases(new=True))[component]
        plans = self.installation.driver.open[0]._cluster.plans
        plans.add(Plan(fault=fault, name=one.backend_name, verb=verb, count=times))

    def effects(self) -> list[Effect]:
        """All that was done since it began to move."""
        return [one for one in self.edge.world().effects.after(self.began) if one.outcome is Outcome.DONE]

    def gone(self) -> list[str]:
        """The components whose old copies are gone from the backend, in that order."""
        by_name = {one.backend_name: component for component, one in self.old.items()}
        return [by_name[one.name] for one in self.effects() if one.what == "removed" and one.name in by_name]

    def runs(self, component: str) -> bool:
        """Whether the old copy is there."""
        return self.old[component].backend_name in self.edge.world().objects


Driven = Callable[[Moving], Awaitable[None]]


def live(folder: Path, driven: Driven, *, components: Mapping[str, Any] = SHOP, **wish: Any) -> None:
    """Has a deployment at one site of three, and something done with it in logical time."""
    installation = Installation(folder)

    async def lived() -> None:
        async with installation.life() as edge:
            await edge.network(sites=3, **QUIET)
            await edge.version(**components)
            await edge.connected()
            deployment, operation = await edge.deploy(policy=ONE, **wish)
            await edge.succeeded(operation)
            await driven(Moving(installation, edge, deployment))

    run(lived())


async def drained(moving: Moving) -> None:
    """Sees a drain of its site through: nothing goes before all of it is ready elsewhere."""
    edge = moving.edge
    drain = await edge.drain(moving.home)
    await moving.ready("db", "api")
    await edge.until(lambda: moving.releases(new=True)["web"].applied_generation, what="web elsewhere")
    assert moving.gone() == []
    over = await edge.succeeded(drain)
    assert (over.progress.total, over.progress.done) == (3, 3)
    edge.check_books()


@pytest.mark.parametrize("scope", DependencyScope)
def test_what_others_depend_on_is_withdrawn_after_them(tmp_path: Path, scope: DependencyScope) -> None:
    async def driven(moving: Moving) -> None:
        await drained(moving)
        assert moving.gone() == ["web", "api", "db"]

    waits = {
        "web": {"dependencies": [Dependency(component="api", scope=scope)]},
        "api": {"dependencies": [Dependency(component="db", scope=scope)]},
        "db": {},
    }
    live(tmp_path, driven, components=waits)


def test_what_is_withdrawn_as_soon_as_it_is_replaced_is_found_out(tmp_path: Path) -> None:
    with (
        mock.patch.object(withdrawing, "_holds", return_value=False),
        pytest.raises(AssertionError, match=r"\['db'\]|\['db', 'api'\]"),
    ):
        live(tmp_path, drained)


def test_what_nobody_depends_on_goes_when_it_is_replaced(tmp_path: Path) -> None:
    async def driven(moving: Moving) -> None:
        drain = await moving.edge.drain(moving.home)
        await moving.edge.until(lambda: moving.gone() == ["log"], what="that it is gone")
        assert moving.releases(new=True)["web"].phase is not ReleasePhase.READY
        await moving.edge.succeeded(drain)

    live(tmp_path, driven, components={**SHOP, "log": {}})


def test_a_site_that_is_away_meanwhile_is_left_in_the_same_order_when_it_answers(tmp_path: Path) -> None:
    async def driven(moving: Moving) -> None:
        edge = moving.edge
        drain = await edge.drain(moving.home)
        await moving.ready("db")
        name = edge.view.get(moving.home).name
        await edge.configure(**QUIET, awaySites=[name])
        await moving.ready("db", "api", "web")
        await edge.until(
            lambda: not any(one.wanted for one in edge.releases(moving.id) if one.site_id == moving.home),
            what="that nothing is to stay there",
        )
        await edge.configure(**QUIET)
        await edge.succeeded(drain)
        assert moving.gone() == ["web", "api", "db"]
        edge.check_books()

    live(tmp_path, driven)


def test_what_was_lost_with_its_site_is_left_in_that_order_when_it_answers(tmp_path: Path) -> None:
    async def driven(moving: Moving) -> None:
        edge = moving.edge
        await edge.configure(**QUIET, awaySites=[edge.view.get(moving.home).name])
        edge.deadline_s = 600.0
        await moving.ready("db")
        # It is back before all of it runs elsewhere.
        await edge.configure(**QUIET)
        await edge.until(lambda: len(edge.releases(moving.id)) == 3, what="that the old copies are gone")
        assert moving.gone() == ["web", "api", "db"]
        await edge.phase(moving.id, DeploymentPhase.READY)
        edge.check_books()

    policy = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    live(tmp_path, driven, failover=policy)


def test_what_stays_keeps_what_it_depends_on_and_the_operation_ends(tmp_path: Path) -> None:
    """What is to replace a dependent is given up; with the next change all goes."""

    async def driven(moving: Moving) -> None:
        edge = moving.edge
        drain = await edge.drain(moving.home)
        await moving.ready("db")
        moving.refuse("web", PlannedFault.REJECT)
        over = await edge.ended(drain.id)
        assert over.status is OperationStatus.FAILED
        assert moving.gone() == []
        assert all(moving.runs(name) for name in SHOP)
        assert not list(going(edge.view, edge.releases(moving.id)))
        await edge.succeeded((await edge.update(moving.id, replicas={"web": 2})).operation)
        await edge.until(lambda: len(edge.releases(moving.id)) == 3, what="that the old copies are gone")
        assert moving.gone() == ["web", "api", "db"]

    live(tmp_path, driven)


def test_what_cannot_be_removed_keeps_what_it_depends_on_and_the_operation_ends(tmp_path: Path) -> None:
    async def driven(moving: Moving) -> None:
        edge = moving.edge
        moving.refuse("web", PlannedFault.REJECT, verb="remove")
        drain = await edge.drain(moving.home)
        over = await edge.ended(drain.id)
        assert over.status is OperationStatus.FAILED
        assert moving.gone() == []
        left = [one for one in edge.releases(moving.id) if one.site_id == moving.home]
        assert len(left) == 3
        assert not list(going(edge.view, left))
        await edge.succeeded((await edge.update(moving.id, replicas={"web": 2})).operation)
        await edge.until(lambda: len(edge.releases(moving.id)) == 3, what="that the old copies are gone")
        assert moving.gone() == ["web", "api", "db"]

    live(tmp_path, driven)


def test_paused_in_the_middle_nothing_goes_until_it_is_resumed(tmp_path: Path) -> None:
    async def driven(moving: Moving) -> None:
        edge = moving.edge
        drain = await edge.drain(moving.home)
        await moving.ready("db")
        await edge.pause(moving.id)
        await asyncio.sleep(60.0)
        assert moving.gone() == []
        resumed = await edge.resume(moving.id)
        await edge.succeeded(drain)
        await edge.ended(resumed.operation.id)
        assert moving.gone() == ["web", "api", "db"]

    live(tmp_path, driven)


@pytest.mark.parametrize("verb", ["terminate", "update", "drain again", "cancel"])
def test_what_comes_in_between_takes_over_in_the_same_order(tmp_path: Path, verb: str) -> None:
    async def driven(moving: Moving) -> None:
        edge = moving.edge
        drain = await edge.drain(moving.home)
        await moving.ready("db")
        if verb == "terminate":
            await edge.succeeded((await edge.terminate(moving.id)).operation)
        elif verb == "update":
            await edge.succeeded((await edge.update(moving.id, replicas={"web": 2})).operation)
        elif verb == "cancel":
            await edge.cancel(drain.id)
        else:
            await edge.succeeded(await edge.drain(moving.releases(new=True)["db"].site_id))
        await edge.until(lambda: not edge.view.count("Operation"), what="rest")
        await edge.until(lambda: len(moving.gone()) == 3, what="that the old copies are gone")
        assert moving.gone() == ["web", "api", "db"]
        edge.check_books()

    live(tmp_path, driven)


# What follows from small graphs


def moved(build: Builder, *, operation: Mapping[str, str] | None = None, **scope: Any) -> dict[str, Release]:
    """`web` waits for `db`; both are replaced elsewhere, where `db` is ready. By name, the old ones with a `-` before."""
    here, there = build.site(), build.site()
    db = build.component(name="db")
    web = build.component(name="web", dependencies=[Dependency(component="db", **scope)])
    one = deployed(build)
    given = {"deployment_id": one.id, "operation_id": "operation_1"}
    found = {}
    for name, component in (("web", web), ("db", db)):
        old = {**given, "operation_id": (operation or {}).get(name, "operation_1")}
        found[f"-{name}"] = build.release(
            component, here, {}, **old, generation=1, applied_generation=1, phase=ReleasePhase.READY, retires_after=2
        )
        done = {"applied_generation": 2, "phase": ReleasePhase.READY} if name == "db" else {}
        found[name] = build.release(component, there, {}, **given, generation=2, **done)
    return found


def may(build: Builder, releases: Mapping[str, Release]) -> set[str]:
    """Which of them may go."""
    [deployment_id] = {one.deployment_id for one in releases.values()}
    every = [get_as(build.view, Release, one) for one in build.view.ids("Release", "deployment_id", deployment_id)]
    ids = {one.id for one in may_go(build.view, [one for one in every if one is not None])}
    return {name for name, one in releases.items() if one.id in ids}


def goes(build: Builder, release: Release) -> bool:
    return [one.id for one in going(build.view, [release])] == [release.id]


@pytest.mark.parametrize("scope", DependencyScope)
def test_it_goes_with_the_last_that_depends_on_it(scope: DependencyScope) -> None:
    build = Builder()
    releases = moved(build, scope=scope)
    assert may(build, releases) == set()
    build.change(releases["web"], applied_generation=2, phase=ReleasePhase.READY)
    assert may(build, releases) == {"-web", "-db"}


def test_nothing_is_kept_for_what_another_operation_is_to_replace() -> None:
    build = Builder()
    assert may(build, moved(build, operation={"web": "operation_2"})) == {"-db"}


def test_nothing_is_kept_for_what_was_left_behind_but_what_was_left_with_it() -> None:
    build = Builder()
    releases = moved(build)
    releases["-web"] = build.change(releases["-web"], left_behind=True)
    assert may(build, releases) == {"-db"}
    build.change(releases["-db"], left_behind=True)
    assert may(build, releases) == set()


def test_at_another_site_it_is_kept_for_those_that_have_none_of_their_own() -> None:
    build = Builder()
    releases = moved(build)
    db, web = releases["-db"], releases["-web"]
    fields = {"deployment_id": db.deployment_id, "operation_id": "operation_1", "generation": 1, "retires_after": 2}
    another = build.release(build.view.get(db.component_id), build.site(), {}, **fields)
    assert may(build, {**releases, "-another": another}) == {"-another"}, "each has its own"
    build.remove(db)
    del releases["-db"]
    assert may(build, {**releases, "-another": another}) == set()
    build.change(web, wanted=False, retires_after=None)
    assert may(build, {**releases, "-another": another}) == {"-another"}


def test_elsewhere_nothing_is_kept_for_what_somebody_knows_to_be_gone() -> None:
    build = Builder()
    releases = moved(build, scope=EVERYWHERE)
    db, web = releases["-db"], releases["-web"]
    elsewhere = build.site()
    build.remove(db)
    given = {"deployment_id": db.deployment_id, "operation_id": "operation_1", "generation": 1, "retires_after": 2}
    releases["-db"] = build.release(build.view.get(db.component_id), elsewhere, {}, **given)
    assert may(build, releases) == set()
    build.change(build.view.get(web.site_id), fence=Fence(at=1, by="user_1"))
    assert may(build, releases) == {"-db"}


def test_it_is_on_its_way_out_as_long_as_what_it_is_kept_for_is() -> None:
    build = Builder()
    releases = moved(build)
    assert goes(build, releases["-db"])
    new = build.change(releases["web"], phase=ReleasePhase.QUARANTINED)
    assert not goes(build, releases["-web"])
    assert not goes(build, releases["-db"])
    assert not goes(build, releases["db"])
    build.change(new, wanted=False)
    assert goes(build, releases["-db"]), "nothing is to replace it any more"


def test_it_is_not_on_its_way_out_when_the_removal_of_what_goes_first_was_given_up() -> None:
    build = Builder()
    releases = moved(build)
    for name in ("-web", "-db"):
        releases[name] = build.change(releases[name], wanted=False, retires_after=None, generation=3)
    assert goes(build, releases["-db"])
    build.change(releases["-web"], phase=ReleasePhase.QUARANTINED)
    assert not goes(build, releases["-db"])


def test_what_a_version_has_no_more_goes_when_all_that_changed_is_ready() -> None:
    build = Builder()
    here = build.site()
    given = {
        "deployment_id": deployed(build).id,
        "operation_id": "operation_1",
        "generation": 1,
        "applied_generation": 1,
    }
    ready = {**given, "phase": ReleasePhase.READY}
    releases = {
        "-db": build.release(build.component(name="db"), here, {}, **ready, retires_after=2),
        "web": build.release(build.component(name="web"), here, {}, **{**given, "generation": 2}),
        "log": build.release(build.component(name="log"), here, {}, **{**given, "phase": ReleasePhase.WAITING_READY}),
    }
    assert may(build, releases) == set()
    assert goes(build, releases["-db"])
    given_up = build.change(releases["web"], phase=ReleasePhase.QUARANTINED)
    assert not goes(build, releases["-db"])
    build.change(given_up, phase=ReleasePhase.READY, applied_generation=2)
    assert may(build, releases) == {"-db"}, "what the change left alone is no matter"
