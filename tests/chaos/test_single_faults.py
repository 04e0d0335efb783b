"""One fault at a time, for as long as it likes, in logical time; each with a control that takes its defence away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from drivers.simulated.effects import Outcome
from drivers.simulated.planned import Plan, PlannedFault
from faultkit import broken
from faultkit.checks import check, check_effects, filed, rest
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.failpoints import Failpoints
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.scenarios import SCENARIOS, SMALL, Scenario, check_end, make_world, over, version_id
from faultkit.user import Notes, Told, User
from graph import graph_time
from graph.kinds import Dependency, OperationStatus, Release, ReleasePhase
from graph.refusal import AlreadyExists, IdempotencyMismatch, Unavailable
from graph.replica import Replica
from graph.request import Idempotency, Request
from graph.store import RecordPage, Transaction, WriteBatch
from graph.stores.sqlite import SqliteStore
from graph.values import HealthStatus
from graph.view import each
from lifecycle import bookkeeper, reconciler
from lifecycle.rings import Rings
from lifecycle.settings import LifecycleSettings
from lifecycle.unplaceable import Unplaceable
from lifecyclekit.claims import Absence, Calls
from lifecyclekit.edge import Edge, asking, everything
from storekit.wrappers import AwayAsAWhole

pytestmark = pytest.mark.usefixtures("quiet_logs")
HOUR_MS = 3_600_000


def lived(installation: Installation, act: Callable[[User], Awaitable[None]], *, components: int = 1) -> None:
    """Has a user act in one life, then checks all."""

    async def live() -> None:
        async with installation.life() as edge:
            await make_world(edge, components=components)
            user = User(edge, Notes({}))
            await act(user)
            await rest(edge)
            await check(edge, user.notes.told)

    run(live())


# Replies lost


async def through_lost_replies(user: User) -> None:
    edge = user.edge
    await edge.configure(observeEveryMs=1_000, latencyMs=20, latencyJitterMs=100, lostReplyRate=0.3)
    edge.deadline_s = 600.0
    shops = [await user.deploy(f"d{number}", sites=edge.site_ids) for number in range(8)]
    for number, shop in enumerate(shops):
        await over(user, shop.operation)
        for replicas in (2, 3):
            told = await user.scale(f"d{number} to {replicas}", shop.deployment, c0=replicas)
            await over(user, told.operation)
    told = await user.terminate("end", shops[0].deployment, delete=True)
    await over(user, told.operation)


OBSERVED_LATE_S = 3.0
"""Later than a call is made again: who sees at once what a lost reply would have told makes no second call."""


def test_with_three_of_ten_replies_lost_nothing_is_done_twice(tmp_path: Path) -> None:
    installation = Installation(tmp_path, observed_after_s=OBSERVED_LATE_S)
    lived(installation, through_lost_replies)
    [world] = [world for world, _ in installation.simulated._worlds.values()]
    again = [one for one in world.effects.after(0) if one.outcome is Outcome.NOTHING]
    assert len(again) > 5, "no call was made twice"


def test_a_backend_that_does_again_what_it_has_done_is_found_out(tmp_path: Path) -> None:
    with broken.without_idempotence(), pytest.raises(AssertionError, match="applied twice to effect"):
        lived(Installation(tmp_path, observed_after_s=OBSERVED_LATE_S), through_lost_replies)


# Equal changes at once

AT_ONCE = 50


def keyed(key: str, body: str) -> Request:
    return asking("deploy", idempotency=Idempotency(key=key, body_digest=body))


def remembered(started: Any, revision: int) -> bytes:
    return str(started.operation.id).encode()


def deploying(edge: Edge, shop: str, request: Request) -> Awaitable[Any]:
    wish = edge.wish("another", sites=edge.site_ids[:2])
    return edge.lifecycle.deploy(wish, request, visible=everything, remember=remembered)


def scaling(edge: Edge, shop: str, request: Request) -> Awaitable[Any]:
    return edge.lifecycle.scale(shop, {"c0": 2}, request, visible=everything, remember=remembered)


def terminating(edge: Edge, shop: str, request: Request) -> Awaitable[Any]:
    return edge.lifecycle.terminate(shop, request, visible=everything, remember=remembered)


CHANGES = {"deploy": deploying, "scale": scaling, "terminate": terminating}


async def fifty(edge: Edge, name: str, request: Callable[[int], Request]) -> list[Any]:
    """The same change asked for fifty times at once; what each was answered."""
    shop, operation = await edge.deploy(sites=edge.site_ids[:2])
    await edge.succeeded(operation)
    calls = (CHANGES[name](edge, shop.id, request(number)) for number in range(AT_ONCE))
    return list(await asyncio.gather(*calls, return_exceptions=True))


def answered(tmp_path: Path, request: Callable[[int], Request], *, name: str = "deploy") -> list[Any]:
    """The answers to fifty, after which as much was done as one of them does."""

    async def live() -> list[Any]:
        async with Installation(tmp_path).life() as edge:
            await make_world(edge)
            answers = await fifty(edge, name, request)
            await rest(edge)
            assert edge.view.count("Deployment") == (2 if name == "deploy" else 1)
            check_effects(edge)
            edge.check_books()
            records = await edge.ledger.store.records(RecordPage(collection="Operation", limit=10_000))
            assert len(records) == 2, f"{len(records) - 1} operations were begun for one change"
            return answers

    return run(live())


def operation_of(answer: Any) -> str:
    if isinstance(answer, BaseException):
        raise answer
    return str(answer.value.operation.id) if answer.replayed is None else answer.replayed.decode()


def check_answers(answers: list[Any]) -> None:
    told = [operation_of(one) for one in answers]
    assert len(told) == AT_ONCE
    assert len(set(told)) == 1, "equal changes with one key were answered with several operations"
    made = sum(one.replayed is None for one in answers)
    assert made == 1, f"{made} of {AT_ONCE} equal changes with one key were made, and not answered as the first"


@pytest.mark.parametrize("name", CHANGES)
def test_fifty_equal_changes_with_one_key_are_one_change_with_fifty_equal_answers(tmp_path: Path, name: str) -> None:
    check_answers(answered(tmp_path, lambda number: keyed("k", "same"), name=name))


@pytest.mark.parametrize(
    ("name", "problem", "told"),
    [
        ("deploy", AlreadyExists, "another"),
        ("scale", AssertionError, "operations were begun for one change"),
        # Who asks for the end of what is ending is told of that end: only that it was not kept is seen.
        ("terminate", AssertionError, "50 of 50 equal changes with one key were made"),
    ],
)
def test_who_looks_for_no_key_is_found_out(tmp_path: Path, name: str, problem: type[Exception], told: str) -> None:
    with broken.without_looking_for_keys(), pytest.raises(problem, match=told):
        check_answers(answered(tmp_path, lambda number: keyed("k", "same"), name=name))


@pytest.mark.parametrize("name", CHANGES)
def test_another_body_under_the_same_key_is_refused_each_time(tmp_path: Path, name: str) -> None:
    answers = answered(tmp_path, lambda number: keyed("k", f"body {number}"), name=name)
    refused = [one for one in answers if isinstance(one, IdempotencyMismatch)]
    assert len(refused) == AT_ONCE - 1


def test_without_a_key_the_name_lets_one_of_fifty_through(tmp_path: Path) -> None:
    answers = answered(tmp_path, lambda number: asking("deploy"))
    assert sum(isinstance(one, AlreadyExists) for one in answers) == AT_ONCE - 1


# A poison site among two hundred

POISONED = {"observeEveryMs": 5_000, "failingSites": ["s77"]}


async def poisoned(edge: Edge) -> OperationStatus | None:
    """How a deployment to 200 sites of which one refuses everything has ended an hour later; None: it has not."""
    await edge.network(sites=200, nodes=1, **POISONED)
    await edge.version(web=SMALL)
    deployment, operation = await edge.deploy()
    edge.deadline_s = CONVERGED_WITHIN_S
    await edge.until(
        lambda: sum(one.phase is ReleasePhase.READY for one in edge.releases(deployment.id)) == 199, what="199 of 200"
    )
    await asyncio.sleep(3_600)
    ended = await filed(edge, operation.id)
    given_up = [one for one in edge.releases(deployment.id) if one.phase is ReleasePhase.QUARANTINED]
    assert len(given_up) == (0 if ended is None else 1)
    return None if ended is None else ended.status


@pytest.mark.parametrize(("tries", "ends"), [(8, OperationStatus.PARTIAL), (100_000, None)])
def test_a_poison_site_is_given_up_and_199_others_are_done(
    tmp_path: Path, tries: int, ends: OperationStatus | None
) -> None:
    """The control is the second: who never gives up never ends."""

    async def live() -> OperationStatus | None:
        async with Installation(tmp_path, settings=LifecycleSettings(quarantine_after=tries)).life() as edge:
            return await poisoned(edge)

    assert run(live()) is ends


# A site away for days


class Toll(NamedTuple):
    """What a site that is away has cost."""

    attempts: int
    """Calls to it while it was."""
    others_s: float
    """How long the others took to be as three changes wanted them, by the loop's clock."""


