"""What a plan says of one deployment: where it is, where it would go, what that costs, and on what the answer rests.

A step is filed as it is, with the decision in it, so that what is shown and applied later is what was decided. It carries
what must not have changed until then: the deployment's generation and its components' revisions. The words of the decision
for every site are made when it is filed: a plan that is only looked at shows a page of them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from graph.change import Record
from graph.identifiers import new_id
from graph.kinds import Component, PlanCost
from graph.kinds.policy import PlacementPolicy, Term
from lifecycle.deployments import Chosen
from placement.decision import Decision, SitePlacement
from placement.disclosure import STEP
from placement.filed_decision import decision_filed, filed
from placement.modelling import objective_of
from placement.scores.latency import SCALE_MS as LATENCY_SCALE_MS
from placement.stopping import Stop

COLLECTION = "planstep"
"""The collection of filed steps; a plan's id is their subject."""
EQUAL = 1e-9
"""Costs that differ by no more are equal."""

NO_DECISION = msgspec.Raw(b"null")


class PlanOutcome(enum.Enum):
    """What a plan would do with a deployment."""

    PLACES = "PLACES"
    """It is placed for the first time."""
    MOVES = "MOVES"
    """It would run elsewhere, wholly or in part."""
    STAYS = "STAYS"
    """It stays where it is."""
    STUCK = "STUCK"
    """It should go and cannot; it stays where it is."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan says of one deployment."""

    outcome: PlanOutcome
    name: str
    """The deployment's."""
    deployment_id: str | None = None
    """None: it is not there yet."""
    generation: int = 0
    """The deployment's, when it was planned."""
    components: dict[str, int] = {}
    """The revisions of its components by id, when it was planned."""
    before: list[str] = []
    """The sites where it is, by ascending id."""
    moves: int = 0
    """Sites of a component that it would newly run at."""
    turn: int = 0
    """Its turn among the moves of its plan, each of which is decided on what those before it leave; 0: it is none of them,
    or was kept before turns were."""
    why: str | None = None
    """Why it stays or is stuck."""
    cost_before: PlanCost | None = None
    cost_after: PlanCost | None = None
    decision: msgspec.Raw = NO_DECISION
    """The decision as it is filed (`placement.filed_decision`); null where there is none, or the step is only looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A step with its decision."""

    step: Step
    decision: Decision | None

    @property
    def chosen(self) -> Chosen | None:
        """The decision as it is committed, when it can be."""
        if self.decision is None or not self.decision.feasible:
            return None
        return Chosen(
            decision=self.decision, body=None if self.step.decision == NO_DECISION else bytes(self.step.decision)
        )

    @property
    def sites_after(self) -> list[str]:
        """Where it would run."""
        if self.step.outcome in (PlanOutcome.STAYS, PlanOutcome.STUCK) or self.decision is None:
            return self.step.before
        return sites_chosen(self.decision)


def planned(chosen: Chosen | None, **fields: object) -> Planned:
    """A step with what was chosen for it, as it is looked at."""
    step = Step(**fields)  # type: ignore[arg-type]  # the fields of Step
    return Planned(step=step, decision=None if chosen is None else chosen.decision)


def in_turn(steps: dict[str, Planned], order: Sequence[str]) -> dict[str, Planned]:
    """Steps by deployment id, with the turns of those that move, which are given in their order."""
    turns = {one: turn for turn, one in enumerate(order, 1)}
    return {
        one: Planned(step=msgspec.structs.replace(each.step, turn=turns[one]), decision=each.decision)
        if one in turns
        else each
        for one, each in steps.items()
    }


def by_turn(steps: Iterable[Planned]) -> list[Planned]:
    """Steps in the order in which they were decided, as far as it was kept."""
    return sorted(steps, key=lambda one: one.step.turn)


def kept(steps: Sequence[Planned], stop: Stop | None = None) -> list[Planned]:
    """Steps with their decisions as they are filed. Tenths of a second for each decision on thousands of sites.

    Raises Stopped when that is asked for meanwhile.
    """
    return [_kept(one, stop) for one in steps]


