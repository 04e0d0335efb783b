"""What is asked for of a deployment, new or there, and what it is to be after that.

Both are values that are made off the event loop, from an input, a document or a kept plan, and come to the change functions
(lifecycle/deployments.py) whole: so whoever asks for the same thing in another way gets the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from graph.entity import Entity
from graph.kinds import (
    AppVersion,
    Component,
    Deployment,
    DriftPolicy,
    FailoverPolicy,
    Override,
    SiteReplicas,
)
from graph.kinds.policy import PlacementPolicy
from graph.refusal import NotFound
from graph.view import Reader, get_as
from lifecycle.adjusting import adjustments_at
from lifecycle.components import components_of
from placement.decision import SitePlacement


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that is asked for."""

    tenant_id: str
    name: str
    app_version_id: str
    policy: PlacementPolicy = PlacementPolicy()
    replicas: dict[str, int] = {}
    """Replicas at each site by component name; a component's own number when absent."""
    profile_id: str | None = None
    overrides: list[Override] = []
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    failover: FailoverPolicy = FailoverPolicy()
    requires_approval: bool = False
    display_name: str | None = None
    labels: dict[str, str] = {}


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change in a deployment; None leaves it as it is."""

    deployment_id: str
    app_version_id: str | None = None
    policy: PlacementPolicy | None = None
    replicas: dict[str, int] | None = None
    """All replicas by component name; what is left out goes back to the component's own number."""
    adjustments: list[SiteReplicas] | None = None
    """All replicas at single sites."""
    failover: FailoverPolicy | None = None
    profile_id: str | msgspec.UnsetType | None = msgspec.UNSET
    """None: without one from now on. Unset: as before, and with another version its profile of the same name."""
    overrides: list[Override] | None = None
    """All overrides."""
    drift_policy: DriftPolicy | None = None
    requires_approval: bool | None = None
    expected_revision: int | None = None
    made_from: int | None = None
    """The revision number that it was worked out from; None: it does not matter."""
    brought_by: Sequence[str] = ()
    """Who asked for what it brings back and nobody has approved, by id."""


def seen(reader: Reader, kind: type[Entity], entity_id: str, *, path: str) -> Any:
    """The entity if the caller may see it. Raises NotFound."""
    found = get_as(reader, kind, entity_id)
    if found is None:
        raise NotFound(kind.__name__, entity_id, path=path)
    return found


def seen_deployment(reader: Reader, deployment_id: str, *, path: str = "input.id") -> Deployment:
    """The deployment if the caller may see it. Raises NotFound."""
    found: Deployment = seen(reader, Deployment, deployment_id, path=path)
    return found


def seen_version(reader: Reader, version_id: str, *, path: str = "input.appVersionId") -> AppVersion:
    """The app version if the caller may see it. Raises NotFound."""
    found: AppVersion = seen(reader, AppVersion, version_id, path=path)
    return found


def adjusted(
    reader: Reader, deployment: Deployment, change: Adjustment
) -> tuple[AppVersion, PlacementPolicy, dict[str, int]]:
    """The version, policy and replicas that a deployment has after a change.

    Replicas that an earlier version's components had are dropped when the version changes. Raises NotFound.
    """
    version = seen_version(reader, change.app_version_id or deployment.app_version_id)
    replicas = change.replicas
    if replicas is None:
        replicas = deployment.replicas
        if version.id != deployment.app_version_id:
            names = {one.name for one in components_of(reader, version)}
            replicas = {name: count for name, count in replicas.items() if name in names}
    return version, change.policy or deployment.policy, replicas


def adjustments_after(
    deployment: Deployment,
    change: Adjustment,
    components: Sequence[Component],
    placements: Sequence[SitePlacement] | None,
) -> list[SiteReplicas]:
    """The replicas at single sites that a deployment has after a change: those of components that it still has, and where
    they are to run. `placements`: where that is; None while it has no place.
    """
    names = {one.name for one in components}
    found = deployment.adjustments if change.adjustments is None else change.adjustments
    if placements is not None:
        return adjustments_at(found, components, placements)
    return [one for one in found if one.component in names]