CALLED_A_DAY = 300
LATENCY = {"latencyMs": 20, "latencyJitterMs": 40}


async def away(user: User, *, hours: float, absent: bool = True, hangs: bool = False) -> Toll:
    """Three changes in so many hours, with a site that does not answer meanwhile, or, for comparison, does.

    hangs: it takes calls and never ends them, instead of being seen to be away.
    """
    edge = user.edge
    shop = await user.deploy("shop", sites=edge.site_ids)
    await over(user, shop.operation)
    lost = edge.site_ids[1]
    fault = {"hangingSites" if hangs else "awaySites": ["s1"] if absent else []}
    await edge.configure(observeEveryMs=60_000, **fault, **LATENCY)
    if absent and not hangs:
        await edge.until(lambda: edge.site(1).health.status is HealthStatus.DOWN, what="site down")
    called, others_s = edge.world().calls[lost], 0.0

    def others_are_ready() -> bool:
        found = [one for one in edge.releases(shop.deployment) if one.site_id != lost]
        return all(one.phase is ReleasePhase.READY and one.applied_generation >= one.generation for one in found)

    for day in range(3):
        began = asyncio.get_running_loop().time()
        await user.scale(f"day {day}", shop.deployment, c0=2 + day)
        await edge.until(others_are_ready, what="the others")
        took = asyncio.get_running_loop().time() - began
        others_s += took
        await asyncio.sleep(hours * 1_200 - took)
    attempts = edge.world().calls[lost] - called
    [waits] = [one for one in edge.releases(shop.deployment) if one.site_id == lost]
    assert (waits.phase is ReleasePhase.WAITING_SITE) is absent
    await edge.configure(observeEveryMs=1_000)
    await rest(edge)
    if absent:
        done = [one.generation for one in edge.world().effects.lasting() if one.name == waits.backend_name]
        assert done == [1, waits.generation], "it got what it had missed"
    return Toll(attempts, others_s)


