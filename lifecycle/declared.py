"""Deployments out of documents: the same change functions as the API's, called while a set is applied.

A set is applied at head in one go, so a new deployment is only written down there, PENDING_PLACEMENT; placing it is
its first step, done at once when it can be. One that exists is placed anew where its document changes what decides
its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from access.viewer import Viewer
from access.visible import VisibleView
from drivers.registry import DriverRegistry
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Deployment, DeploymentPhase
from graph.kinds.policy import PlacementPolicy
from graph.view import Reader
from lifecycle.components import components_of
from lifecycle.deployments import Adjustment, Chosen, Wish, adjusted, deploy, terminate_deployment, update_deployment
from placement.decision import Decision, Objective
from placement.engine import decide
from placement.problem import problem_from

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
        self._viewer = viewer
        self._drivers = drivers

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """Makes a deployment from its fields, or brings the one that exists to them. Raises a refusal."""
        if isinstance(existing, Deployment):
            return _changed(
                edit, fields, existing, visible=self._visible, author=self._viewer.id, drivers=self._drivers
            )
        wish = Wish(
            tenant_id=fields["tenant_id"],
            name=fields["name"],
            app_version_id=fields["app_version_id"],
            policy=fields.get("policy", PlacementPolicy()),
            replicas=fields.get("replicas", {}),
            display_name=fields.get("display_name"),
            labels=fields.get("labels", {}),
        )
        chosen = Chosen(decision=UNDECIDED, body=msgspec.json.encode(UNDECIDED))
        made = deploy(edit, wish, chosen, visible=self._visible, author=self._viewer.id, wait=True).deployment
        return edit.replace(made, path=PATH, external=fields.get("external"))

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Terminates a deployment, and deletes it when nothing of it runs any more; once is enough."""
        if isinstance(existing, Deployment) and existing.phase is not DeploymentPhase.TERMINATING:
            terminate_deployment(edit, existing.id, visible=self._visible, author=self._viewer.id, delete=True)

    def _visible(self, reader: Reader) -> Reader:
        return VisibleView(reader, self._viewer)


def _changed(
    edit: Edit,
    fields: Mapping[str, Any],
    existing: Deployment,
    *,
    visible: Callable[[Reader], Reader],
    author: str,
    drivers: DriverRegistry,
) -> Deployment:
    after = existing
    if DECIDED_TOO & {name for name, value in fields.items() if getattr(existing, name) != value}:
        change = Adjustment(
            deployment_id=existing.id,
            app_version_id=fields.get("app_version_id"),
            policy=fields.get("policy"),
            replicas=fields.get("replicas"),
        )
        version, policy, replicas = adjusted(visible(edit), existing, change)
        problem = problem_from(
            visible(edit),
            components=components_of(edit, version, path=PATH),
            policy=policy,
            replicas=replicas,
            excluding_deployment_id=existing.id,
            tenant_id=existing.tenant_id,
            uses=edit,
            drivers=drivers.names,
            path=PATH,
        )
        decision = decide(problem)
        chosen = Chosen(decision=decision, body=msgspec.json.encode(decision))
        after = update_deployment(edit, change, chosen, visible=visible, author=author).deployment
    plain = {name: value for name, value in fields.items() if name in ("display_name", "labels", "external")}
    return edit.replace(after, path=PATH, **plain)
