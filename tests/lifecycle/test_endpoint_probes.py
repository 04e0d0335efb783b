"""A control plane that is left alone is tried again, whatever became of the release whose turn it was to try it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from drivers.port import BackendUnreachable
from graph.kinds import Dependency, DeploymentPhase, ReleasePhase
from graph.refusal import Unavailable
from lifecycle import reconciler
from lifecyclekit.edge import QUICK, AtHand, Edge

LEFT_ALONE = dataclasses.replace(QUICK, breaker_after=1)
"""One call without an answer is enough."""


class Away:
    """A control plane that is not reached until it is back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.back = False
        self.calls = self.ended = 0
        self.go = asyncio.Event()
        """Cleared, calls do not end."""
        self.go.set()
        inner = reconciler.outcome_of

        async def outcome_of(*given: Any, **named: Any) -> Any:
            self.calls += 1
            answers = self.back
            await self.go.wait()
            self.ended += 1
            return await inner(*given, **named) if answers else BackendUnreachable("nobody answers")

        monkeypatch.setattr(reconciler, "outcome_of", outcome_of)


async def deployed_while_it_is_away(edge: Edge, away: Away) -> str:
    """A deployment of two components, one of which waits for the other, behind a control plane that is left alone."""
    await edge.network(sites=1)
    await edge.version(db={}, web={"dependencies": [Dependency(component="db")]})
    deployment, _ = await edge.deploy()
    await edge.until(lambda: away.calls, what="a call that is not answered")
    return deployment.id


async def test_a_release_that_needs_no_call_does_not_use_up_the_probe(edges, monkeypatch) -> None:
    away = Away(monkeypatch)
    async with edges(settings=LEFT_ALONE) as edge:
        deployment_id = await deployed_while_it_is_away(edge, away)
        # Another that waits is looked at while the control plane is left alone.
        other, _ = await edge.deploy("other")

        def waits() -> bool:
            return any(one.phase is ReleasePhase.WAITING_DEPENDENCY for one in edge.releases(other.id))

        await edge.until(waits, what="a release that waits for another")
        away.back = True
        for one in (deployment_id, other.id):
            await edge.phase(one, DeploymentPhase.READY)


async def test_a_claim_that_the_store_did_not_take_does_not_use_up_the_probe(edges, monkeypatch) -> None:
    away = Away(monkeypatch)
    async with edges(settings=LEFT_ALONE) as edge:
        deployment_id = await deployed_while_it_is_away(edge, away)
        commit, refused = edge.ledger.commit, []

        async def away_for_a_claim(function: Any, request: Any, **named: Any) -> Any:
            if request.action == "lifecycle.claim" and not refused:
                refused.append(request)
                raise Unavailable("the store is away", remedy="try it again")
            return await commit(function, request, **named)

        monkeypatch.setattr(edge.ledger, "commit", away_for_a_claim)
        await edge.until(lambda: refused, what="a claim that is not taken")
        away.back = True
        await edge.phase(deployment_id, DeploymentPhase.READY)


async def test_the_end_of_a_probe_counts_for_the_endpoint_that_was_tried(edges, monkeypatch) -> None:
    """Its cluster is given another endpoint meanwhile, as an operator would; another cluster is still at that one."""
    away = Away(monkeypatch)
    async with edges(settings=LEFT_ALONE, driver=AtHand()) as edge:
        await edge.network(sites=2, clusters=2, endpoint="unix:/run/edge.sock", observeEveryMs=20)
        await edge.version()
        for number in range(2):
            await edge.connected(number)
        await edge.deploy("moves", sites=[edge.site_ids[0]])
        await edge.until(lambda: away.calls, what="a call that is not answered")
        away.go.clear()
        calls = away.calls
        await edge.until(lambda: away.calls > calls, what="a probe")
        first = edge.cluster_ids[0]
        await edge.change(lambda edit: edit.replace(edit.get(first), endpoint="unix:/run/elsewhere.sock"))
        stays, _ = await edge.deploy("stays", sites=[edge.site_ids[1]])
        away.go.set()
        await edge.until(lambda: away.ended > calls, what="the end of the probe")
        away.back = True
        await edge.phase(stays.id, DeploymentPhase.READY)