def toll_of_away(installation: Installation, **given: Any) -> Toll:
    tolls: list[Toll] = []

    async def act(user: User) -> None:
        tolls.append(await away(user, **given))

    lived(installation, act)
    return tolls[0]


def check_away(tmp_path: Path, *, hours: float, hangs: bool = False, settings: LifecycleSettings | None = None) -> None:
    """A site that is away is called now and then, and costs the others a tenth of their time at the most."""
    (tmp_path / "all").mkdir()
    (tmp_path / "away").mkdir()
    without = toll_of_away(Installation(tmp_path / "all", settings=settings), hours=hours, absent=False)
    assert without.others_s > 0
    found = toll_of_away(Installation(tmp_path / "away", settings=settings), hours=hours, hangs=hangs)
    days = max(1.0, hours / 24)
    assert found.others_s <= 1.1 * without.others_s, f"the others took {found.others_s:g}, not {without.others_s:g} s"
    assert found.attempts <= CALLED_A_DAY * days, f"{found.attempts} calls to a site that is away for {hours} h"


@pytest.mark.parametrize("hours", [2, 24, pytest.param(72, marks=pytest.mark.chaos)])
def test_a_site_that_was_away_for_long_is_called_seldom_holds_up_nobody_and_gets_only_the_latest(
    tmp_path: Path, hours: int
) -> None:
    check_away(tmp_path, hours=hours)


