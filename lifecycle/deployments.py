"""Change functions of deployments: each is one commit with what is wanted, its releases and an operation.

They run at head, so what they check is true when it is written. A decision comes in as a value, made beforehand; here it is
only verified. Nothing here calls a driver: once a change is committed, the reconciler sees it through whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from graph.change import Record
from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import (
    AppVersion,
    Component,
    Deployment,
    DeploymentPhase,
    DeploymentRevision,
    Operation,
    OperationKind,
    OperationStatus,
    Profile,
    Progress,
    Release,
)
from graph.refusal import CapacityGone
from graph.view import Reader, each, get_as
from lifecycle.adjusting import adjustments_at
from lifecycle.autoscaled import check_scaled
from lifecycle.checking import check_decision
from lifecycle.components import components_of
from lifecycle.events import tell
from lifecycle.intents import intents_of
from lifecycle.opening import create_operation
from lifecycle.outcomes import outcomes_of
from lifecycle.overriding import check_places, check_profile, overrides_after, profile_after
from lifecycle.priorities import check_priority
from lifecycle.progress import begun_phase
from lifecycle.proposing import as_wished, authors_after, check_change, drop_proposal, is_gated, propose
from lifecycle.releases import apply_decision
from lifecycle.revision_outcomes import newest_number
from lifecycle.unplaceable import Unplaceable
from lifecycle.values_checking import check_values
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import Adjustment, Wish, adjusted, adjustments_after, seen_deployment, seen_version
from placement.compiled import is_compiling
from placement.decision import Decision, SitePlacement
from placement.filed_decision import filed
from placement.problem import check_replicas

Visible = Callable[[Reader], Reader]
"""What of a graph the caller may see."""
NOT_PLACED_YET = "it has not been placed yet"
WHILE_COMPILING = f"{NOT_PLACED_YET}: what places it is being compiled, as after the first start of a version"
VERSIONS_KEPT = 50
DECISIONS = "decision"
"""The collection of filed decisions."""
VERB_OF = {
    OperationKind.UPDATE: Verb.UPDATE,
    OperationKind.SCALE: Verb.SCALE,
    OperationKind.ADD_SITES: Verb.ADD_SITES,
    OperationKind.REMOVE_SITES: Verb.REMOVE_SITES,
    OperationKind.ADJUST_SITE: Verb.ADJUST_SITE,
    OperationKind.MIGRATE: Verb.MIGRATE,
    OperationKind.ROLLBACK: Verb.ROLL_BACK,
}
"""The verb that each kind of change is."""
ACCEPTED = {
    OperationKind.DEPLOY: "DeploymentAccepted",
    OperationKind.UPDATE: "UpdateAccepted",
    OperationKind.SCALE: "ScaleAccepted",
    OperationKind.ADD_SITES: "AddSitesAccepted",
    OperationKind.REMOVE_SITES: "RemoveSitesAccepted",
    OperationKind.ADJUST_SITE: "AdjustSiteAccepted",
    OperationKind.MIGRATE: "MigrationAccepted",
    OperationKind.ROLLBACK: "RollbackAccepted",
}
"""What the event of each kind of change is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A decision, and what is filed of it."""

    decision: Decision
    body: bytes | None = None
    """The JSON that is filed, made off the event loop, for it may be megabytes; None of what is only looked at."""
    record_id: str | None = None
    """Set when it has been filed already, or when it is of a graph that is only supposed, where nothing is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """What a change of a deployment began."""

    deployment: Deployment
    operation: Operation


def deploy(
    edit: Edit, wish: Wish, chosen: Chosen | None, *, visible: Visible, author: str, wait: bool = False
) -> Started:
    """A new deployment with its first revision, its releases and an operation.

    With `wait` one that was not decided yet, or whose decision is not feasible, is left PENDING_PLACEMENT; else it is
    refused.
    Raises NotFound, AlreadyExists, InvalidInput, InvalidState, LimitExceeded, Unplaceable, or CapacityGone.
    """
    version = seen_version(visible(edit), wish.app_version_id)
    components = components_of(edit, version)
    check_replicas(wish.replicas, components, policy=wish.policy, path="input.replicas")
    check_priority(edit, wish.policy, tenant_id=wish.tenant_id, path="input.policy")
    check_profile(visible(edit), version, wish.profile_id)
    check_places(visible(edit), wish.overrides, components)
    check_values(
        edit,
        components,
        profile_id=wish.profile_id,
        overrides=wish.overrides,
        placements=_placements(chosen),
    )
    check_decision(
        edit,
        chosen.decision if chosen is not None else None,
        components,
        policy=wish.policy,
        wait=wait,
        labels=wish.labels,
    )
    deployment = create_deployment(edit, wish)
    if is_gated(edit, deployment):
        return _propose(
            edit,
            deployment,
            intents_of(deployment),
            chosen,
            number=1,
            kind=OperationKind.DEPLOY,
            author=author,
            authors=[author],
        )
    return begin(edit, deployment, chosen, components, kind=OperationKind.DEPLOY, author=author)


