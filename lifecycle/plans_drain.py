"""What a drain of a site or node would do: the drain itself, on a supposed graph.

The target is cordoned there and its deployments are moved one after the other, each laid over the graph before the next is
decided, so that two do not count on the same room. An asker who sees only some of the deployments is told of those alone,
and of them as if the others stayed.
"""

from __future__ import annotations

from graph.kinds import Component, Deployment, Node, PlanKind, Site
from graph.refusal import CapacityGone, NotFound, Refusal, Unavailable
from graph.view import Reader, get_as
from lifecycle.drain import move_deployment, releases_at, start_drain
from lifecycle.events import AUTHOR
from lifecycle.indulgence import blemished
from lifecycle.placing import without
from lifecycle.plans_moving import MovePlan, movable, nearest, places_now, stays
from lifecycle.plans_steps import Planned, PlanOutcome, places_of, planned, revisions_of
from lifecycle.releases import sites_of
from lifecycle.unplaceable import Unplaceable
from lifecycle.what_if_graph import SupposedGraph


def drain_target(reader: Reader, target_id: str, *, path: str = "input.id") -> Site | Node:
    """The site or node, if the asker sees it. Raises NotFound."""
    found = reader.get(target_id)
    if not isinstance(found, Site | Node):
        raise NotFound("Site or Node", target_id, path=path)
    return found


async def drain_plan(
    graph: SupposedGraph, target_id: str, *, first: int, after: str | None = None, path: str = "input.id"
) -> MovePlan:
    """A page of what the drain would do, by ascending id of the deployment. `graph` has it done afterwards.

    Raises NotFound or InvalidState.
    """
    target = drain_target(graph.reader, target_id, path=path)
    revision = graph.edit.revision
    here = sorted({one.deployment_id for one in releases_at(graph.reader, target.id) if one.retires_after is None})
    page = [one for one in here if after is None or one > after][:first]
    operation = start_drain(graph.edit, target.id, visible=lambda _: graph.reader, author=AUTHOR)
    graph.laid()
    steps = []
    for deployment_id in page:
        deployment = get_as(graph.edit, Deployment, deployment_id)
        if deployment is not None:
            steps.append(await _step(graph, operation.id, target, deployment))
    return MovePlan(
        kind=PlanKind.DRAIN,
        subject_id=target.id,
        revision=revision,
        total=len(here),
        more=bool(page) and page[-1] != here[-1],
        steps=steps,
    )


async def _step(graph: SupposedGraph, operation_id: str, target: Site | Node, deployment: Deployment) -> Planned:
    components, reason = movable(graph.edit, deployment)
    if reason is not None:
        return stays(deployment, graph.edit, stuck=True, why=reason)
    try:
        return await _moved(graph, operation_id, target, deployment, components)
    except Unavailable:
        raise
    except Refusal as refusal:
        return stays(deployment, graph.edit, stuck=True, why=refusal.message)


async def _moved(
    graph: SupposedGraph, operation_id: str, target: Site | Node, deployment: Deployment, components: list[Component]
) -> Planned:
    edit = graph.edit
    here, places = sites_of(edit, deployment.id), places_now(edit, deployment.id)
    policy, staying = deployment.policy, here
    if isinstance(target, Site):
        policy, staying = without(policy, target.id), [one for one in here if one != target.id]
    chosen = await nearest(
        graph,
        deployment,
        components,
        policy,
        staying=staying,
        indulging=blemished(edit, deployment.id, leave_out=[target.id]),
    )
    if not chosen.decision.feasible:
        return stays(deployment, edit, stuck=True, why=Unplaceable(chosen.decision).message, chosen=chosen)
    step = planned(
        chosen,
        outcome=PlanOutcome.MOVES,
        name=deployment.name,
        deployment_id=deployment.id,
        generation=deployment.generation,
        components=revisions_of(components),
        before=here,
        moves=len(places_of(chosen.decision) - places),
    )
    try:
        move_deployment(edit, operation_id, deployment.id, chosen, generation=deployment.generation)
    except CapacityGone as gone:
        return stays(deployment, edit, stuck=True, why=gone.message, chosen=chosen)
    graph.laid()
    return step
