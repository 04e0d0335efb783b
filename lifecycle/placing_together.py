"""Deployments decided together, on the room that they share: those that cannot stay, those that wait, those that might gain.

Decided one after the other, the first take what the last cannot do without, and two count on the same room. Together the
priority decides; what cannot stay is put right with the fewest moves (`placement.repair`), and for the rest it counts how
many find a place and then what they cost (`placement.batch`). Problems are made on the event loop, a few at a time, of one
revision of the graph; deciding is a thread's, and bounded by how many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from graph.kinds import Component, Deployment
from graph.kinds.policy import PlacementPolicy
from graph.refusal import Refusal
from graph.view import Reader, get_as
from lifecycle.adjusting import AskedApart
from lifecycle.deployments import Chosen
from lifecycle.indulgence import NONE, Blemished
from lifecycle.placing import Placing
from lifecycle.releases import releases_of
from placement.batch import Asked, BatchLimits, decide_together
from placement.problem import Problem
from placement.repair import Hit, repair
from placement.solve.model import Limits
from placement.standing import Standing, standing
from placement.stopping import Stop, look

TOGETHER = 24
"""Deployments that are decided at once, where there may be any number."""
BREATH = 4
"""Problems that are made before others have their turn on the event loop."""
DECISIONS_EACH = 6
"""Decisions for each deployment where there is not room for all."""
ROUNDS = 2
"""Of prices for room that is short."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A deployment that is to be decided."""

    deployment: Deployment
    components: Sequence[Component]
    policy: PlacementPolicy
    """Under which what it is to leave is refused."""
    priority: int
    indulging: Blemished = NONE
    renewed: frozenset[str] = frozenset()
    """Sites where it gets nodes anew, also for what stays there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was decided of one."""

    chosen: Chosen
    alone: bool = True
    """Whether it has a place, or would have one without the others."""


Answers = dict[str, Found | Refusal]
"""By id of the deployment what was decided, or why nothing could be."""


async def repaired_together(placing: Placing, reader: Reader, whole: Reader, due: Sequence[Due]) -> Answers:
    """Where deployments go that cannot stay, with the fewest moves. `reader` is what the asker sees of `whole`."""
    refused: Answers = {}

    async def hits() -> list[Hit]:
        problems = await _problems(placing, reader, due, refused)
        return [_hit(whole, one, problems[one.deployment.id]) for one in due if one.deployment.id in problems]

    return refused | await _with_own(placing, reader, due, await placing.decided(hits, partial(_repaired, placing)))


async def placed_together(placing: Placing, reader: Reader, due: Sequence[Due]) -> Answers:
    """Where deployments would run wherever their policies allow. `reader` is what the asker sees."""
    refused: Answers = {}

    async def asked() -> list[Asked]:
        problems = await _problems(placing, reader, due, refused)
        return [
            Asked(one.deployment.id, problems[one.deployment.id], one.priority)
            for one in due
            if one.deployment.id in problems
        ]

    return refused | await _with_own(placing, reader, due, await placing.decided(asked, partial(_placed, placing)))


async def standings(placing: Placing, reader: Reader, due: Sequence[Due]) -> dict[str, Standing]:
    """How deployments stand by their policies where they run, by id; of one whose policy names what is gone, nothing."""
    refused: Answers = {}

    async def asked() -> dict[str, Problem]:
        return await _problems(placing, reader, due, refused)

    return await placing.decided(asked, _stand)


def _stand(problems: dict[str, Problem], stop: Stop) -> dict[str, Standing]:
    found = {}
    for deployment_id, problem in problems.items():
        look(stop)
        found[deployment_id] = standing(problem, limits=Limits(stop=stop))
    return found


async def _with_own(placing: Placing, reader: Reader, due: Sequence[Due], answers: Answers) -> Answers:
    """The answers, with the numbers of replicas that some deployments have at single sites."""
    for one in due:
        found = answers.get(one.deployment.id)
        if not isinstance(found, Found):
            continue
        asked = AskedApart(one.components, one.policy, one.deployment.replicas)
        try:
            chosen = await placing.adjusted(reader, found.chosen, one.deployment, asked, indulging=one.indulging)
        except Refusal as refusal:
            answers[one.deployment.id] = refusal
        else:
            answers[one.deployment.id] = replace(found, chosen=chosen)
    return answers


async def _problems(placing: Placing, reader: Reader, due: Sequence[Due], refused: Answers) -> dict[str, Problem]:
    """Problems of one revision, by id; those that cannot be made are told in `refused`."""

    def make(one: Due) -> None:
        try:
            made[one.deployment.id] = placing.problem(
                reader,
                components=one.components,
                policy=one.policy,
                replicas=one.deployment.replicas,
                tenant_id=one.deployment.tenant_id,
                excluding_deployment_id=one.deployment.id,
                indulging=one.indulging,
            )
        except Refusal as refusal:
            made.pop(one.deployment.id, None)
            refused[one.deployment.id] = refusal

    made: dict[str, Problem] = {}
    for at, one in enumerate(due):
        if at and not at % BREATH:
            await asyncio.sleep(0)
        make(one)
    # What the graph has passed by meanwhile is made once more, without a pause.
    for one in due:
        problem = made.get(one.deployment.id)
        if problem is not None and problem.revision != reader.revision:
            make(one)
    return made


def _hit(whole: Reader, one: Due, problem: Problem) -> Hit:
    hit = Hit(one.deployment.id, problem, one.priority)
    if not one.renewed:
        return hit
    id_of = {component.name: component.id for component in one.components}
    nodes: dict[tuple[str, str], int] = {}
    for release in releases_of(whole, one.deployment.id):
        component = get_as(whole, Component, release.component_id)
        component_id = id_of.get(component.name) if component is not None else None
        if component_id is None or not release.wanted:
            continue
        for node_id, count in release.assignments.items():
            nodes[component_id, node_id] = nodes.get((component_id, node_id), 0) + count
    return replace(hit, renewed=one.renewed, nodes=nodes)


def _repaired(placing: Placing, hits: Sequence[Hit], stop: Stop) -> Answers:
    found = repair(hits, limits=Limits(stop=stop)).repairs
    return {one.id: Found(placing.chosen(one.verdict, stop=stop), one.alone) for one in found}


def _placed(placing: Placing, asked: Sequence[Asked], stop: Stop) -> Answers:
    limits = BatchLimits(decisions=DECISIONS_EACH * len(asked), rounds=ROUNDS, exchanges=len(asked), stop=stop)
    together = decide_together(asked, limits=limits)
    found: Answers = {one: Found(placing.chosen(verdict, stop=stop)) for one, verdict in together.placed.items()}
    return found | {one.id: Found(placing.chosen(one.verdict, stop=stop), one.alone) for one in together.not_placed}