def _kept(one: Planned, stop: Stop | None) -> Planned:
    if one.decision is None or one.step.decision != NO_DECISION:
        return one
    body = msgspec.Raw(filed(one.decision, stop=stop))
    return Planned(step=msgspec.structs.replace(one.step, decision=body), decision=one.decision)


def filed_step(plan_id: str, one: Planned, *, tenant_id: str | None, at_ms: int) -> Record:
    """The record of a plan's step that is `kept`; steps that are filed one after the other keep their order."""
    return Record(
        collection=COLLECTION,
        id=new_id(COLLECTION, at_ms=at_ms),
        tenant_id=tenant_id,
        subject_id=plan_id,
        at=at_ms,
        body=msgspec.Raw(msgspec.json.encode(one.step)),
    )


def step_filed(record: Record) -> Planned:
    """The step of which that is the record. Some milliseconds for a decision on thousands of sites."""
    step = msgspec.json.decode(record.body, type=Step)
    return Planned(step=step, decision=decision_filed(step.decision) if bytes(step.decision) != b"null" else None)


def revisions_of(components: Iterable[Component]) -> dict[str, int]:
    """By component, the revision at which it last changed."""
    return {one.id: one.revision for one in components}


def sites_chosen(decision: Decision) -> list[str]:
    """The sites of a decision, by ascending id."""
    return sorted(one.site_id for one in decision.placements)


def places_of(decision: Decision) -> frozenset[tuple[str, str]]:
    """(component id, site id) of all that a decision has run."""
    return frozenset((one.component_id, at.site_id) for at in decision.placements for one in at.components)


# What it costs


def cost_of(decision: Decision, policy: PlacementPolicy, *, moves: int) -> PlanCost:
    """What a choice costs, in the terms and scales of the objective: what lies before it and after it can be compared."""
    weights, objective = policy.weights, decision.objective
    latency = objective.mean_latency_ms or 0.0
    return PlanCost(
        sites=weights.sites * len(decision.placements),
        latency=weights.latency * latency / LATENCY_SCALE_MS,
        headroom=weights.headroom * sum(map(_in_use, decision.placements)),
        price=weights.price * objective.price_per_hour,
        moves=weights.moves * moves,
    )


def total_of(cost: PlanCost) -> float:
    """All terms together."""
    return cost.sites + cost.latency + cost.headroom + cost.price + cost.moves


def sum_of(costs: Iterable[PlanCost | None]) -> PlanCost | None:
    """The costs of several deployments; None when one of them is not known, or there is none."""
    found = PlanCost()
    none = True
    for one in costs:
        if one is None:
            return None
        none = False
        found = PlanCost(**{name: getattr(found, name) + getattr(one, name) for name in PlanCost.__struct_fields__})
    return None if none else found


def without_use(cost: PlanCost) -> PlanCost:
    """The cost for those who may not see what others use: what follows from free room in steps (`placement.disclosure`)."""
    return msgspec.structs.replace(cost, headroom=math.floor(cost.headroom / STEP) * STEP)


def is_less(one: PlanCost, other: PlanCost, policy: PlacementPolicy) -> bool:
    """Whether one choice is better than another by the policy's objective: by its first tier in which they differ."""
    for tier in objective_of(policy):
        difference = sum(_term(one, term) - _term(other, term) for term in tier)
        if abs(difference) > EQUAL:
            return difference < 0
    return False


def gain_of(before: PlanCost, after: PlanCost, policy: PlacementPolicy) -> tuple[float, ...]:
    """By how much a choice is better, tier by tier."""
    return tuple(sum(_term(before, term) - _term(after, term) for term in tier) for tier in objective_of(policy))


def _term(cost: PlanCost, term: Term) -> float:
    value: float = getattr(cost, term.name.lower())
    return value


def _in_use(placement: SitePlacement) -> float:
    """The share of the scarcest resource asked for that is in use after placing."""
    return next((one.value for one in placement.terms if one.name == "headroom"), 0.0)
