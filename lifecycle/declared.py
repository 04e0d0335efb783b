"""Deployments out of documents: the same change functions as the API's, called while a set is applied.

A new deployment is only written down, PENDING_PLACEMENT; placing it is its first step, done at once when it can be. Whether
its policy can be meant at all is looked at beforehand: else it would wait for ever. One that exists is placed anew where its
document changes what decides its place. That is decided before the store's lock is taken, in a thread, and kept here;
whoever holds the lock only verifies it. What was not decided, because the deployment has changed since, is refused as gone,
and the set is tried anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from access.viewer import Viewer
from access.visible import VisibleView
from drivers.registry import DriverRegistry
from graph.applying import Coming
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Deployment, DeploymentPhase, DriftPolicy, FailoverPolicy
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, Refusal
from graph.view import Reader
from lifecycle.components import components_of
from lifecycle.decisions import choose_for_change
from lifecycle.deployments import Chosen, deploy, update_deployment
from lifecycle.placing import Placing
from lifecycle.proposing import as_wished
from lifecycle.termination import terminate_deployment
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import Adjustment, Wish, adjusted, seen_version

PATH = "spec"
PLAIN = frozenset({"display_name", "labels", "external"})
"""What of a deployment is no part of what is wanted of it, and makes no revision."""


class DeclaredDeployments:
    """Makes, changes and removes deployments as a viewer's documents say."""

    def __init__(self, viewer: Viewer, drivers: DriverRegistry) -> None:
        self.viewer = viewer
        self.drivers = drivers
        self._decided: dict[str, tuple[Adjustment, Chosen | Refusal]] = {}
        """By deployment, where it is to run after the change that its document asks for."""
        self._broken: dict[tuple[str, str], tuple[_Asked, Refusal]] = {}
        """By tenant and name, of those that are new or wait, what is wrong with where they are to run."""
        self._sound: set[bytes] = set()
        """What was looked at and found sound."""

    def places(self, coming: Coming) -> bool:
        """Whether a deployment is placed anew, by what its document changes; one that waits to be placed is not."""
        existing = coming.existing
        return (
            isinstance(existing, Deployment)
            and not _waits(existing)
            and _adjustment(coming.fields, existing) is not None
        )

    def check(self, edit: Edit, coming: Coming, placing: Placing) -> None:
        """Looks at where a deployment that is new, or waits, is to run, for `declare` to refuse what cannot be meant.

        `edit` has what the set did so far.
        """
        existing = coming.existing
        asked = _asked(coming.fields, existing)
        key = msgspec.json.encode(asked)
        if key in self._sound or (isinstance(existing, Deployment) and not _waits(existing)):
            return
        reader = self._visible(edit)
        try:
            version = seen_version(reader, asked.app_version_id, path=f"{PATH}.appVersion")
            components = components_of(reader, version, path=f"{PATH}.appVersion")
            placing.problem(
                reader,
                components=components,
                policy=asked.policy,
                replicas=asked.replicas,
                tenant_id=asked.tenant_id,
                excluding_deployment_id=None if existing is None else existing.id,
                deployment_labels=coming.fields.get("labels", {}) if existing is None else None,
                path=PATH,
            )
        except Refusal as refusal:
            self._broken[asked.tenant_id, coming.fields["name"]] = asked, refusal
        else:
            self._sound.add(key)

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
            decided = await self._choose(edit, existing, change, placing, labels=coming.fields.get("labels"))
        except Refusal as refusal:
            decided = refusal
        self._decided[existing.id] = change, decided

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """Makes a deployment from its fields, or brings the one that exists to them. Raises a refusal."""
        if isinstance(existing, Deployment):
            return self._changed(edit, fields, existing)
        self._refuse_broken(fields, None)
        wish = Wish(
            tenant_id=fields["tenant_id"],
            name=fields["name"],
            app_version_id=fields["app_version_id"],
            policy=fields.get("policy", PlacementPolicy()),
            replicas=fields.get("replicas", {}),
            profile_id=fields.get("profile_id"),
            overrides=fields.get("overrides", []),
            drift_policy=fields.get("drift_policy", DriftPolicy.CORRECT),
            failover=fields.get("failover", FailoverPolicy()),
            display_name=fields.get("display_name"),
            labels=fields.get("labels", {}),
        )
        made = deploy(edit, wish, None, visible=self._visible, author=self.viewer.id, wait=True).deployment
        return edit.replace(made, path=PATH, external=fields.get("external"))

    def changes(self, fields: Mapping[str, Any], existing: Entity) -> set[str]:
        """The fields that a document would change of what is asked for."""
        return differing(fields, existing)

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Terminates a deployment, and deletes it when nothing of it runs any more; once is enough."""
        if isinstance(existing, Deployment) and existing.phase is not DeploymentPhase.TERMINATING:
            terminate_deployment(edit, existing.id, visible=self._visible, author=self.viewer.id, delete=True)

    def _visible(self, reader: Reader) -> Reader:
        return VisibleView(reader, self.viewer)

    async def _choose(
        self,
        edit: Edit,
        existing: Deployment,
        change: Adjustment,
        placing: Placing,
        *,
        labels: Mapping[str, str] | None,
    ) -> Chosen:
        check_verb(existing, Verb.UPDATE, path=PATH)
        reader = self._visible(edit)
        version, policy, replicas = adjusted(reader, as_wished(existing), change)
        return await choose_for_change(
            placing,
            reader=reader,
            whole=edit,
            deployment=existing,
            version=version,
            policy=policy,
            replicas=replicas,
            labels=labels,
            path=PATH,
            version_path=f"{PATH}.appVersion",
        )

    def _changed(self, edit: Edit, fields: Mapping[str, Any], existing: Deployment) -> Deployment:
        plain = {name: value for name, value in fields.items() if name in PLAIN}
        # The labels first: by them others keep away from it, and what was chosen is verified against that.
        after = edit.replace(existing, path=PATH, **plain)
        change = _adjustment(fields, existing)
        if change is None:
            return after
        if _waits(existing):
            self._refuse_broken(fields, existing)
        chosen = self._chosen_for(existing, change)
        return update_deployment(edit, change, chosen, visible=self._visible, author=self.viewer.id).deployment

    def _refuse_broken(self, fields: Mapping[str, Any], existing: Deployment | None) -> None:
        """Raises what was found wrong with where a deployment is to run, if it is asked for as it was then."""
        asked = _asked(fields, existing)
        before, refusal = self._broken.get((asked.tenant_id, fields["name"]), (None, None))
        if refusal is not None and before == asked:
            raise refusal

    def _chosen_for(self, existing: Deployment, change: Adjustment) -> Chosen | None:
        if _waits(existing):
            return None
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


def _adjustment(fields: Mapping[str, Any], existing: Entity | None) -> Adjustment | None:
    """What of a document decides where a deployment that is there runs; None when it is so, or waits for approval so."""
    if not isinstance(existing, Deployment):
        return None
    if not differing(fields, existing) - PLAIN:
        return None
    return Adjustment(
        deployment_id=existing.id,
        app_version_id=fields.get("app_version_id"),
        policy=fields.get("policy"),
        replicas=fields.get("replicas"),
        failover=fields.get("failover"),
        profile_id=fields.get("profile_id", msgspec.UNSET),
        overrides=fields.get("overrides"),
        drift_policy=fields.get("drift_policy"),
    )


def differing(fields: Mapping[str, Any], existing: Entity) -> set[str]:
    """The fields in which a document differs from what is asked for already, be it that this waits for approval."""
    wished = as_wished(existing) if isinstance(existing, Deployment) else existing
    return {name for name, value in fields.items() if getattr(wished, name) != value}


def _waits(deployment: Deployment) -> bool:
    """Whether it is placed by itself when it can be, after this change too."""
    return deployment.phase is DeploymentPhase.PENDING_PLACEMENT


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What of a document says where a deployment is to run."""

    tenant_id: str
    app_version_id: str
    policy: PlacementPolicy
    replicas: dict[str, int]


def _asked(fields: Mapping[str, Any], existing: Entity | None) -> _Asked:
    def value(name: str, otherwise: Any) -> Any:
        return fields.get(name, otherwise if existing is None else getattr(existing, name))

    return _Asked(
        tenant_id=fields["tenant_id"],
        app_version_id=value("app_version_id", ""),
        policy=value("policy", PlacementPolicy()),
        replicas=value("replicas", {}),
    )
