"""What is still to do, as it is told to whoever watches."""

from __future__ import annotations

from graph.kinds import DeploymentPhase
from lifecycle.backlog import Backlog
from lifecycle.reports import WorkReports
from lifecycle.service import Lifecycle


async def test_what_is_wanted_and_not_there_counts_until_it_is(edge) -> None:
    await edge.network(sites=3, failingSites=["s1"])
    await edge.version()
    backlog = Backlog(edge.ledger.view)
    edge.ledger.view.follow(backlog)
    assert (len(backlog), backlog.oldest_s(now_ms=10**15)) == (0, 0.0)
    deployment, _ = await edge.deploy()
    assert len(backlog) == 3
    await edge.phases(deployment.id, READY=2, QUARANTINED=1)
    assert len(backlog) == 1, "what was given up is still to do"
    [stuck] = [one for one in edge.releases(deployment.id) if one.applied_generation < one.generation]
    assert backlog.oldest_s(now_ms=stuck.created_at + 5_000) == 5.0
    anew = Backlog(edge.ledger.view)
    assert len(anew) == 1
    await edge.configure()
    await edge.terminate(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.TERMINATED)
    assert len(backlog) == 0


async def test_calls_and_claims_are_told(edges) -> None:
    claimed: list[float] = []
    applied: list[bool] = []
    async with edges(running=False) as edge:
        await edge.network(sites=3)
        await edge.version()
        reports = WorkReports(claimed=claimed.append, applied=applied.append)
        lifecycle = Lifecycle(
            edge.ledger,
            edge.lifecycle.connections._drivers,
            settings=edge.lifecycle._settings,
            reports=reports,
        )
        async with lifecycle.running():
            _, operation = await edge.deploy()
            await edge.succeeded(operation)
    assert applied == [True] * 3
    assert len(claimed) == 3
    assert min(claimed) >= 0
