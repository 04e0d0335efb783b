"""Change functions of failover: what was lost is written down, and what is done about it is begun, each at head.

Whoever asks has looked at an older graph, so everything is asked again here: whether there still is a loss and whether it
counts, what the deployment wants by now, whether the old copy of one that is single is known to be gone. So two processes
that both react do no harm, and one that was killed between two of these goes on with the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from graph.edit import Edit
from graph.kinds import (
    AppVersion,
    Deployment,
    DeploymentPhase,
    Displacement,
    DisplacementState,
    FailoverMode,
    Loss,
    LossKind,
    Node,
    Operation,
    OperationKind,
    Plan,
    PlanKind,
    PlanStatus,
    Release,
    UnlistedLosses,
)
from graph.refusal import InvalidState
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deployments import Chosen
from lifecycle.drain import MOVABLE, is_movable
from lifecycle.events import AUTHOR, tell
from lifecycle.known_gone import is_known_gone
from lifecycle.losses import AWAY, left_out, losses_of, planned_of, staying
from lifecycle.losses_kept import MOST_LISTED, displaced, due_of, unlisted_of_policy
from lifecycle.mass_loss import MOVES_HELD, are_held
from lifecycle.moving import begin_move
from lifecycle.portions import weight_of_change
from lifecycle.releases import releases_of
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from placement.decision import Decision
from placement.standing import Standing

REQUEST = own_request("lifecycle.failover")
"""Who commits what failover does by itself."""
TOLD = {
    DisplacementState.TOLERATED: "LossTolerated",
    DisplacementState.WAITING: "FailoverWaits",
    DisplacementState.STUCK: "FailoverStuck",
    DisplacementState.HELD: "FailoverHeld",
    DisplacementState.AWAITING_OLD: "OldCopyAwaited",
    DisplacementState.PROPOSED: "FailoverProposed",
    DisplacementState.REPORTED: "FailoverReported",
}
"""What the event of each state is called."""
FOLLOWED = (*MOVABLE, DeploymentPhase.PAUSED)
"""Phases in which what is lost is noted."""
LOSS_BYTES = 256
"""About as much is written of a loss."""


class Found(NamedTuple):
    """What was found of a deployment at a generation of it."""

    deployment_id: str
    generation: int
    standing: Standing | None
    """How it stands by its policy; None: that was not looked at."""


def note_all(edit: Edit, found: Sequence[Found], *, settings: LifecycleSettings) -> None:
    """Writes down of some deployments why they cannot stay as they are, or that they can by now."""
    for one in found:
        note_losses(edit, one.deployment_id, standing=one.standing, generation=one.generation, settings=settings)


def note_losses(
    edit: Edit, deployment_id: str, *, standing: Standing | None, generation: int, settings: LifecycleSettings
) -> Deployment | None:
    """Writes down why a deployment cannot stay as it is, or that it can by now.

    standing: how it stands by its policy, found at that generation; None when that was not looked at.
    """
    deployment = get_as(edit, Deployment, deployment_id)
    if deployment is None:
        return None
    followed = deployment.failover.mode is not FailoverMode.OFF and deployment.phase in FOLLOWED
    before = deployment.displacement
    losses: list[Loss] = []
    unlisted: list[UnlistedLosses] = []
    if followed:
        known = standing if deployment.generation == generation else None
        losses = losses_of(edit, deployment, standing=known, at=edit.at, settings=settings)
        unlisted = unlisted_of_policy(before) if known is None else []
    if not losses and not unlisted:
        return deployment if before is None else _over(edit, deployment, before, told=followed)
    if before is None or is_outdated(deployment, before, losses, unlisted) or not due_of(losses, at=edit.at):
        drop_plan(edit, before)
        return put(edit, deployment, _not_planned(DisplacementState.TOLERATED, losses, unlisted))
    after = displaced(
        before.state,
        losses,
        unlisted,
        why=before.why,
        plan_id=before.plan_id,
        plan_generation=before.plan_generation,
    )
    return deployment if after == before else edit.replace(deployment, displacement=after)


def is_outdated(
    deployment: Deployment, displacement: Displacement, losses: Collection[Loss], unlisted: Collection[UnlistedLosses]
) -> bool:
    """Whether the plan of a displacement was made for another generation, or for a loss that is not among these."""
    if displacement.plan_id is None:
        return False
    still = {one.what for one in losses}
    gone = any(one.planned and one.what not in still for one in displacement.losses)
    was, now = _planned_in(displacement.losses, displacement.more), _planned_in(losses, unlisted)
    return gone or now < was or displacement.plan_generation != deployment.generation


def _planned_in(losses: Iterable[Loss], unlisted: Iterable[UnlistedLosses]) -> int:
    return sum(one.planned for one in losses) + sum(one.count for one in unlisted if one.planned)


def _not_planned(
    state: DisplacementState,
    losses: Iterable[Loss],
    unlisted: Iterable[UnlistedLosses],
    *,
    why: str | None = None,
) -> Displacement:
    """Where a deployment stands that has no plan."""
    return displaced(
        state,
        [msgspec.structs.replace(one, planned=False) for one in losses],
        [msgspec.structs.replace(one, planned=False) for one in unlisted],
        why=why,
    )


def weight_of(reader: Reader, deployment_id: str, *, standing: Standing | None = None) -> int:
    """About what it weighs, in changes, to write down where a deployment stands: itself, a plan that goes, and an event.

    With what it may have lost by then; that its policy wants sites is known from how it stands.
    """
    deployment = get_as(reader, Deployment, deployment_id)
    if deployment is None:
        return 1
    plan = None if deployment.displacement is None else get_as(reader, Plan, deployment.displacement.plan_id)
    lost = reader.count("Release", "deployment_id", deployment_id)
    lost += 0 if standing is None else len(standing.refused) + len(standing.joined)
    more_bytes = LOSS_BYTES * min(lost, MOST_LISTED)
    return 1 + weight_of_change(deployment, more_bytes=more_bytes) + weight_of_change(plan)


class Stands(NamedTuple):
    """What is done about the loss of a deployment at a generation of it, without a plan."""

    deployment_id: str
    state: DisplacementState
    why: str | None
    generation: int


def stand_all(edit: Edit, stands: Sequence[Stands]) -> None:
    """Writes down of some deployments what is done about their losses."""
    for one in stands:
        stand(edit, one.deployment_id, one.state, why=one.why, generation=one.generation)


def stand(
    edit: Edit, deployment_id: str, state: DisplacementState, *, why: str | None, generation: int
) -> Deployment | None:
    """Writes down what is done about a loss: a state without a plan. Nothing when the deployment has changed since."""
    deployment = get_as(edit, Deployment, deployment_id)
    if deployment is None or deployment.displacement is None or deployment.generation != generation:
        return None
    before = deployment.displacement
    if (before.state, before.why) == (state, why):
        return deployment
    drop_plan(edit, before)
    return put(edit, deployment, _not_planned(state, before.losses, before.more, why=why))


def fail_over(
    edit: Edit,
    deployment_id: str,
    chosen: Chosen,
    *,
    generation: int,
    settings: LifecycleSettings | None = None,
    author: str = AUTHOR,
) -> Operation | None:
    """Begins to move a deployment to where a decision puts it; None when there is no reason for that any more.

    With settings, by itself: losses are asked for again, and only those that count by now are left. Without, because
    somebody applies a plan.
    Raises CapacityGone, or InvalidState when the old copy of one that is single is not known to be gone, or when moves that
    begin by themselves are held.
    """
    deployment = get_as(edit, Deployment, deployment_id)
    if deployment is None or deployment.displacement is None or deployment.generation != generation:
        return None
    version = get_as(edit, AppVersion, deployment.app_version_id)
    if version is None or not is_movable(deployment) or not chosen.decision.feasible:
        return None
    stood = deployment.displacement
    known: Sequence[Loss] = stood.losses
    losses, unlisted = planned_of(edit, deployment), [one for one in stood.more if not one.planned]
    if settings is not None:
        unlisted = unlisted_of_policy(stood)
        known = losses_of(edit, deployment, standing=None, at=edit.at, settings=settings)
        losses = due_of(known, at=edit.at)
        if not losses or deployment.failover.mode is not FailoverMode.APPLY:
            return None
        if are_held(edit, left_out(edit, deployment, losses)):
            raise InvalidState(MOVES_HELD, remedy="resume them when it is known what is lost", path="input.id")
    doing = {one.what for one in losses}
    later = [one for one in known if one.what not in doing]
    awaited = old_copies(edit, deployment, losses)
    if awaited:
        raise InvalidState(
            awaited_words(edit, awaited), remedy="fence its site or node when it is gone", path="input.id"
        )
    components = components_of(edit, version)
    out = left_out(edit, deployment, losses)
    after, operation = begin_move(
        edit,
        deployment,
        components,
        chosen,
        operation=OperationKind.FAILOVER,
        author=author,
        leave_out=out,
        with_nodes=True,
        reassign=renewed_sites(edit, deployment, losses),
        displacement=_not_planned(DisplacementState.TOLERATED, later, unlisted) if later or unlisted else None,
    )
    if settings is not None:
        drop_plan(edit, stood)
    _leave_behind(edit, after, out)
    told = f"Deployment {after.name} is moved: {words_of(losses)}."
    tell(edit, after, "FailoverBegun", told, author=author, warning=True)
    return operation


def put(edit: Edit, deployment: Deployment, displacement: Displacement) -> Deployment:
    """Writes down where a deployment stands, and tells of it when that is something else."""
    before = deployment.displacement
    after = edit.replace(deployment, displacement=displacement)
    if before is None or (before.state, before.why) != (displacement.state, displacement.why):
        told = [words_of(displacement.losses, displacement.more), *([displacement.why] if displacement.why else [])]
        tell(edit, after, TOLD[displacement.state], f"{'; '.join(told)}.", warning=True)
    return after


def drop_plan(edit: Edit, displacement: Displacement | None) -> None:
    """A plan that nobody has applied goes with its reason."""
    plan = get_as(edit, Plan, None if displacement is None else displacement.plan_id)
    if plan is not None and plan.kind is PlanKind.FAILOVER and plan.status is PlanStatus.OPEN:
        edit.delete(plan)


def renewed_sites(reader: Reader, deployment: Deployment, losses: Collection[Loss]) -> frozenset[str]:
    """The sites where a deployment gets nodes anew: it has lost one there, or the control plane it runs through there."""
    nodes = (
        get_as(reader, Node, one.subject_id)
        for one in losses
        if one.kind in (LossKind.NODE_NOT_READY, LossKind.NODE_TAINTED)
    )
    found = {node.site_id for node in nodes if node is not None}
    clusters = {one.subject_id for one in losses if one.kind is LossKind.CLUSTER_DOWN}
    if clusters and not deployment.policy.everywhere:
        found |= {one.site_id for one in staying(reader, deployment.id) if one.cluster_id in clusters}
    return frozenset(found)


def renews(reader: Reader, deployment_id: str, decision: Decision, sites: Collection[str]) -> bool:
    """Whether a decision gives a deployment other nodes at some sites where it stays, or another control plane."""
    nodes: dict[tuple[str, str], dict[str, int]] = {}
    clusters: dict[tuple[str, str], str | None] = {}
    for one in staying(reader, deployment_id):
        key = one.component_id, one.site_id
        nodes.setdefault(key, {}).update(one.assignments)
        clusters[key] = one.cluster_id
    return any(
        nodes.get((one.component_id, at.site_id)) != dict(one.assignments)
        or one.cluster_id not in (None, clusters.get((one.component_id, at.site_id)))
        for at in decision.placements
        if at.site_id in sites
        for one in at.components
    )


def old_copies(reader: Reader, deployment: Deployment, losses: Collection[Loss]) -> list[Release]:
    """Of a deployment that is single, the releases at places that are away of which nobody knows whether they run."""
    if not deployment.failover.single:
        return []
    out = set(left_out(reader, deployment, [one for one in losses if one.kind in AWAY]))
    return [
        one
        for one in staying(reader, deployment.id)
        if (one.site_id in out or out & one.assignments.keys()) and not _is_gone(reader, one, out)
    ]


def awaited_words(reader: Reader, awaited: Sequence[Release]) -> str:
    """What is waited for."""
    names = sorted({getattr(reader.get(one.site_id), "name", one.site_id) for one in awaited})
    return f"it is single, and its copy at site {', '.join(names)} is not known to be gone"


def words_of(losses: Sequence[Loss], unlisted: Iterable[UnlistedLosses] = ()) -> str:
    """Losses in words, the first three."""
    told = [one.words for one in losses[:3]]
    more = len(losses) - len(told) + sum(one.count for one in unlisted)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def _is_gone(reader: Reader, release: Release, out: Collection[str]) -> bool:
    """Whether what of a release is at places that are left is known to be gone; what is at its others is removed."""
    if release.site_id in out:
        return is_known_gone(reader, release)
    lost = [get_as(reader, Node, one) for one in release.assignments if one in out]
    return all(one is None or one.fence is not None for one in lost)


def _over(edit: Edit, deployment: Deployment, before: Displacement, *, told: bool) -> Deployment:
    drop_plan(edit, before)
    after = edit.replace(deployment, displacement=None)
    if told:
        tell(edit, after, "LossOver", f"Deployment {after.name} can stay where it is.")
    return after


def _leave_behind(edit: Edit, deployment: Deployment, out: Collection[str]) -> None:
    """What is left at a site that does not answer is removed when it does; nobody waits for that."""
    for one in releases_of(edit, deployment.id):
        if not one.stays and one.site_id in out and not one.left_behind:
            edit.replace(one, left_behind=True)
