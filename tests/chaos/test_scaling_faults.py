"""Replicas that follow a load while replies are lost and what is observed is late, in logical time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.simulated.effects import Outcome
from faultkit import broken
from faultkit.checks import check, rest
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.scenarios import make_world, over
from faultkit.user import Notes, User
from graph.kinds import DeploymentPhase, ScalingBehaviour
from lifecyclekit.edge import Edge
from lifecyclekit.scaling import by_requests

pytestmark = pytest.mark.usefixtures("quiet_logs")
LOADS = (250, 600, 90, 400, 150)
"""Requests a second, one after the other; a hundred a replica."""
LOSSY: dict[str, Any] = {"observeEveryMs": 1_000, "latencyMs": 20, "latencyJitterMs": 100, "lostReplyRate": 0.3}
OBSERVED_LATE_S = 3.0


async def follow(edge: Edge, shop: str) -> None:
    scale_down = ScalingBehaviour(stabilisation_s=0)
    await edge.change(
        lambda edit: by_requests(edit, edge.tenant_id, shop, component="c0", max_replicas=9, scale_down=scale_down)
    )


async def through_loads(edge: Edge, shop: str, **behaviour: Any) -> None:
    """The load changes five times, and each time there is what it asks for at each site."""
    for load in LOADS:
        await edge.configure(loads=[{"component": "c0", "requestsPerSecond": [[0, load]]}], **behaviour)
        wanted = {-(-load // 100)}
        await edge.until(
            lambda wanted=wanted: {one.replicas for one in edge.releases(shop)} == wanted, what=f"{wanted} replicas"
        )
    await edge.phase(shop, DeploymentPhase.READY)


def lived(installation: Installation) -> None:
    async def live() -> None:
        async with installation.life() as edge:
            await make_world(edge)
            user = User(edge, Notes({}))
            edge.deadline_s = 600.0
            told = await user.deploy("shop", sites=edge.site_ids)
            await over(user, told.operation)
            await follow(edge, told.deployment)
            await through_loads(edge, told.deployment, **LOSSY)
            edge.deadline_s = CONVERGED_WITHIN_S
            await rest(edge)
            await check(edge, user.notes.told)

    run(live())


def test_replicas_follow_a_load_while_three_of_ten_replies_are_lost(tmp_path: Path) -> None:
    installation = Installation(tmp_path, observed_after_s=OBSERVED_LATE_S)
    lived(installation)
    [world] = [world for world, _ in installation.simulated._worlds.values()]
    assert [one for one in world.effects.after(0) if one.outcome is Outcome.NOTHING], "no call was made twice"


def test_a_backend_that_does_again_what_it_has_done_is_found_out(tmp_path: Path) -> None:
    with broken.without_idempotence(), pytest.raises(AssertionError, match="applied twice to effect"):
        lived(Installation(tmp_path, observed_after_s=OBSERVED_LATE_S))
