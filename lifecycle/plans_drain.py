"""What a drain of a site or node would do: the drain itself, on a supposed graph.

The target is cordoned there and its deployments are moved as the drainer does it, lot by lot, each laid over the graph
before the next is decided. A page has some of the deployments; all that come before them are decided for it too, so that
every page tells of the same drain. An asker who sees only some of the deployments is told of those alone, and of them as if
the others stayed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from graph.kinds import Deployment, Node, PlanKind, Site
from graph.refusal import NotFound
from graph.view import Reader, get_as
from lifecycle.deployments import Chosen
from lifecycle.drain import move_deployment, releases_at, start_drain
from lifecycle.events import AUTHOR
from lifecycle.leaving import due_to_leave, movable, ranked, settled
from lifecycle.placing_together import TOGETHER, Due
from lifecycle.plans_moving import MovePlan, places_now, stays
from lifecycle.plans_steps import Planned, PlanOutcome, in_turn, places_of, planned, revisions_of
from lifecycle.releases import sites_of
from lifecycle.what_if_graph import SupposedGraph

MAX_WHOLE = 1_000
"""Deployments of a drain that are decided for one page; of a larger drain each page is planned as if the others stayed."""
ATTEMPTS = 3
"""How often what lost its place within its lot is decided again, as the drainer does it by default."""
OTHERS_FIRST = "others that leave with it come first"


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
    steps: dict[str, Planned] = {}
    order: list[str] = []
    for lot in _lots(ranked(graph.edit, here if len(here) <= MAX_WHOLE else page), page):
        steps |= await _settled(graph, operation.id, target, lot, order)
    steps = in_turn(steps, order)
    return MovePlan(
        kind=PlanKind.DRAIN,
        subject_id=target.id,
        revision=revision,
        total=len(here),
        more=bool(page) and page[-1] != here[-1],
        steps=[steps[one] for one in page if one in steps],
    )


def _lots(ids: Sequence[str], page: Collection[str]) -> Iterator[Sequence[str]]:
    """The lots that a drain would decide, as far as some of a page are in them."""
    missing = set(page)
    for at in range(0, len(ids), TOGETHER):
        if not missing:
            return
        missing -= set(ids[at : at + TOGETHER])
        yield ids[at : at + TOGETHER]


async def _settled(
    graph: SupposedGraph, operation_id: str, target: Site | Node, lot: Sequence[str], order: list[str]
) -> dict[str, Planned]:
    """The steps of a lot, laid over the graph; what moves is added to `order`."""
    edit = graph.edit
    before = {one: (sites_of(edit, one), places_now(edit, one)) for one in lot}
    deployments = {one: deployment for one in lot if (deployment := get_as(edit, Deployment, one)) is not None}

    async def begin(one: Due, chosen: Chosen) -> bool:
        deployment = one.deployment
        if not move_deployment(edit, operation_id, deployment.id, chosen, generation=deployment.generation):
            return False
        graph.laid()
        order.append(deployment.id)
        return True

    became = await settled(
        lot,
        placing=graph.placing,
        reader=graph.reader,
        whole=edit,
        look=lambda one: due_to_leave(edit, one, target.id),
        begin=begin,
        attempts=ATTEMPTS,
    )
    steps = {}
    for deployment_id, one in became.items():
        deployment = deployments[deployment_id]
        if not one.begun or one.chosen is None:
            others = one.alone and one.chosen is not None and not one.chosen.decision.feasible
            why = f"{one.why}; {OTHERS_FIRST}" if others else one.why
            steps[deployment_id] = stays(deployment, edit, stuck=True, why=why, chosen=one.chosen)
            continue
        here, places = before[deployment_id]
        steps[deployment_id] = planned(
            one.chosen,
            outcome=PlanOutcome.MOVES,
            name=deployment.name,
            deployment_id=deployment_id,
            generation=deployment.generation,
            components=revisions_of(movable(edit, deployment)[0]),
            before=here,
            moves=len(places_of(one.chosen.decision) - places),
        )
    return steps
