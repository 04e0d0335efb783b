"""Whether what was decided may be committed: it has an outcome that was asked for, and it still holds at head."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graph.edit import Edit
from graph.kinds import Component
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidState
from graph.view import Reader
from lifecycle.indulgence import blemished, indulged
from lifecycle.unplaceable import Unplaceable
from placement.decision import Decision, SitePlacement
from placement.verification import verify


def check_decision(
    edit: Edit,
    decision: Decision | None,
    components: Sequence[Component],
    *,
    policy: PlacementPolicy,
    wait: bool,
    excluding: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Checks a decision at head, for a deployment that may `wait` when it is not feasible or not made yet.

    Raises InvalidState, Unplaceable or CapacityGone.
    """
    if decision is None:
        assert wait, "only what waits is not decided"
        return
    if not decision.feasible:
        if wait:
            return
        raise Unplaceable(decision)
    known = {one.id for one in components}
    asked = {placed.component_id for site in decision.placements for placed in site.components}
    if not asked <= known:
        raise InvalidState(
            "the app version changed while the deployment was being placed",
            remedy="try again",
            path="input.appVersionId",
        )
    verify_at_head(edit, decision, components, policy=policy, deployment_id=excluding, labels=labels)


def verify_at_head(
    head: Reader,
    decision: Decision | Sequence[SitePlacement],
    components: Sequence[Component],
    *,
    policy: PlacementPolicy,
    deployment_id: str | None,
    labels: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
    with_nodes: bool = False,
) -> None:
    """Checks that a decision, or what it has at some sites, still holds on a graph.

    Of a deployment that is there its own sites may be away or cordoned.

    `with_nodes`: its own nodes too. `labels` are those of a deployment that is not there yet. Raises CapacityGone.
    """
    reader = head
    if deployment_id is not None:
        reader = indulged(head, blemished(head, deployment_id, leave_out=leave_out, with_nodes=with_nodes))
    verify(
        reader,
        decision,
        components=components,
        policy=policy,
        excluding_deployment_id=deployment_id,
        deployment_labels=labels,
    )
