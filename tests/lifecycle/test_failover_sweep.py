"""What was lost and rang for nobody: failover's own sweep finds it all the same, within the time between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.scenarios import BEHAVIOUR, make_world
from graph.change import Change
from graph.kinds import FailoverMode, FailoverPolicy, ReleasePhase
from graph.kinds.policy import PlacementPolicy
from lifecycle.failover import Failover
from lifecycle.failover_index import Concerned
from lifecycle.settings import LifecycleSettings

RESYNC_S = LifecycleSettings().resync_s
LONG_S = 10 * RESYNC_S


@pytest.fixture(autouse=True)
def muted() -> Iterator[None]:
    """The index learns from every change as ever, and rings for none."""
    inner = Concerned.of

    def of(self: Concerned, change: Change) -> Iterator[tuple[str, bool]]:
        for _ in inner(self, change):
            pass
        return iter(())

    with mock.patch.object(Concerned, "of", of):
        yield


async def moved_after(folder: Path, *, within_s: float) -> float:
    """How long after its site was cut off a deployment was ready elsewhere, seconds."""
    installation = Installation(folder)
    async with installation.life() as edge:
        await make_world(edge)
        policy = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
        deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=1, max_sites=1), failover=policy)
        await edge.succeeded(operation)
        [home] = {one.site_id for one in edge.releases(deployment.id)}
        await edge.configure(awaySites=[edge.view.get(home).name], **BEHAVIOUR)
        edge.deadline_s, began = within_s, installation.clock.monotonic()

        def is_elsewhere() -> bool:
            releases = edge.releases(deployment.id)
            return any(one.site_id != home and one.phase is ReleasePhase.READY for one in releases)

        await edge.until(is_elsewhere, what="a copy elsewhere")
        return installation.clock.monotonic() - began


def test_what_nothing_rang_for_is_found_by_the_sweep(tmp_path: Path) -> None:
    run(moved_after(tmp_path, within_s=RESYNC_S + CONVERGED_WITHIN_S))


def test_without_the_sweep_it_is_never_found(tmp_path: Path) -> None:
    """The negative control."""
    with mock.patch.object(Failover, "_look_again"), pytest.raises(AssertionError, match="a copy elsewhere never came"):
        run(moved_after(tmp_path, within_s=LONG_S))
