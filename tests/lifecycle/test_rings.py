"""Comparing everything gives way to others after a few releases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lifecycle import rings

SITES = 7
STEP = 2


async def test_others_have_a_turn_after_each_few_releases_and_all_are_compared(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "SWEEP_STEP", STEP)
    async with edges(running=False) as edge:
        await edge.network(sites=SITES)
        await edge.version()
        deployment, _ = await edge.deploy()
        own = edge.lifecycle.reconciler._rings
        compared: list[str] = []
        step = own._waiting.step

        def compare(view: Any, release: Any, **given: Any) -> Any:
            compared.append(release.id)
            return step(view, release, **given)

        monkeypatch.setattr(own._waiting, "step", compare)
        sweep = asyncio.create_task(own.sweep())
        counts = [0]
        while len(compared) < SITES:
            await asyncio.sleep(0)
            if len(compared) != counts[-1]:
                counts.append(len(compared))
        sweep.cancel()
        await asyncio.wait([sweep])
        assert counts == [0, 2, 4, 6, 7]
        assert compared == [one.id for one in edge.releases(deployment.id)]


async def test_where_clusters_are_is_read_once_for_all_that_a_commit_makes(
    edges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edges(running=False) as edge:
        own = edge.lifecycle.reconciler._rings
        read: list[str] = []
        monkeypatch.setattr(own._worklist, "reach", lambda cluster_id, endpoint: read.append(cluster_id))
        end = edge.ledger.view.follow(own)
        await edge.network(sites=SITES, nodes=0, clusters=SITES)
        end()
        assert sorted(read) == sorted(edge.cluster_ids)