def create_deployment(edit: Edit, wish: Wish, *, path: str = "input") -> Deployment:
    """The deployment that a wish asks for, new in the graph, with nothing of it begun.

    Raises NotFound, AlreadyExists, InvalidInput or LimitExceeded that name the field below `path`.
    """
    return edit.create(
        Deployment,
        path=path,
        tenant_id=wish.tenant_id,
        name=wish.name,
        display_name=wish.display_name,
        labels=wish.labels,
        app_version_id=wish.app_version_id,
        policy=wish.policy,
        replicas=wish.replicas,
        profile_id=wish.profile_id,
        overrides=wish.overrides,
        drift_policy=wish.drift_policy,
        failover=wish.failover,
        requires_approval=wish.requires_approval,
        outcomes_from=1,
    )


def update_deployment(
    edit: Edit,
    change: Adjustment,
    chosen: Chosen | None,
    *,
    visible: Visible,
    author: str,
    kind: OperationKind = OperationKind.UPDATE,
) -> Started:
    """The deployment with what changed in it: a new revision, and new generations where a backend would see a difference.

    A deployment that waits to be placed goes on waiting when the decision is not feasible, or there is none yet; else that
    is refused.
    Raises NotFound, Conflict, InvalidInput, InvalidState, LimitExceeded, Unplaceable, or CapacityGone.
    """
    deployment = seen_deployment(visible(edit), change.deployment_id)
    check_verb(deployment, VERB_OF[kind])
    if change.made_from not in (None, newest_number(deployment)):
        raise CapacityGone(
            f"deployment {deployment.name!r} has changed meanwhile",
            remedy="nothing was done; ask again",
            path="input.id",
        )
    if change.app_version_id is not None:
        seen_version(visible(edit), change.app_version_id)
    waiting = deployment.phase is DeploymentPhase.PENDING_PLACEMENT
    wished = as_wished(deployment)
    version, policy, replicas = adjusted(edit, wished, change)
    components = components_of(edit, version)
    check_replicas(replicas, components, policy=policy, path="input.replicas")
    check_priority(edit, policy, tenant_id=deployment.tenant_id, before=deployment.policy, path="input.policy")
    check_decision(
        edit,
        chosen.decision if chosen is not None else None,
        components,
        policy=policy,
        wait=waiting,
        excluding=deployment.id,
    )
    intents: dict[str, Any] = {
        "app_version_id": version.id,
        "policy": policy,
        "replicas": replicas,
        "adjustments": adjustments_after(wished, change, components, _placements(chosen)),
        "failover": wished.failover if change.failover is None else change.failover,
        "profile_id": profile_after(edit, wished, change.profile_id, version),
        "overrides": overrides_after(wished, change.overrides, components),
        "drift_policy": change.drift_policy or wished.drift_policy,
        "requires_approval": wished.requires_approval if change.requires_approval is None else change.requires_approval,
    }
    check_profile(visible(edit), version, intents["profile_id"])
    if change.overrides is not None:
        check_places(visible(edit), change.overrides, components)
    check_values(
        edit,
        components,
        profile_id=intents["profile_id"],
        overrides=intents["overrides"],
        placements=_placements(chosen),
    )
    after = edit.replace(deployment, expected_revision=change.expected_revision)
    number = newest_number(deployment) + 1
    if is_gated(edit, after, intents):
        check_change(after, intents)
        if not is_gated(edit, after):
            # It asks for approval itself: from now on, whatever becomes of what else it changes.
            after = edit.replace(after, requires_approval=True)
        authors = authors_after(after, author, kind=kind, brought_by=change.brought_by)
        return _propose(edit, after, intents, chosen, number=number, kind=kind, author=author, authors=authors)
    after = edit.replace(after, revision_number=number, generation=deployment.generation + 1, **intents)
    return begin(edit, drop_proposal(edit, after, author=author), chosen, components, kind=kind, author=author)


def _placements(chosen: Chosen | None) -> Sequence[SitePlacement] | None:
    """Where it is to run, once that is decided."""
    return chosen.decision.placements if chosen is not None and chosen.decision.feasible else None


def open_operation(edit: Edit, deployment: Deployment, *, kind: OperationKind, author: str) -> Operation:
    """A new operation on the deployment; one that was under way is superseded by it."""
    operation = create_operation(
        edit, kind, tenant_id=deployment.tenant_id, subject_id=deployment.id, requested_by=author
    )
    supersede(edit, deployment, operation, author=author)
    return operation


def supersede(edit: Edit, deployment: Deployment, operation: Operation, *, author: str) -> None:
    """Ends what is under way on the deployment, for an operation takes its place."""
    earlier = get_as(edit, Operation, deployment.operation_id)
    if earlier is not None and not earlier.ended:
        worked_on = each(edit, Release, "operation_id", earlier.id)
        outcomes = outcomes_of(edit, earlier, worked_on)
        edit.replace(earlier, status=OperationStatus.SUPERSEDED, finished_at=edit.at, outcomes=outcomes)
        tell(edit, earlier, "OperationSuperseded", f"{operation.id} took its place.", author=author)


