"""Deployments out of documents: the same change functions as the API's, called while a set is applied.

A new deployment is only written down, PENDING_PLACEMENT; placing it is its first step, done at once when it can be. One
that exists is placed anew where its document changes what decides its place. That is decided before the store's lock is
taken, in a thread, and kept here; whoever holds the lock only verifies it. What was not decided, because the deployment
has changed since, is refused as gone, and the set is tried anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from access.viewer import Viewer
from access.visible import VisibleView
from drivers.registry import DriverRegistry
from graph.applying import Coming
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Deployment, DeploymentPhase, DriftPolicy
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, Refusal
from graph.view import Reader
from lifecycle.decisions import choose_for_change
from lifecycle.deployments import Adjustment, Chosen, Wish, adjusted, deploy, update_deployment
from lifecycle.drift import set_drift_policy
from lifecycle.placing import Placing
from lifecycle.termination import terminate_deployment
from lifecycle.verbs import Verb, check_verb
from placement.decision import Decision, Objective
from placement.filed_decision import filed

PATH = "spec"
UNDECIDED = Decision(
    revision=0,
    feasible=False,
    placements=[],
    refusals=[],
    objective=Objective(sites=0, score=0.0, price_per_hour=0.0, mean_latency_ms=None, worst_latency_ms=None),
    proven=False,
)
"""The decision of a deployment that has not been placed yet."""
DECIDED_TOO = frozenset({"app_version_id", "policy", "replicas"})


class DeclaredDeployments:
    """Makes, changes and removes deployments as a viewer's documents say."""

    def __init__(self, viewer: Viewer, drivers: DriverRegistry) -> None:
        self.viewer = viewer
        self.drivers = drivers
        self._decided: dict[str, tuple[Adjustment, Chosen | Refusal]] = {}
        """By deployment, where it is to run after the change that its document asks for."""

    def places(self, coming: Coming) -> bool:
        """Whether a deployment is placed anew, by what its document changes; one that waits to be placed is not."""
        existing = coming.existing
        return (
            isinstance(existing, Deployment)
            and not _waits(existing)
            and _adjustment(coming.fields, existing) is not None
        )

    async def decide(self, edit: Edit, coming: Coming, placing: Placing) -> None:
        """Decides where a deployment that is placed anew runs after what its document changes, for `declare` to verify.

        `edit` has what the set did so far.
        """
        existing = coming.existing
        change = _adjustment(coming.fields, existing)
        if change is None or not isinstance(existing, Deployment) or _waits(existing):
            return
        decided: Chosen | Refusal
        try:
            decided = await self._choose(edit, existing, change, placing)
        except Refusal as refusal:
            decided = refusal
        self._decided[existing.id] = change, decided

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """Makes a deployment from its fields, or brings the one that exists to them. Raises a refusal."""
        if isinstance(existing, Deployment):
            return self._changed(edit, fields, existing)
        wish = Wish(
            tenant_id=fields["tenant_id"],
            name=fields["name"],
            app_version_id=fields["app_version_id"],
            policy=fields.get("policy", PlacementPolicy()),
            replicas=fields.get("replicas", {}),
            drift_policy=fields.get("drift_policy", DriftPolicy.CORRECT),
            display_name=fields.get("display_name"),
            labels=fields.get("labels", {}),
        )
        made = deploy(
            edit, wish, _chosen(UNDECIDED), visible=self._visible, author=self.viewer.id, wait=True
        ).deployment
        return edit.replace(made, path=PATH, external=fields.get("external"))

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Terminates a deployment, and deletes it when nothing of it runs any more; once is enough."""
        if isinstance(existing, Deployment) and existing.phase is not DeploymentPhase.TERMINATING:
            terminate_deployment(edit, existing.id, visible=self._visible, author=self.viewer.id, delete=True)

    def _visible(self, reader: Reader) -> Reader:
        return VisibleView(reader, self.viewer)

    async def _choose(self, edit: Edit, existing: Deployment, change: Adjustment, placing: Placing) -> Chosen:
        check_verb(existing, Verb.UPDATE, path=PATH)
        reader = self._visible(edit)
        version, policy, replicas = adjusted(reader, existing, change)
        return await choose_for_change(
            placing,
            reader=reader,
            whole=edit,
            deployment=existing,
            version=version,
            policy=policy,
            replicas=replicas,
            path=PATH,
            version_path=f"{PATH}.appVersion",
        )

    def _changed(self, edit: Edit, fields: Mapping[str, Any], existing: Deployment) -> Deployment:
        after, change = existing, _adjustment(fields, existing)
        if change is not None:
            chosen = self._chosen_for(existing, change)
            after = update_deployment(edit, change, chosen, visible=self._visible, author=self.viewer.id).deployment
        if "drift_policy" in fields:
            after = set_drift_policy(edit, after, fields["drift_policy"])
        plain = {name: value for name, value in fields.items() if name in ("display_name", "labels", "external")}
        return edit.replace(after, path=PATH, **plain)

    def _chosen_for(self, existing: Deployment, change: Adjustment) -> Chosen:
        if _waits(existing):
            return _chosen(UNDECIDED)
        asked, decided = self._decided.get(existing.id, (None, None))
        if decided is None or asked != change:
            raise CapacityGone(
                f"deployment {existing.name!r} has changed meanwhile and is to be placed anew",
                remedy="apply the set again",
                path=PATH,
            )
        if isinstance(decided, Refusal):
            raise decided
        return decided


def _adjustment(fields: Mapping[str, Any], existing: Entity) -> Adjustment | None:
    """What of a document decides where the deployment runs; None when it is as it was."""
    if not DECIDED_TOO & {name for name, value in fields.items() if getattr(existing, name) != value}:
        return None
    return Adjustment(
        deployment_id=existing.id,
        app_version_id=fields.get("app_version_id"),
        policy=fields.get("policy"),
        replicas=fields.get("replicas"),
    )


def _waits(deployment: Deployment) -> bool:
    """Whether it is placed by itself when it can be, after this change too."""
    return deployment.phase is DeploymentPhase.PENDING_PLACEMENT


def _chosen(decision: Decision) -> Chosen:
    return Chosen(decision=decision, body=filed(decision))
