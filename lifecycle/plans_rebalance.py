"""Which deployments would gain by being placed anew, when every move has its price.

For each the cost of staying is set against the cost of the best choice with a penalty for each move, by the policy's own
objective. What cannot stay (its site is lost, or a rule refuses it by now) comes first, with as few moves as repair it; then
what gains most. Each move is laid over the graph before the next is decided, and what was decided before that is decided
again, so that two do not count on the same room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from graph.kinds import Component, Deployment, PlanKind
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, InvalidInput, NotFound, Refusal, Unavailable
from graph.selectors import matches, parse_selector
from graph.view import Reader, get_as
from lifecycle.deployments import Chosen
from lifecycle.drain import MOVABLE
from lifecycle.events import AUTHOR
from lifecycle.indulgence import Blemished, blemished
from lifecycle.plans_moving import (
    MAX_STEPS,
    MovePlan,
    choose_for,
    down_sites,
    held,
    movable,
    move_placed,
    nearest,
    places_now,
    stays,
)
from lifecycle.plans_steps import (
    Planned,
    PlanOutcome,
    cost_of,
    gain_of,
    is_less,
    places_of,
    planned,
    revisions_of,
    sites_chosen,
)
from lifecycle.releases import sites_of
from lifecycle.unplaceable import Unplaceable
from lifecycle.what_if_graph import SupposedGraph


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebalancing:
    """Which deployments of a tenant are looked at, and what a move costs."""

    tenant_id: str
    deployment_ids: Sequence[str] = ()
    """These; none: all that the labels select."""
    labels: str | None = None
    """A label selector; None: all."""
    move_penalty: float | None = None
    """What a move costs instead of each policy's own weight."""
    max_moves: int | None = None
    """The most moves over all deployments."""
    first: int = MAX_STEPS
    after: str | None = None
    """Only deployments whose ids come after this one."""


class _Found(NamedTuple):
    """What was found for a deployment."""

    step: Planned
    gain: tuple[float, ...]
    """How much is gained, tier by tier; empty for a repair, which comes first."""
    components: list[Component]
    chosen: Chosen | None


async def rebalance_plan(graph: SupposedGraph, wanted: Rebalancing, *, path: str = "input") -> MovePlan:
    """A page of what placing anew would change, by ascending id of the deployment. `graph` has it done afterwards.

    Raises InvalidInput or NotFound that name the field.
    """
    revision = graph.edit.revision
    ids = _selected(graph.reader, wanted, path=path)
    page = [one for one in ids if wanted.after is None or one > wanted.after][: wanted.first]
    steps: dict[str, Planned] = {}
    movers: list[tuple[str, _Found]] = []
    for deployment_id in page:
        deployment = get_as(graph.edit, Deployment, deployment_id)
        if deployment is None:
            continue
        found = await _look(graph, deployment, wanted)
        steps[deployment_id] = found.step
        if found.chosen is not None:
            movers.append((deployment_id, found))
    movers.sort(key=lambda one: (bool(one[1].gain), tuple(-gain for gain in one[1].gain), one[0]))
    left = wanted.max_moves
    for at, (deployment_id, found) in enumerate(movers):
        deployment = get_as(graph.edit, Deployment, deployment_id)
        if deployment is None:
            continue
        # The first was decided on this very graph; the others on one without the moves before theirs.
        now = await _look(graph, deployment, wanted) if at else found
        step = _carried_out(graph, deployment, now, left=left)
        steps[deployment_id] = step
        left = None if left is None else left - step.step.moves
    return MovePlan(
        kind=PlanKind.REBALANCE,
        subject_id=None,
        revision=revision,
        total=len(ids),
        more=bool(page) and page[-1] != ids[-1],
        steps=[steps[one] for one in page if one in steps],
    )


def _carried_out(graph: SupposedGraph, deployment: Deployment, found: _Found, *, left: int | None) -> Planned:
    """The step that is taken, laid over the graph, when no more than `left` moves are left."""
    moves = found.step.step.moves
    if found.chosen is None:
        return found.step
    repair = not found.gain
    if left is not None and moves > left:
        why = f"it takes {moves} moves, of which {left} are left"
        return stays(deployment, graph.edit, stuck=repair, why=why)
    try:
        move_placed(graph.edit, deployment, found.components, found.chosen, author=AUTHOR)
    except CapacityGone as gone:
        return stays(deployment, graph.edit, stuck=repair, why=gone.message)
    graph.laid()
    return found.step


