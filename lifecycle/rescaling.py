"""A site's replicas brought to the number that the loop found: the commit checks at head what was found before it.

More replicas are placed like everything else, at that site alone; fewer go where most of them are. Nothing else of the
deployment is touched: no revision is made, other sites keep their generations, and other components at the site their nodes
wherever those still take them. Whoever else changed the site meanwhile comes first: what was found for it is dropped, and
found anew at the next round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from graph.edit import Edit
from graph.kinds import (
    AppVersion,
    Component,
    Deployment,
    Displacement,
    Operation,
    OperationKind,
    Release,
    ScaleChange,
    ScalingLimit,
    ScalingMetric,
    ScalingPolicy,
    Site,
    SiteScaling,
)
from graph.refusal import CapacityGone
from graph.view import Reader, each, get_as
from lifecycle.autoscaling_pace import recent_changes
from lifecycle.autoscaling_targets import Target, held
from lifecycle.components import components_of
from lifecycle.events import AUTHOR, tell
from lifecycle.indulgence import blemished, indulged
from lifecycle.opening import create_operation
from lifecycle.progress import begun_message, begun_phase
from lifecycle.releases import STARTS_ANEW
from placement.decision import ComponentPlacement, SitePlacement
from placement.verification import verify

UNTOLD = frozenset({ScalingLimit.NONE, ScalingLimit.STABILISATION, ScalingLimit.RATE, ScalingLimit.HELD})
"""Reasons that come and go by themselves and are no news."""
REASONS = {
    ScalingLimit.ROOM: "NoRoomToScale",
    ScalingLimit.NO_SAMPLES: "SamplesMissing",
    ScalingLimit.MAX_REPLICAS: "MostReplicasReached",
}
"""What the events are called that tell of a limit."""


class Judged(NamedTuple):
    """What the loop found for a target."""

    target: Target
    replicas: int
    """What it is to have."""
    desired: int | None
    value: float | None
    limited_by: ScalingLimit
    message: str | None = None
    stale_for_s: float | None = None
    room: SitePlacement | None = None
    """Where its site's components go with that number; None: it is not more than there are."""

    @property
    def changes(self) -> bool:
        """Whether the site's number is to be another."""
        return self.replicas != self.target.release.replicas

    @property
    def adds(self) -> bool:
        """Whether it is to have more."""
        return self.replicas > self.target.release.replicas


def scale_sites(edit: Edit, deployment_id: str, found: Sequence[Judged]) -> list[Judged]:
    """Writes what the loop found for sites of one deployment; gives those whose number was changed.

    What does not hold at head any more is left out.
    """
    changed = [one for one in found if one.changes and _may(edit, one)]
    own = indulged(edit, blemished(edit, deployment_id))
    changed = [one for one in changed if _apply(edit, own, deployment_id, one)]
    ids = {one.target.release.id for one in changed}
    for one in found:
        if not one.changes or one.target.release.id in ids:
            _stand(edit, one, changed=one.target.release.id in ids)
    return changed


def drop_standings(edit: Edit, standing_ids: Sequence[str]) -> None:
    """Deletes standings at sites where nothing is scaled any more: what their component is to run at again by now stays."""
    for one in standing_ids:
        standing = get_as(edit, SiteScaling, one)
        if standing is not None and not _runs_there(edit, standing):
            edit.delete(standing)


def _runs_there(reader: Reader, standing: SiteScaling) -> bool:
    """Whether what a standing is of is to run at its site."""
    policy = get_as(reader, ScalingPolicy, standing.policy_id)
    if policy is None:
        return False
    return any(
        release.wanted and component is not None and component.name == policy.component
        for release in _of_both(reader, policy.deployment_id, standing.site_id)
        for component in [get_as(reader, Component, release.component_id)]
    )


def differs(standing: SiteScaling | None, found: Judged) -> bool:
    """Whether there is news to write: another number, another reason, or a silence that began or ended."""
    if standing is None or found.changes:
        return True
    if standing.limited_by is not found.limited_by or (standing.stale_since is None) != (found.stale_for_s is None):
        return True
    # Why a site is left alone decides what becomes of its number.
    return found.limited_by is ScalingLimit.HELD and standing.message != found.message