def file_decision(edit: Edit, deployment: Deployment, chosen: Chosen) -> str:
    """Files the decision under the deployment and gives its id."""
    if chosen.record_id is not None:
        return chosen.record_id
    decision_id = new_id(DECISIONS, at_ms=edit.at)
    edit.file(
        Record(
            collection=DECISIONS,
            id=decision_id,
            tenant_id=deployment.tenant_id,
            subject_id=deployment.id,
            at=edit.at,
            body=msgspec.Raw(filed(chosen.decision) if chosen.body is None else chosen.body),
        )
    )
    return decision_id


def file_revision(
    edit: Edit, deployment: Deployment, *, decision_id: str | None, author: str, authors: Sequence[str] | None = None
) -> DeploymentRevision:
    """Files what the deployment wants now under its revision number; its version and profile never change from then on.

    `authors` are all who asked for something of it, where it is to be approved.
    """
    version = get_as(edit, AppVersion, deployment.app_version_id)
    profile = get_as(edit, Profile, deployment.profile_id)
    for one in (version, profile):
        if one is not None and one.used_at is None:
            edit.replace(one, used_at=edit.at)
    named = [deployment.app_version_id, *(one for one in deployment.version_ids if one != deployment.app_version_id)]
    edit.replace(deployment, version_ids=named[:VERSIONS_KEPT])
    return edit.create(
        DeploymentRevision,
        tenant_id=deployment.tenant_id,
        deployment_id=deployment.id,
        number=deployment.revision_number,
        decision_id=decision_id,
        author=author,
        authors=[author] if authors is None else list(authors),
        **intents_of(deployment),
    )


def _propose(
    edit: Edit,
    deployment: Deployment,
    intents: dict[str, Any],
    chosen: Chosen | None,
    *,
    number: int,
    kind: OperationKind,
    author: str,
    authors: Sequence[str],
) -> Started:
    proposed = msgspec.structs.replace(deployment, revision_number=number, **intents)
    decision_id = file_decision(edit, deployment, chosen) if chosen is not None else None
    revision = file_revision(edit, proposed, decision_id=decision_id, author=author, authors=authors)
    deployment, operation = propose(edit, deployment, revision, kind=kind, author=author)
    return Started(deployment=deployment, operation=operation)


def begin(
    edit: Edit,
    deployment: Deployment,
    chosen: Chosen | None,
    components: Sequence[Component],
    *,
    kind: OperationKind,
    author: str,
    revision_id: str | None = None,
    operation: Operation | None = None,
) -> Started:
    """Begins what the deployment wants by now, as a revision that is filed here unless it has been already.

    With an operation that is the one that sees it through.
    """
    if operation is None:
        operation = open_operation(edit, deployment, kind=kind, author=author)
    else:
        supersede(edit, deployment, operation, author=author)
    feasible = chosen is not None and chosen.decision.feasible
    if chosen is not None:
        check_scaled(edit, deployment, chosen.decision, components)
        if feasible:
            # What was approved may be placed elsewhere than it was shown to run.
            kept = adjustments_at(deployment.adjustments, components, chosen.decision.placements)
            deployment = edit.replace(deployment, adjustments=kept)
    decision_id = file_decision(edit, deployment, chosen) if chosen is not None else None
    if revision_id is None:
        revision_id = file_revision(edit, deployment, decision_id=decision_id if feasible else None, author=author).id
    fields: dict[str, Any] = {
        "revision_id": revision_id,
        "decision_id": decision_id,
        "operation_id": operation.id,
        "phase": begun_phase(deployment) if feasible else DeploymentPhase.PENDING_PLACEMENT,
        "message": None if feasible else _not_placed() if chosen is None else Unplaceable(chosen.decision).message,
    }
    after = edit.replace(deployment, **fields)
    sites = 0
    if chosen is not None and feasible:
        sites = len(chosen.decision.placements)
        migrates = kind is OperationKind.MIGRATE
        total = apply_decision(
            edit,
            after,
            chosen.decision,
            components,
            operation_id=operation.id,
            replace_first=migrates,
            standby=migrates,
        )
        operation = edit.replace(operation, progress=Progress(total=total))
    tell(
        edit,
        after,
        ACCEPTED[kind],
        f"Revision {after.revision_number} of deployment {after.name} is to run at {sites} sites."
        if feasible
        else f"Deployment {after.name} waits to be placed.",
        author=author,
    )
    return Started(deployment=after, operation=operation)


def _not_placed() -> str:
    """Why nothing is chosen yet for what will be placed."""
    return WHILE_COMPILING if is_compiling() else NOT_PLACED_YET
