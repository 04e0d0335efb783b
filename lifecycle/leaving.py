"""Deployments that cannot stay where they are: what a drain does, and what a plan says it would do.

Both go through here, so that what is shown is what is done. Deployments are taken in the order of their priority, then of
their ids, and so many at once as keep one decision short; each lot is decided together with the fewest moves, and begun one
by one at head. What finds its place gone there is decided again with the others that did.

A change is made before it is broken: what a deployment leaves is removed when what replaces it is ready, so no decision
counts on room that its own lot will free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from graph.kinds import AppVersion, Component, Deployment, Node, Site
from graph.refusal import CapacityGone, InvalidState, Refusal, Unavailable
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deployments import Chosen
from lifecycle.drain import is_movable
from lifecycle.indulgence import blemished
from lifecycle.placing import Placing, without
from lifecycle.placing_together import Due, Found, repaired_together
from lifecycle.priorities import priority_of
from lifecycle.unplaceable import Unplaceable

CHANGED = "it changed while it was being moved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What became of one."""

    begun: bool = False
    chosen: Chosen | None = None
    """Where it goes; the decision that says why it does not, when there was one."""
    why: str | None = None
    """Why it stays."""
    alone: bool = True
    """Whether it has a place, or would have one without the others of its lot."""
    again: bool = False
    """Whether its place was gone at head, so that it is to be decided once more."""


Look = Callable[[str], Due | str | None]
"""By a deployment's id what is to be decided now; why it stays; None when it is gone."""
Begin = Callable[[Due, Chosen], Awaitable[bool]]
"""Begins a move; False when the deployment has changed since. Raises CapacityGone."""


def movable(reader: Reader, deployment: Deployment) -> tuple[list[Component], str | None]:
    """The components of a deployment, and why it cannot be moved, if so."""
    version = get_as(reader, AppVersion, deployment.app_version_id)
    if version is None:
        return [], "its app version is gone"
    try:
        components = components_of(reader, version)
    except InvalidState as refusal:
        return [], refusal.message
    if not is_movable(deployment):
        return components, "it is paused" if deployment.paused else f"it is {deployment.phase.name}"
    return components, None


def due_to_leave(reader: Reader, deployment_id: str, target_id: str) -> Due | str | None:
    """A deployment that is to leave a site or node; why it cannot; None when it is gone. `reader` sees everything."""
    deployment = get_as(reader, Deployment, deployment_id)
    if deployment is None:
        return None
    components, reason = movable(reader, deployment)
    if reason is not None:
        return reason
    target = reader.get(target_id)
    return Due(
        deployment=deployment,
        components=components,
        policy=without(deployment.policy, target_id) if isinstance(target, Site) else deployment.policy,
        priority=priority_of(reader, deployment),
        indulging=blemished(reader, deployment.id, leave_out=[target_id]),
        renewed=frozenset([target.site_id] if isinstance(target, Node) else []),
    )


def ranked(reader: Reader, deployment_ids: Collection[str]) -> list[str]:
    """The ids in the order in which the deployments have a right to room. `reader` sees everything."""

    def rank(one: str) -> tuple[int, str]:
        deployment = get_as(reader, Deployment, one)
        return (0 if deployment is None else -priority_of(reader, deployment), one)

    return sorted(deployment_ids, key=rank)


async def settled(
    deployment_ids: Sequence[str],
    *,
    placing: Placing,
    reader: Reader,
    whole: Reader,
    look: Look,
    begin: Begin,
    attempts: int,
) -> dict[str, Settled]:
    """Decides one lot and begins its moves, in the given order; by id what became of each that is there.

    reader: what the asker sees of `whole`. attempts: how often what lost its place is decided again.
    Raises Unavailable.
    """
    known: dict[str, Settled] = {}
    left = list(deployment_ids)
    for _ in range(max(attempts, 1)):
        looked = {one: look(one) for one in left}
        known |= {one: Settled(why=why) for one, why in looked.items() if isinstance(why, str)}
        due = [one for one in looked.values() if isinstance(one, Due)]
        if not due:
            break
        found = await repaired_together(placing, reader, whole, due)
        left = []
        for one in due:
            became = known[one.deployment.id] = await _begun(one, found[one.deployment.id], begin)
            if became.again:
                left.append(one.deployment.id)
    return known


async def _begun(one: Due, found: Found | Refusal, begin: Begin) -> Settled:
    if isinstance(found, Refusal):
        return Settled(why=found.message)
    chosen = found.chosen
    if not chosen.decision.feasible:
        return Settled(chosen=chosen, why=Unplaceable(chosen.decision).message, alone=found.alone)
    try:
        if await begin(one, chosen):
            return Settled(begun=True, chosen=chosen)
        return Settled(chosen=chosen, why=CHANGED, again=True)
    except CapacityGone as gone:
        return Settled(chosen=chosen, why=gone.message, again=True)
    except Unavailable:
        raise
    except Refusal as refusal:
        return Settled(chosen=chosen, why=refusal.message)