def test_a_site_that_is_called_again_as_soon_as_any_that_refused_is_found_out(tmp_path: Path) -> None:
    with mock.patch.object(reconciler, "PROBE_PAUSES", 1.0), pytest.raises(AssertionError, match="calls to a site"):
        check_away(tmp_path, hours=24)


def test_calls_that_wait_in_line_behind_a_site_that_does_not_end_its_own_are_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the others (took|never came)"):
        check_away(tmp_path, hours=1, hangs=True, settings=LifecycleSettings(concurrency=1))


def test_a_site_whose_return_nobody_hears_is_found_out(tmp_path: Path) -> None:
    with (
        mock.patch.object(Rings, "_site_answers"),
        mock.patch.object(Rings, "way_answers"),
        mock.patch.object(Rings, "cluster_connected"),
        pytest.raises(AssertionError, match="rest never came"),
    ):
        toll_of_away(Installation(tmp_path), hours=1)


# Clocks


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_clock_that_is_an_hour_off_and_is_set_right_in_the_middle_changes_nothing(
    tmp_path: Path, name: str, hours: int
) -> None:
    set_right_in(SCENARIOS[name], Installation(tmp_path), hours=hours)


def test_a_graph_whose_time_stands_until_the_clock_is_past_it_is_found_out(tmp_path: Path) -> None:
    with mock.patch.object(graph_time, "RATE", 0.0), pytest.raises(AssertionError, match="never came"):
        set_right_in(SCENARIOS["failover"], Installation(tmp_path), hours=1)


def set_right_in(scenario: Scenario, installation: Installation, *, hours: int) -> None:
    installation.clock.ahead_ms = hours * HOUR_MS

    async def live() -> None:
        async with installation.life() as edge:
            await make_world(edge, chained=scenario.chained)
            user = User(edge, Notes({}))

            def begun() -> None:
                asyncio.get_running_loop().call_later(0.05, setattr, installation.clock, "ahead_ms", 0)

            await scenario.act(user, begun)
            await rest(edge)
            await check(edge, user.notes.told, partial=scenario.partial)
            check_end(edge, scenario)

    run(live())


async def refused_then_set_back(installation: Installation, edge: Edge) -> None:
    await make_world(edge)
    await edge.connected()
    installation.driver.open[0]._cluster.plans.add(Plan(fault=PlannedFault.REFUSE, count=4))
    await edge.deploy(sites=edge.site_ids[:1])
    await edge.until(lambda: any(one.failures == 3 for one in each(edge.view, Release)), what="refusals")
    installation.clock.ahead_ms = -HOUR_MS
    await rest(edge)


async def over_time_then_set_back(installation: Installation, edge: Edge) -> None:
    """An operation that can never end has a deadline in ten seconds, and the clock is set back an hour before that."""
    await make_world(edge)
    await edge.configure(observeEveryMs=1_000, awaySites=["s1"])
    wish = edge.wish("shop", sites=edge.site_ids)
    asked = await edge.lifecycle.deploy(wish, asking("deploy"), visible=everything, deadline_s=10.0)
    operation = asked.value.operation
    await asyncio.sleep(5.0)
    assert edge.view.get(operation.id) is not None
    installation.clock.ahead_ms -= HOUR_MS
    assert (await edge.ended(operation.id)).error.code == "DEADLINE_PASSED"