def _selected(reader: Reader, wanted: Rebalancing, *, path: str) -> list[str]:
    """The ids of the deployments that are looked at, ascending."""
    if wanted.deployment_ids:
        if wanted.labels is not None:
            raise InvalidInput(
                "deployments are named and selected by labels", remedy="give one of both", path=f"{path}.labels"
            )
        for at, one in enumerate(wanted.deployment_ids):
            found = get_as(reader, Deployment, one)
            if found is None or found.tenant_id != wanted.tenant_id:
                raise NotFound("Deployment", one, path=f"{path}.deploymentIds[{at}]")
        return sorted(set(wanted.deployment_ids))
    selector = parse_selector(wanted.labels or "", path=f"{path}.labels")
    found_ids = []
    for one in reader.ids("Deployment", "tenant_id", wanted.tenant_id):
        deployment = get_as(reader, Deployment, one)
        if deployment is not None and deployment.phase in MOVABLE and matches(selector, deployment.labels):
            found_ids.append(one)
    return found_ids


async def _look(graph: SupposedGraph, deployment: Deployment, wanted: Rebalancing) -> _Found:
    """Whether a deployment stays or goes, on the graph as it is supposed by now."""
    components, reason = movable(graph.edit, deployment)
    if reason is not None:
        return _Found(stays(deployment, graph.edit, stuck=False, why=reason), (), components, None)
    try:
        return await _weighed(graph, deployment, components, wanted)
    except Unavailable:
        raise
    except Refusal as refusal:
        return _Found(stays(deployment, graph.edit, stuck=True, why=refusal.message), (), components, None)


async def _weighed(
    graph: SupposedGraph, deployment: Deployment, components: list[Component], wanted: Rebalancing
) -> _Found:
    edit, policy = graph.edit, _with_penalty(deployment.policy, wanted)
    here, places = sites_of(edit, deployment.id), places_now(edit, deployment.id)
    gone = down_sites(edit, here)
    indulging = blemished(edit, deployment.id, leave_out=gone)
    kept = await held(graph, deployment, components, policy, here, indulging=indulging)
    if kept is None or not kept.decision.feasible:
        return await _repaired(graph, deployment, components, policy, kept=kept, indulging=indulging)
    before = cost_of(kept.decision, policy, moves=0)
    best = await choose_for(graph, deployment, components, policy, indulging=indulging)
    step = planned(
        kept,
        outcome=PlanOutcome.STAYS,
        name=deployment.name,
        deployment_id=deployment.id,
        generation=deployment.generation,
        components=revisions_of(components),
        before=here,
        cost_before=before,
        cost_after=before,
    )
    if not best.decision.feasible:
        return _Found(step, (), components, None)
    moves = len(places_of(best.decision) - places)
    after = cost_of(best.decision, policy, moves=moves)
    same = not moves and sites_chosen(best.decision) == here
    too_many = policy.max_moves is not None and moves > policy.max_moves
    if same or too_many or not is_less(after, before, policy):
        return _Found(step, (), components, None)
    moved = msgspec.structs.replace(
        step.step,
        outcome=PlanOutcome.MOVES,
        moves=moves,
        cost_after=after,
        decision=msgspec.Raw(best.body),
    )
    return _Found(Planned(step=moved, decision=best.decision), gain_of(before, after, policy), components, best)


async def _repaired(
    graph: SupposedGraph,
    deployment: Deployment,
    components: list[Component],
    policy: PlacementPolicy,
    *,
    kept: Chosen | None,
    indulging: Blemished,
) -> _Found:
    """Where a deployment goes that cannot stay as it is."""
    edit = graph.edit
    here, places = sites_of(edit, deployment.id), places_now(edit, deployment.id)
    refused = set() if kept is None else {one.site_id for one in kept.decision.refusals if _by_a_rule(one.reasons)}
    staying = [one for one in here if one not in refused]
    chosen = await nearest(graph, deployment, components, policy, staying=staying, indulging=indulging)
    if not chosen.decision.feasible:
        why = Unplaceable(chosen.decision).message
        return _Found(stays(deployment, edit, stuck=True, why=why, chosen=chosen), (), components, None)
    moves = len(places_of(chosen.decision) - places)
    step = planned(
        chosen,
        outcome=PlanOutcome.MOVES,
        name=deployment.name,
        deployment_id=deployment.id,
        generation=deployment.generation,
        components=revisions_of(components),
        before=here,
        moves=moves,
        cost_after=cost_of(chosen.decision, policy, moves=moves),
    )
    return _Found(step, (), components, chosen)


def _by_a_rule(reasons: Sequence[object]) -> bool:
    return any(getattr(one, "rule", "not_needed") != "not_needed" for one in reasons)


def _with_penalty(policy: PlacementPolicy, wanted: Rebalancing) -> PlacementPolicy:
    if wanted.move_penalty is None:
        return policy
    weights = msgspec.structs.replace(policy.weights, moves=wanted.move_penalty)
    return msgspec.structs.replace(policy, weights=weights)