def _may(edit: Edit, found: Judged) -> bool:
    """Whether a site's number may still be changed as it was found."""
    target = found.target
    deployment = get_as(edit, Deployment, target.deployment.id)
    release = get_as(edit, Release, target.release.id)
    policy = get_as(edit, ScalingPolicy, target.policy.id)
    if deployment is None or release is None or policy is None or not release.wanted:
        return False
    same = (release.replicas, release.component_id, release.retires_after, release.standby)
    was = target.release
    if same != (was.replicas, was.component_id, was.retires_after, was.standby):
        return False
    if not policy.min_replicas <= found.replicas <= policy.max_replicas or policy.component != target.policy.component:
        return False
    return held(deployment, release, target.component) is None


def _apply(edit: Edit, own: Reader, deployment_id: str, found: Judged) -> bool:
    deployment = get_as(edit, Deployment, deployment_id)
    assert deployment is not None, "it was there a moment ago, under the same lock"
    here = _there(edit, deployment_id, found.target.release.site_id)
    name = found.target.component.name
    if found.replicas < found.target.release.replicas:
        # The release as it is at head: where its replicas are may have changed.
        fewer = _fewer(here[name].assignments, found.replicas)
        wanted = {name: (found.replicas, fewer)}
    else:
        placed = _verified(own, deployment, found, here)
        if placed is None:
            return False
        wanted = placed
    _touch(edit, deployment, {part: (here[part], *numbers) for part, numbers in wanted.items()})
    return True


def _verified(
    own: Reader, deployment: Deployment, found: Judged, here: Mapping[str, Release]
) -> dict[str, tuple[int, dict[str, int]]] | None:
    """Replicas and nodes of what is to be touched at the site: of the scaled component alone, if the others can stay."""
    assert found.room is not None, "more replicas have been placed"
    components = _components(own, deployment)
    if components is None:
        return None
    names = {one.id: one.name for one in components}
    site = found.room
    if {names.get(one.component_id) for one in site.components} != set(here):
        return None
    name = found.target.component.name
    stays = [
        _as_now(one, here[names[one.component_id]]) if names[one.component_id] != name else one
        for one in site.components
    ]
    for tried in (stays, site.components):
        try:
            _verify(own, deployment, components, site, tried)
        except CapacityGone:
            continue
        return {
            part: (one.replicas, dict(one.assignments))
            for one in tried
            for part in [names[one.component_id]]
            if part == name or one.assignments != here[part].assignments
        }
    return None


def _verify(
    own: Reader,
    deployment: Deployment,
    components: Sequence[Component],
    site: SitePlacement,
    tried: Sequence[ComponentPlacement],
) -> None:
    whole = [msgspec.structs.replace(site, components=list(tried))]
    verify(own, whole, components=components, policy=deployment.policy, excluding_deployment_id=deployment.id)


def _as_now(placed: ComponentPlacement, release: Release) -> ComponentPlacement:
    return msgspec.structs.replace(placed, replicas=release.replicas, assignments=dict(release.assignments))


def _touch(edit: Edit, deployment: Deployment, wanted: Mapping[str, tuple[Release, int, dict[str, int]]]) -> None:
    """Gives releases another number and nodes, and what is under way on the deployment to see through."""
    operation = get_as(edit, Operation, deployment.operation_id)
    if operation is None or operation.ended:
        operation = create_operation(
            edit,
            OperationKind.AUTOSCALE,
            tenant_id=deployment.tenant_id,
            subject_id=deployment.id,
            requested_by=AUTHOR,
        )
    after = edit.replace(
        deployment,
        generation=deployment.generation + 1,
        operation_id=operation.id,
        phase=begun_phase(deployment),
        message=begun_message(deployment),
        displacement=_planned_still(deployment),
    )
    joined = 0
    for release, replicas, assignments in wanted.values():
        before = get_as(edit, Operation, release.operation_id)
        seen_by = operation if before is None or before.ended else before
        joined += before is not seen_by
        edit.replace(
            release,
            replicas=replicas,
            assignments=assignments,
            generation=after.generation,
            operation_id=seen_by.id,
            **STARTS_ANEW,
        )
    total = operation.progress.total + joined
    edit.replace(operation, progress=msgspec.structs.replace(operation.progress, total=total))


def _planned_still(deployment: Deployment) -> Displacement | None:
    """Where a deployment stands after it was scaled: what is planned for it goes to the same places with other numbers."""
    stands = deployment.displacement
    if stands is None or stands.plan_generation != deployment.generation:
        return stands
    return msgspec.structs.replace(stands, plan_generation=deployment.generation + 1)


