"""Releases are claimed before there is a slot for their call, and what is called is bounded as ever."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.port import RemovalWork
from graph.kinds import Deployment, Operation, Release, ReleasePhase
from graph.ledger import Ledger
from lifecycle import reconciler
from lifecycle.settings import LifecycleSettings
from lifecycle.slots import PATIENCE_S, Slots
from lifecycle.work import Claim
from lifecyclekit.edge import Edge

SETTINGS = LifecycleSettings(concurrency=4, concurrency_per_cluster=3)


def one(number: int, cluster: str = "c") -> Claim:
    release = Release(id=f"release_{number}", deployment_id="d", component_id="k", site_id="s", tenant_id="t")
    work = RemovalWork(name=f"r{number}", owner=cluster, site_id="s", site="s", generation=1)
    return Claim(release, cluster, work)


def begun(slots: Slots, *, now: float = 0.0) -> list[Claim]:
    return slots.begin(lambda claim: True, now=now)[0]


def paced(*, claim_s: float, call_s: float, settings: LifecycleSettings = SETTINGS) -> Slots:
    """What has seen one claim and one call."""
    slots = Slots(settings)
    slots.put([one(0)], took_s=claim_s)
    for claim in begun(slots):
        slots.ended(claim, took_s=call_s)
    return slots


def test_nothing_is_claimed_ahead_before_a_call_has_ended() -> None:
    slots = Slots(SETTINGS)
    assert slots.wanted == 0
    slots.put([one(1)], took_s=0.1)
    begun(slots)
    assert slots.wanted == 0


@pytest.mark.parametrize(
    ("claim_s", "call_s", "wanted"),
    [(0.05, 0.2, 4), (0.01, 0.2, 1), (0.001, 30.0, 1), (5.0, 0.2, 4), (0.0, 0.2, 0), (0.05, 0.0, 0)],
)
def test_as_many_are_claimed_ahead_as_end_within_a_few_claims_and_no_more_than_are_called(
    claim_s: float, call_s: float, wanted: int
) -> None:
    assert paced(claim_s=claim_s, call_s=call_s).wanted == wanted


def silent(claim: Claim, since: float) -> bool:
    return False


def test_calls_that_hang_give_their_slots_back_and_count_for_their_cluster() -> None:
    slots = Slots(SETTINGS)
    slots.put([one(number) for number in range(4)] + [one(number, "d") for number in range(4, 8)], took_s=0.1)
    called = begun(slots)
    assert [claim.cluster_id for claim in called] == ["c", "c", "c", "d"]
    assert slots.set_aside(silent, now=PATIENCE_S - 0.1) == []
    assert slots.set_aside(lambda claim, since: claim.cluster_id == "d", now=PATIENCE_S) == called[:3]
    assert slots.set_aside(silent, now=PATIENCE_S) == [], "the fourth was answered meanwhile"
    assert [claim.cluster_id for claim in begun(slots, now=PATIENCE_S)] == ["d", "d"], "c has all that it may have"
    slots.ended(called[0], took_s=30.0)
    assert [claim.cluster_id for claim in begun(slots, now=PATIENCE_S)] == ["c"]
    slots.ended(called[3], took_s=0.2)
    assert [claim.cluster_id for claim in begun(slots, now=PATIENCE_S)] == ["d"]
    assert begun(slots, now=PATIENCE_S) == []


def test_no_more_hang_without_a_slot_than_there_are_slots() -> None:
    slots = Slots(dataclasses.replace(SETTINGS, concurrency=2, concurrency_per_cluster=9))
    slots.put([one(number) for number in range(9)], took_s=0.1)
    for turn in range(3):
        begun(slots, now=turn * PATIENCE_S)
        assert len(slots.set_aside(silent, now=(turn + 1) * PATIENCE_S)) == (0 if turn else 2)


def test_when_to_look_next_for_calls_that_hang_follows_the_one_that_was_heard_of_longest_ago() -> None:
    slots = Slots(SETTINGS)
    assert slots.patient_until() is None
    slots.put([one(1), one(2, "d")], took_s=0.1)
    first, second = begun(slots, now=1.0)
    assert slots.patient_until() == 1.0 + PATIENCE_S
    slots.set_aside(lambda claim, since: claim is first, now=1.0 + PATIENCE_S)
    assert slots.patient_until() == 1.0 + 2 * PATIENCE_S
    slots.ended(first, took_s=5.0)
    slots.ended(second, took_s=5.0)
    assert slots.patient_until() is None


def test_the_pace_follows_what_calls_take_of_late() -> None:
    slots = paced(claim_s=0.05, call_s=0.2)
    for number in range(40):
        slots.put([one(number)], took_s=0.05)
        for claim in begun(slots):
            slots.ended(claim, took_s=30.0)
    assert slots.wanted == 1


def test_a_claim_that_is_outdated_when_its_turn_comes_is_dropped_and_takes_no_slot() -> None:
    slots = Slots(dataclasses.replace(SETTINGS, concurrency=1))
    slots.put([one(1), one(2), one(3)], took_s=0.1)
    found, dropped = slots.begin(lambda claim: claim.release.id != "release_1", now=0.0)
    assert [claim.release.id for claim in dropped] == ["release_1"]
    assert [claim.release.id for claim in found] == ["release_2"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 9)), max_size=80))
def test_calls_stay_within_their_bounds_and_each_claim_is_called_once(steps: list[tuple[bool, str, int]]) -> None:
    slots = Slots(SETTINGS)
    calling: list[Claim] = []
    put = came = 0
    for ends, cluster, number in steps:
        if ends and calling:
            slots.ended(calling.pop(number % len(calling)), took_s=0.1)
        else:
            slots.put([one(put + more, cluster) for more in range(number % 3)], took_s=0.1)
            put += number % 3
        found = begun(slots)
        came += len(found)
        calling += found
        per_cluster = Counter(claim.cluster_id for claim in calling)
        assert len(calling) <= SETTINGS.concurrency
        assert all(count <= SETTINGS.concurrency_per_cluster for count in per_cluster.values())
        assert not begun(slots), "a slot is free and a claim waits"
    while calling:
        for claim in calling:
            slots.ended(claim, took_s=0.1)
        calling = begun(slots)
        came += len(calling)
    assert came == put


class Held:
    """Calls that are held until they are let go, in the order in which they began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[Release] = []
        self._go = asyncio.Event()
        inner = reconciler.outcome_of

        async def outcome_of(claim: Claim, *given: Any, **named: Any) -> Any:
            self.begun.append(claim.release)
            await self._go.wait()
            return await inner(claim, *given, **named)

        monkeypatch.setattr(reconciler, "outcome_of", outcome_of)
        monkeypatch.setattr(Slots, "wanted", property(lambda slots: 1))

    def let_go(self) -> None:
        self._go.set()