async def settled_then_set_back(installation: Installation, edge: Edge) -> None:
    """A component is given five seconds to settle, and the clock is set back an hour meanwhile."""
    await edge.network(sites=1, nodes=1, observeEveryMs=1_000)
    waits = {"dependencies": [Dependency(component="db", wait_seconds=5)]}
    await edge.version(db=SMALL, web={**SMALL, **waits})
    deployment, _ = await edge.deploy()
    await edge.until(
        lambda: (
            [one.phase for one in edge.releases(deployment.id)].count(ReleasePhase.WAITING_DEPENDENCY) == 1
            and any(one.phase is ReleasePhase.READY for one in edge.releases(deployment.id))
        ),
        what="the first component",
    )
    installation.clock.ahead_ms -= HOUR_MS
    await rest(edge)


SET_BACK = {
    "a pause after refusals": refused_then_set_back,
    "a deadline": over_time_then_set_back,
    "a time to settle": settled_then_set_back,
}


@pytest.mark.parametrize("name", SET_BACK)
def test_what_the_graph_says_is_due_comes_though_the_clock_was_set_back_an_hour(tmp_path: Path, name: str) -> None:
    set_back_in(name, tmp_path)


@pytest.mark.parametrize("name", SET_BACK)
def test_who_holds_times_of_the_graph_against_the_machines_clock_is_found_out(tmp_path: Path, name: str) -> None:
    with broken.by_the_machines_clock(), pytest.raises(AssertionError, match="never came"):
        set_back_in(name, tmp_path)


def set_back_in(name: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, settings=LifecycleSettings(backoff_cap_s=1e9))

    async def live() -> None:
        async with installation.life() as edge:
            await SET_BACK[name](installation, edge)

    run(live())


@pytest.mark.parametrize("within_s", [5.0, 1e9])
def test_a_wrong_time_holds_nothing_for_longer_than_any_pause(tmp_path: Path, within_s: float) -> None:
    """The control is the second: a pause without a bound is as long as the clocks are apart."""
    installation = Installation(tmp_path, settings=LifecycleSettings(backoff_cap_s=within_s))

    async def live() -> None:
        async with installation.life() as edge:
            await refused_then_set_back(installation, edge)

    with broken.by_the_machines_clock():
        if within_s < CONVERGED_WITHIN_S:
            run(live())
        else:
            with pytest.raises(AssertionError, match="rest never came"):
                run(live())


# The store away


AT_ONCE_AWAY = 2
"""Calls at once while the store goes: most of what is to be done is left then."""


