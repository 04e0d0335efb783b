"""What must hold once all is at rest, whatever happened before: the same check for every fault and for its control."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from driverkit.effects import violations
from faultkit.user import AUTHOR, Told
from graph.kinds import Deployment, DeploymentPhase, Operation, OperationStatus, Release
from graph.store import RecordPage
from graph.view import each
from lifecyclekit.edge import Edge

SETTLED = (DeploymentPhase.READY, DeploymentPhase.TERMINATED, DeploymentPhase.STOPPED, DeploymentPhase.PAUSED)
GOOD_ENDS = (OperationStatus.SUCCEEDED, OperationStatus.SUPERSEDED, OperationStatus.CANCELLED)


def at_rest(edge: Edge) -> bool:
    """Whether every operation has ended and every deployment is where it is to be, as far as the graph tells."""
    return not edge.view.count("Operation") and all(
        one.phase in SETTLED and one.operation_id is None for one in each(edge.view, Deployment)
    )


async def rest(edge: Edge) -> None:
    """Waits for it, by the edge's own deadline, and until each cluster has been connected to."""
    for number in range(len(edge.cluster_ids)):
        await edge.connected(number)
    await edge.until(lambda: at_rest(edge), what="rest")


async def check(edge: Edge, told: Mapping[str, Told], *, partial: Collection[str] = ()) -> None:
    """Nothing that was acknowledged is lost, nothing was applied twice to effect or older over newer, nothing is left over.

    `told` is all that a user was told, by the keys of the changes; those in `partial` have ended so.
    """
    check_effects(edge)
    edge.check_books()
    for release in each(edge.view, Release):
        assert release.wanted, f"{release.backend_name} is still to be removed"
        assert edge.deployment(release.deployment_id) is not None, f"{release.backend_name} is nobody's"
    seen_through = {key: one.operation for key, one in told.items() if one.operation}
    for key, operation_id in seen_through.items():
        operation = await filed(edge, operation_id)
        assert operation is not None, f"{key} was acknowledged and is lost"
        ends = (OperationStatus.PARTIAL,) if key in partial else GOOD_ENDS
        assert operation.status in ends, f"{key} ended {operation.status.name}: {operation.error}"
    records = await edge.ledger.store.records(RecordPage(collection="Operation", limit=10_000))
    asked = [msgspec.json.decode(one.body, type=Operation) for one in records]
    begun = sorted(one.id for one in asked if one.requested_by == AUTHOR)
    wanted = sorted(set(seen_through.values()))
    assert begun == wanted, f"{len(begun)} operations were begun for {len(wanted)} changes"


def check_effects(edge: Edge) -> None:
    """What the backends themselves have written down."""
    for cluster_id in edge.cluster_ids:
        world = edge.driver.world(cluster_id)
        assert world is not None
        assert world.effects.pushed_out == 0, "effects were forgotten: the check would see half"
        found = violations(world.effects.after(0))
        assert not found, "; ".join(found)


async def filed(edge: Edge, operation_id: str) -> Operation | None:
    """The record of an operation that has ended."""
    record = await edge.ledger.store.record("Operation", operation_id)
    return None if record is None else msgspec.json.decode(record.body, type=Operation)