@contextlib.asynccontextmanager
async def claimed_ahead(
    edges: Any, quick: LifecycleSettings, monkeypatch: pytest.MonkeyPatch, *, sites: int
) -> AsyncIterator[tuple[Edge, Held, Deployment, Operation]]:
    """A deployment to some sites: the call of one is held, another is claimed ahead of it, and the others wait."""
    async with edges(settings=dataclasses.replace(quick, concurrency=1)) as edge:
        held = Held(monkeypatch)
        await edge.network(sites=sites)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.phases(deployment.id, APPLYING=2, PENDING=sites - 2)
        await edge.until(lambda: held.begun, what="a call")
        yield edge, held, deployment, operation


async def test_what_was_claimed_ahead_is_claimed_but_not_called_until_a_slot_is_free(edges, quick, monkeypatch) -> None:
    async with claimed_ahead(edges, quick, monkeypatch, sites=3) as (edge, held, deployment, operation):
        assert len(held.begun) == 1
        held.let_go()
        await edge.succeeded(operation)
        assert Counter(release.id for release in held.begun) == Counter(one.id for one in edge.releases(deployment.id))
        edge.check_books()


async def test_what_was_claimed_ahead_and_changes_meanwhile_is_not_called_as_it_was(edges, quick, monkeypatch) -> None:
    async with claimed_ahead(edges, quick, monkeypatch, sites=2) as (edge, held, deployment, _):
        [first] = held.begun
        operation = (await edge.scale(deployment.id, web=2)).operation
        held.let_go()
        await edge.succeeded(operation)
        other = [release for release in held.begun if release.id != first.id]
        assert [release.generation for release in other] == [edge.deployment(deployment.id).generation]
        assert all(one.phase is ReleasePhase.READY for one in edge.releases(deployment.id))
        edge.check_books()


async def test_what_was_claimed_ahead_is_not_called_while_the_store_is_away(edges, quick, monkeypatch) -> None:
    async with claimed_ahead(edges, quick, monkeypatch, sites=2) as (edge, held, deployment, operation):
        with monkeypatch.context() as away:
            away.setattr(Ledger, "writable", property(lambda ledger: False))
            held.let_go()
            await edge.phases(deployment.id, APPLYING=1, READY=1)
            assert len(held.begun) == 1
        await edge.succeeded(operation)
        assert len(held.begun) == 2
