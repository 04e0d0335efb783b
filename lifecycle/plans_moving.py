"""What plans of moves say, and the change that begins a move.

The change is made before it is broken: what a deployment leaves is removed when what replaces it is ready, so a plan never
counts on room that its own moves will free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph.edit import Edit
from graph.kinds import (
    Component,
    Deployment,
    Operation,
    OperationKind,
    PlanCost,
    PlanKind,
    Site,
)
from graph.kinds.what_if import Change
from graph.view import Reader, get_as
from lifecycle.deployments import Chosen
from lifecycle.events import tell
from lifecycle.moving import begin_move
from lifecycle.plans_steps import Planned, PlanOutcome, planned, sum_of
from lifecycle.releases import releases_of, sites_of
from placement.conditions import is_down

MAX_STEPS = 100
"""Deployments of one plan, or of one page of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MovePlan:
    """What would be done with some deployments, by ascending id."""

    kind: PlanKind
    subject_id: str | None
    """What is drained."""
    revision: int
    """The revision of the graph that it was begun at."""
    total: int
    """Deployments that it is about, all pages together."""
    more: bool
    """Whether there are deployments after this page."""
    steps: Sequence[Planned]
    changes: Sequence[Change] = ()
    """What was supposed."""

    @property
    def moves(self) -> int:
        """Sites of a component that it would newly run at."""
        return sum(one.step.moves for one in self.steps)

    @property
    def stuck(self) -> int:
        """Deployments that should go and cannot."""
        return sum(one.step.outcome is PlanOutcome.STUCK for one in self.steps)

    @property
    def cost_before(self) -> PlanCost | None:
        """What it costs now, over all steps; None when one of them is not known."""
        return sum_of(one.step.cost_before for one in self.steps)

    @property
    def cost_after(self) -> PlanCost | None:
        """What it would cost."""
        return sum_of(one.step.cost_after for one in self.steps)


def places_now(reader: Reader, deployment_id: str) -> frozenset[tuple[str, str]]:
    """(component id, site id) of all that a deployment runs and is to keep."""
    found = releases_of(reader, deployment_id)
    return frozenset((one.component_id, one.site_id) for one in found if one.stays)


def down_sites(reader: Reader, site_ids: Sequence[str]) -> list[str]:
    """Those of some sites that are down: a cordon keeps what runs there, but nothing is kept by a site that is lost."""
    return [one for one in site_ids if (site := get_as(reader, Site, one)) is not None and is_down(site)]


def stays(
    deployment: Deployment, reader: Reader, *, stuck: bool, why: str | None, chosen: Chosen | None = None
) -> Planned:
    """A step that leaves a deployment where it is."""
    return planned(
        chosen,
        outcome=PlanOutcome.STUCK if stuck else PlanOutcome.STAYS,
        name=deployment.name,
        deployment_id=deployment.id,
        generation=deployment.generation,
        before=sites_of(reader, deployment.id),
        why=why,
    )


def move_placed(
    edit: Edit, deployment: Deployment, components: Sequence[Component], chosen: Chosen, *, author: str
) -> Operation:
    """Begins to move a deployment to where a decision puts it: made before it is broken, as an operation of its own.

    Raises CapacityGone.
    """
    after, operation = begin_move(
        edit,
        deployment,
        components,
        chosen,
        operation=OperationKind.REBALANCE,
        author=author,
        leave_out=down_sites(edit, sites_of(edit, deployment.id)),
    )
    sites = len(chosen.decision.placements)
    tell(edit, after, "RebalanceAccepted", f"Deployment {after.name} is to run at {sites} sites.", author=author)
    return operation