def _stand(edit: Edit, found: Judged, *, changed: bool) -> None:
    target = found.target
    policy = get_as(edit, ScalingPolicy, target.policy.id)
    site = get_as(edit, Site, target.release.site_id)
    deployment = get_as(edit, Deployment, target.deployment.id)
    if policy is None or site is None or deployment is None:
        return
    standing = next((one for one in each(edit, SiteScaling, "site_id", site.id) if one.policy_id == policy.id), None)
    if standing is None:
        standing = edit.create(SiteScaling, tenant_id=policy.tenant_id, policy_id=policy.id, site_id=site.id)
    if standing.deployment_id != deployment.id:
        standing = edit.replace(standing, deployment_id=deployment.id)
    before, limited = standing, found.limited_by
    change = None
    if changed:
        change = ScaleChange(at=edit.at, before=target.release.replicas, after=found.replicas)
        changes = [*recent_changes(policy, standing.changes, now_ms=edit.at), change]
        last = msgspec.structs.replace(change, why=told(found, policy))
        standing = edit.replace(standing, replicas=found.replicas, changes=changes, last_change=last)
    elif limited is ScalingLimit.HELD:
        standing = edit.replace(standing, replicas=_kept(deployment, standing, target))
    stale = found.stale_for_s
    standing = edit.replace(
        standing,
        desired=found.desired,
        value=found.value,
        limited_by=limited,
        message=found.message,
        stale_since=None if stale is None else standing.stale_since or edit.at - int(stale * 1000),
    )
    if change is not None:
        numbers = f"{change.before} -> {change.after} replicas"
        tell(edit, deployment, "Scaled", f"{policy.component} at site {site.name}: {numbers} ({told(found, policy)}).")
    if limited not in UNTOLD and limited is not before.limited_by and limited in REASONS:
        text = f"{policy.component} at site {site.name}: {found.message or limited.name}."
        tell(edit, deployment, REASONS[limited], text, warning=True)


def _kept(deployment: Deployment, standing: SiteScaling, target: Target) -> int | None:
    """The loop's number while nothing is scaled: a person's own takes its place for good, one for all sites if it is 0."""
    name = target.component.name
    adjusted = any((one.site_id, one.component) == (standing.site_id, name) for one in deployment.adjustments)
    return None if adjusted or deployment.replicas.get(name) == 0 else standing.replicas


def told(found: Judged, policy: ScalingPolicy) -> str:
    """Why a number was changed, in words."""
    unit = "% of its CPU" if policy.metric is ScalingMetric.CPU_UTILIZATION else " requests/s"
    value = "outside of the policy's bounds"
    if found.value is not None:
        value = f"{found.value:.4g}{unit} a replica, target {policy.target:.4g}"
    limit = "" if found.limited_by is ScalingLimit.NONE else f", limited by {found.limited_by.name}"
    return f"{value}; desired {found.desired}{limit}"


def _fewer(assignments: Mapping[str, int], replicas: int) -> dict[str, int]:
    """Assignments of fewer replicas: each goes where most are, of equals from the last node by id."""
    left = dict(assignments)
    while sum(left.values()) > replicas:
        fullest = max(left, key=lambda one: (left[one], one))
        left[fullest] -= 1
        if not left[fullest]:
            del left[fullest]
    return left


def _there(reader: Reader, deployment_id: str, site_id: str) -> dict[str, Release]:
    """The releases of a deployment that are to stay at a site, by component name."""
    found = {}
    for release in _of_both(reader, deployment_id, site_id):
        component = get_as(reader, Component, release.component_id)
        if component is not None and release.stays:
            found[component.name] = release
    return found


def _of_both(reader: Reader, deployment_id: str, site_id: str) -> Iterator[Release]:
    """The releases of a deployment at a site, found where fewer are to be looked at."""
    here, whole = reader.count("Release", "site_id", site_id), reader.count("Release", "deployment_id", deployment_id)
    field, value = ("site_id", site_id) if here <= whole else ("deployment_id", deployment_id)
    for release in each(reader, Release, field, value):
        if (release.deployment_id, release.site_id) == (deployment_id, site_id):
            yield release


def _components(reader: Reader, deployment: Deployment) -> list[Component] | None:
    version = get_as(reader, AppVersion, deployment.app_version_id)
    return None if version is None else list(components_of(reader, version))