async def without_a_store(installation: Installation, store: AwayAsAWhole) -> Absence:
    """Five minutes without the store in the middle of a change; what was called meanwhile."""
    calls = Calls()
    async with installation.life(Failpoints(tell=calls.told)) as edge:
        calls.reader = edge.view
        await make_world(edge, components=8)
        user = User(edge, Notes({}))
        shop = await user.deploy("shop", sites=edge.site_ids)
        await over(user, shop.operation)
        before = len(calls.begun)
        await user.update("update", shop.deployment, app_version_id=version_id(edge, "2"))
        await edge.until(lambda: len(calls.begun) > before, what="a call")
        store.away = True
        gone, claimed = len(calls.begun), calls.claimed()
        with pytest.raises(Unavailable) as refused:
            await user.scale("scale", shop.deployment, c0=3)
        assert refused.value.remedy is not None
        await asyncio.sleep(5.0)
        assert edge.ledger.stale
        assert edge.deployment(shop.deployment) is not None, "reads go on"
        await asyncio.sleep(295.0)
        left = len(edge.releases(shop.deployment)) - (gone - before)
        absence = Absence(left=left, claimed=claimed, begun=len(calls.begun) - gone, unclaimed=len(calls.unclaimed))
        absence.check(least_left=left // 2)
        store.away = False
        await edge.until(lambda: edge.ledger.writable, what="the store")
        await user.scale("scale", shop.deployment, c0=3)
        await rest(edge)
        await check(edge, user.notes.told)
        assert not calls.unclaimed
        return absence


def away_for_five_minutes(tmp_path: Path) -> Absence:
    store = AwayAsAWhole(SqliteStore(tmp_path / "graph.db"))
    settings = LifecycleSettings(concurrency=AT_ONCE_AWAY)
    return run(without_a_store(Installation(tmp_path, settings=settings, store_of=lambda path: store), store))


def test_without_its_store_only_what_was_claimed_is_called_and_afterwards_all_is_finished(tmp_path: Path) -> None:
    assert away_for_five_minutes(tmp_path).left > 20


@pytest.mark.parametrize(
    ("worker", "what"),
    [
        (broken.called_whether_or_not_the_store_is_there, "calls were begun without the store"),
        (broken.called_before_it_is_claimed, "calls"),
    ],
)
def test_who_calls_what_is_not_claimed_while_the_store_is_away_is_found_out(
    tmp_path: Path, worker: Callable[[], Any], what: str
) -> None:
    with worker(), pytest.raises(AssertionError, match=what):
        away_for_five_minutes(tmp_path)


def test_who_does_not_ask_whether_the_store_is_back_is_found_out(tmp_path: Path) -> None:
    with mock.patch.object(Replica, "mark_fresh"), pytest.raises(AssertionError, match="the store never came"):
        away_for_five_minutes(tmp_path)


class SlowOnce(AwayAsAWhole):
    """The embedded store, one of whose commits takes as long as it is told."""

    slow_s = 0.0

    async def write(self, transaction: Transaction, batch: WriteBatch) -> None:
        if self.slow_s and any(one.action == "lifecycle.progress" for one in batch.commits):
            slow_s, self.slow_s = self.slow_s, 0.0
            await asyncio.sleep(slow_s)
        await super().write(transaction, batch)


def one_slow_commit(tmp_path: Path) -> None:
    """What the books are brought up to date with takes 20 s once, as while a database is back and still reads its files."""
    store = SlowOnce(SqliteStore(tmp_path / "graph.db"))

    async def live() -> None:
        async with Installation(tmp_path, store_of=lambda path: store).life() as edge:
            await make_world(edge)
            store.slow_s = 20.0
            _, operation = await edge.deploy()
            await edge.ended(operation.id)
            assert not store.slow_s, "nothing was slow"

    run(live())


def test_one_slow_commit_holds_up_the_books_for_as_long_as_it_takes(tmp_path: Path) -> None:
    one_slow_commit(tmp_path)


def test_books_that_rest_for_many_times_as_long_as_a_slow_commit_are_found_out(tmp_path: Path) -> None:
    with mock.patch.object(bookkeeper, "LONGEST_REST_S", 1e9), pytest.raises(AssertionError, match="never came"):
        one_slow_commit(tmp_path)


# The store full


async def until_full(installation: Installation) -> tuple[dict[str, Told], int]:
    """Deploys until the store takes no more; what was acknowledged, and how often it was refused."""
    notes, refused = Notes({}), 0
    async with installation.life() as edge:
        await make_world(edge)
        installation.know(edge)
        user = User(edge, notes)
        for number in range(120):
            try:
                await user.deploy(f"d{number}", sites=edge.site_ids, app_version_id=version_id(edge, "1"))
            except Unavailable:
                refused += 1
                if refused == 3:
                    break
            except Unplaceable:
                break
            await asyncio.sleep(0.2)
    return notes.told, refused


def test_a_full_store_refuses_what_it_has_no_room_for_and_has_all_that_it_took(tmp_path: Path) -> None:
    """The control, a store that says it has what it had no room for, is with the store's own tests."""
    room = [1 << 20]
    installation = Installation(tmp_path, store_of=lambda path: SqliteStore(path, max_bytes=room[0]))

    async def live() -> None:
        told, refused = await until_full(installation)
        assert told
        assert refused == 3, "it was never full"
        room[0] = 64 << 20
        async with installation.life() as edge:
            await rest(edge)
            await check(edge, told)

    run(live())
