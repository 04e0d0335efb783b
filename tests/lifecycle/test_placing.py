"""Decisions in threads: given up with whoever asked, and in full words only where they are filed."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from graph import courtesy
from graph.kinds import Plan
from graph.kinds.policy import PlacementPolicy
from graph.kinds.what_if import Change, SiteLost
from graph.store import RecordPage
from lifecycle import placing, placing_together
from lifecycle.deployments import DECISIONS
from lifecycle.plans import Wanted
from lifecycle.plans_steps import COLLECTION, step_filed
from lifecycle.requests import own_request
from lifecycle.unplaceable import Unplaceable
from lifecyclekit.edge import Edge, asking, everything
from placement.decision import Decision
from placement.filed_decision import decision_filed
from placement.stopping import Stopped
from placement.verdict import Verdict

BOUND_S = 30.0
ONE = PlacementPolicy(max_sites=1)
HOPELESS = PlacementPolicy(min_sites=9)


class Held:
    """A decision that is made for as long as nobody asks for it to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        self.begun, self.stopped = threading.Event(), threading.Event()
        decide = getattr(where, name)

        def deciding(problem: Any, *, limits: Any) -> Any:
            if self.begun.is_set():
                return decide(problem, limits=limits)
            self.begun.set()
            while not limits.stop.asked:
                threading.Event().wait(0.001)
            self.stopped.set()
            raise Stopped

        monkeypatch.setattr(where, name, deciding)

    async def given_up(self, asking_for_it: asyncio.Task[Any]) -> None:
        """Cancels whoever asks once it has begun."""
        assert await asyncio.to_thread(self.begun.wait, BOUND_S)
        asking_for_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking_for_it
        assert self.stopped.is_set(), "whoever asked is gone before the thread is"


async def world(edge: Edge) -> Edge:
    await edge.network(sites=3)
    await edge.version()
    return edge


@pytest.mark.parametrize("supposed", [False, True])
async def test_a_plan_that_is_given_up_stops_its_search_and_the_next_has_its_turn(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, supposed: bool
) -> None:
    await world(edge)
    changes = [Change(site_lost=SiteLost(site_id=edge.site_ids[0]))] if supposed else []

    def plan() -> asyncio.Task[Any]:
        wish = edge.wish("shop", policy=ONE)
        return asyncio.create_task(edge.lifecycle.dry_runs.deployment(wish, visible=everything, changes=changes))

    for _ in range(3):  # more than may be made at once
        held = Held(monkeypatch, placing, "decide")
        await held.given_up(plan())
    assert (await plan()).decision.feasible


async def test_the_systems_own_changes_wait_while_what_is_asked_for_is_decided(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courtesy, "HOLD_S", 600.0)
    begun, goes_on = threading.Event(), threading.Event()
    decide = placing.decide

    def deciding(problem: Any, *, limits: Any) -> Any:
        begun.set()
        assert goes_on.wait(BOUND_S)
        return decide(problem, limits=limits)

    async with edges(running=False) as edge:
        await world(edge)
        monkeypatch.setattr(placing, "decide", deciding)
        asked = asyncio.create_task(edge.deploy(policy=ONE))
        assert await asyncio.to_thread(begun.wait, BOUND_S)
        own = asyncio.create_task(
            edge.ledger.commit(
                lambda edit: edit.replace(edit.get(edge.site_ids[0]), display_name="own"), own_request("own")
            )
        )
        for _ in range(20):
            await asyncio.sleep(0)
        assert not own.done()
        goes_on.set()
        await asked
        await own
        actions = [one.action for one in await edge.ledger.commits_after(0)]
        assert actions[-2:] == ["deploy", "own"]


