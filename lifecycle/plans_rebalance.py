"""Which deployments would gain by being placed anew, when every move has its price.

What cannot stay (its site is lost, or a rule refuses it by now) comes first, with as few moves as repair it, by the code of
a drain. Then all others are decided together, on the room that is left: for each the cost of staying is set against that of
the best choice with a penalty for each move, by the policy's own objective, and what gains most moves first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from graph.edit import Edit
from graph.kinds import Deployment, PlanCost, PlanKind
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, InvalidInput, NotFound, Refusal
from graph.selectors import matches, parse_selector
from graph.view import Reader, get_as
from lifecycle.deployments import Chosen
from lifecycle.drain import is_movable
from lifecycle.events import AUTHOR
from lifecycle.indulgence import blemished
from lifecycle.leaving import movable, ranked, settled
from lifecycle.placing_together import TOGETHER, Due, Found, placed_together
from lifecycle.plans_moving import MAX_STEPS, MovePlan, down_sites, move_placed, places_now, stays
from lifecycle.plans_steps import (
    Planned,
    PlanOutcome,
    cost_of,
    gain_of,
    in_turn,
    is_less,
    places_of,
    planned,
    revisions_of,
)
from lifecycle.priorities import priority_of
from lifecycle.releases import sites_of
from lifecycle.what_if_graph import SupposedGraph

ATTEMPTS = 3
"""How often what lost its place within its lot is decided again."""


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


@dataclass(slots=True)
class _Moves:
    """The moves that are left."""

    left: int | None

    def refuse(self, moves: int) -> str | None:
        """Why so many cannot be made; None when they can."""
        if self.left is None or moves <= self.left:
            return None
        return f"it takes {moves} moves, of which {self.left} are left"

    def take(self, moves: int) -> None:
        """So many fewer."""
        self.left = None if self.left is None else self.left - moves


class _Gain(NamedTuple):
    """A deployment that would be better off elsewhere."""

    gain: tuple[float, ...]
    """How much is gained, tier by tier."""
    due: Due
    chosen: Chosen
    moves: int
    cost: PlanCost


async def rebalance_plan(graph: SupposedGraph, wanted: Rebalancing, *, path: str = "input") -> MovePlan:
    """A page of what placing anew would change, by ascending id of the deployment. `graph` has it done afterwards.

    Raises InvalidInput or NotFound that name the field.
    """
    revision = graph.edit.revision
    ids = _selected(graph.reader, wanted, path=path)
    page = [one for one in ids if wanted.after is None or one > wanted.after][: wanted.first]
    moves, turns = _Moves(wanted.max_moves), list[str]()
    steps: dict[str, Planned] = {}
    order = ranked(graph.edit, page)
    for at in range(0, len(order), TOGETHER):
        steps |= await _repaired(graph, order[at : at + TOGETHER], wanted, moves, turns)
    staying = [one for one in order if one in steps and steps[one].step.cost_before is not None]
    steps |= await _gained(graph, staying, steps, wanted, moves, turns)
    steps = in_turn(steps, turns)
    return MovePlan(
        kind=PlanKind.REBALANCE,
        subject_id=None,
        revision=revision,
        total=len(ids),
        more=bool(page) and page[-1] != ids[-1],
        steps=[steps[one] for one in page if one in steps],
    )


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
        if deployment is not None and is_movable(deployment) and matches(selector, deployment.labels):
            found_ids.append(one)
    return found_ids


def _looked_at(edit: Edit, deployment_id: str, wanted: Rebalancing) -> Due | str | None:
    """What is decided of a deployment: its own sites count as in order, but for those that are down."""
    deployment = get_as(edit, Deployment, deployment_id)
    if deployment is None:
        return None
    components, reason = movable(edit, deployment)
    if reason is not None:
        return reason
    gone = down_sites(edit, sites_of(edit, deployment.id))
    return Due(
        deployment=deployment,
        components=components,
        policy=_with_penalty(deployment.policy, wanted),
        priority=priority_of(edit, deployment),
        indulging=blemished(edit, deployment.id, leave_out=gone),
    )


async def _repaired(
    graph: SupposedGraph, lot: Sequence[str], wanted: Rebalancing, moves: _Moves, turns: list[str]
) -> dict[str, Planned]:
    """The steps of a lot of which nothing moves but what cannot stay; those that stay have what they cost now.

    What moves is added to `turns`.
    """
    edit, steps = graph.edit, dict[str, Planned]()
    deployments = {one: get_as(edit, Deployment, one) for one in lot}
    looked_at = {one: _looked_at(edit, one, wanted) for one in lot}

    async def begin(one: Due, chosen: Chosen) -> bool:
        deployment_id = one.deployment.id
        here, places = sites_of(edit, deployment_id), places_now(edit, deployment_id)
        after = places_of(chosen.decision)
        if after == places:
            cost = cost_of(chosen.decision, one.policy, moves=0)
            steps[deployment_id] = _step(one, chosen, here, PlanOutcome.STAYS, cost_before=cost, cost_after=cost)
            return True
        count = len(after - places)
        why = moves.refuse(count)
        if why is not None:
            steps[deployment_id] = stays(one.deployment, edit, stuck=True, why=why)
            return True
        step = _step(
            one,
            chosen,
            here,
            PlanOutcome.MOVES,
            moves=count,
            cost_after=cost_of(chosen.decision, one.policy, moves=count),
        )
        move_placed(edit, one.deployment, one.components, chosen, author=AUTHOR)
        graph.laid()
        turns.append(deployment_id)
        moves.take(count)
        steps[deployment_id] = step
        return True

    became = await settled(
        lot,
        placing=graph.placing,
        reader=graph.reader,
        whole=edit,
        look=lambda one: _looked_at(edit, one, wanted),
        begin=begin,
        attempts=ATTEMPTS,
    )
    for deployment_id, one in became.items():
        deployment = deployments[deployment_id]
        if deployment is not None and deployment_id not in steps:
            stuck = isinstance(looked_at[deployment_id], Due)
            steps[deployment_id] = stays(deployment, edit, stuck=stuck, why=one.why, chosen=one.chosen)
    return steps


async def _gained(
    graph: SupposedGraph,
    staying: Sequence[str],
    steps: Mapping[str, Planned],
    wanted: Rebalancing,
    moves: _Moves,
    turns: list[str],
) -> dict[str, Planned]:
    """The steps of those that are better off elsewhere, all decided together, what gains most first, added to `turns`."""
    edit, found = graph.edit, dict[str, Planned]()
    looked_at = (_looked_at(edit, one, wanted) for one in staying)
    due = [one for one in looked_at if isinstance(one, Due)]
    answers = await placed_together(graph.placing, graph.reader, due) if due else {}
    found_gains = (_gain(edit, each, answers[each.deployment.id], steps) for each in due)
    gains = [gain for gain in found_gains if gain is not None]
    for gain in sorted(gains, key=_most_first):
        deployment = gain.due.deployment
        why = moves.refuse(gain.moves)
        try:
            if why is None:
                move_placed(edit, deployment, gain.due.components, gain.chosen, author=AUTHOR)
        except CapacityGone as gone:
            why = gone.message
        if why is not None:
            found[deployment.id] = stays(deployment, edit, stuck=False, why=why)
            continue
        graph.laid()
        turns.append(deployment.id)
        moves.take(gain.moves)
        step = msgspec.structs.replace(
            steps[deployment.id].step,
            outcome=PlanOutcome.MOVES,
            moves=gain.moves,
            cost_after=gain.cost,
        )
        found[deployment.id] = Planned(step=step, decision=gain.chosen.decision)
    return found


def _most_first(one: _Gain) -> tuple[tuple[float, ...], str]:
    return tuple(-gain for gain in one.gain), one.due.deployment.id


def _gain(edit: Edit, one: Due, found: Found | Refusal, steps: Mapping[str, Planned]) -> _Gain | None:
    """What a deployment gains by what was found for it; None when it had better stay."""
    before = steps[one.deployment.id].step.cost_before
    if isinstance(found, Refusal) or not found.chosen.decision.feasible or before is None:
        return None
    deployment_id, decision, policy = one.deployment.id, found.chosen.decision, one.policy
    now, then = places_now(edit, deployment_id), places_of(decision)
    moves = len(then - now)
    after = cost_of(decision, policy, moves=moves)
    same = then == now
    too_many = policy.max_moves is not None and moves > policy.max_moves
    if same or too_many or not is_less(after, before, policy):
        return None
    return _Gain(gain_of(before, after, policy), one, found.chosen, moves, after)


def _step(one: Due, chosen: Chosen, here: Sequence[str], outcome: PlanOutcome, **fields: object) -> Planned:
    return planned(
        chosen,
        outcome=outcome,
        name=one.deployment.name,
        deployment_id=one.deployment.id,
        generation=one.deployment.generation,
        components=revisions_of(one.components),
        before=here,
        **fields,
    )


def _with_penalty(policy: PlacementPolicy, wanted: Rebalancing) -> PlacementPolicy:
    if wanted.move_penalty is None:
        return policy
    weights = msgspec.structs.replace(policy.weights, moves=wanted.move_penalty)
    return msgspec.structs.replace(policy, weights=weights)