async def test_a_drain_that_is_only_looked_at_is_given_up_as_well(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    await world(edge)
    deployment, operation = await edge.deploy(policy=ONE)
    await edge.succeeded(operation)
    [home] = {one.site_id for one in edge.releases(deployment.id)}
    held = Held(monkeypatch, placing_together, "repair")
    await held.given_up(asyncio.create_task(edge.lifecycle.dry_runs.drain(home, visible=everything)))
    plan = await edge.lifecycle.dry_runs.drain(home, visible=everything)
    assert [one.decision is not None and one.decision.feasible for one in plan.steps] == [True]


def whole(decision: Decision) -> Decision:
    return decision.whole() if isinstance(decision, Verdict) else decision


async def filed(edge: Edge, collection: str) -> list[Any]:
    return list(await edge.ledger.store.records(RecordPage(collection=collection, limit=10)))


@pytest.mark.parametrize("policy", [ONE, HOPELESS], ids=["feasible", "hopeless"])
async def test_a_plan_that_is_kept_has_all_that_one_that_is_looked_at_can_show(
    edge: Edge, policy: PlacementPolicy
) -> None:
    await world(edge)
    looked_at = await edge.lifecycle.dry_runs.deployment(edge.wish("shop", policy=policy), visible=everything)
    assert (looked_at.body, isinstance(looked_at.decision, Verdict)) == (None, True)
    kept = await edge.lifecycle.plans.keep(
        Wanted(wish=edge.wish("shop", policy=policy)),
        asking("createPlan"),
        visible=everything,
        allowed=lambda reader, plan: None,
    )
    assert isinstance(kept.value, Plan)
    [record] = await filed(edge, COLLECTION)
    decision = step_filed(record).decision
    assert decision is not None
    assert decision.refusals
    before = whole(looked_at.decision)
    assert (decision.placements, decision.objective, decision.status) == (
        before.placements,
        before.objective,
        before.status,
    )
    assert decision.refusals == before.refusals


@pytest.mark.parametrize(
    ("policy", "wait", "files"), [(ONE, False, 1), (ONE, True, 1), (HOPELESS, False, 0), (HOPELESS, True, 1)]
)
async def test_words_for_every_site_are_made_in_the_thread_and_only_of_what_is_filed(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, policy: PlacementPolicy, wait: bool, files: int
) -> None:
    await world(edge)
    on_loop: list[bool] = []
    loop_thread, made = threading.current_thread(), Verdict.whole

    def watched(self: Verdict, **given: Any) -> Decision:
        on_loop.append(threading.current_thread() is loop_thread)
        return made(self, **given)

    monkeypatch.setattr(Verdict, "whole", watched)
    begun = edge.lifecycle.deploy(edge.wish("shop", policy=policy), asking("deploy"), visible=everything, wait=wait)
    if files:
        await begun
    else:
        with pytest.raises(Unplaceable) as refusal:
            await begun
        assert isinstance(refusal.value.decision, Verdict)
    records = await filed(edge, DECISIONS)
    assert len(records) >= files
    assert on_loop[:files] == [False] * files
    assert not any(on_loop)
    for one in records:
        assert decision_filed(one.body).refusals


@pytest.mark.parametrize("supposed", [False, True])
async def test_a_bound_is_computed_in_the_thread_and_only_when_it_is_asked_for(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, supposed: bool
) -> None:
    await world(edge)
    changes = [Change(site_lost=SiteLost(site_id=edge.site_ids[0]))] if supposed else []
    on_loop: list[bool] = []
    loop_thread, bounded = threading.current_thread(), placing.bounded

    def watched(verdict: Verdict, **given: Any) -> Verdict:
        on_loop.append(threading.current_thread() is loop_thread)
        return bounded(verdict, **given)

    monkeypatch.setattr(placing, "bounded", watched)
    wish = edge.wish("shop", policy=ONE)
    plain = await edge.lifecycle.dry_runs.deployment(wish, visible=everything, changes=changes)
    assert on_loop == []
    told = await edge.lifecycle.dry_runs.deployment(wish, visible=everything, changes=changes, bound=True)
    assert on_loop == [False]
    assert told.decision.placements == plain.decision.placements
