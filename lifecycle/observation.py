"""What a backend reports of a release, taken into the graph: observed state, instances, and where the work stands.

Workers bring what a call was answered, observers what they see; both come through here, at head. A report is dropped when
a newer one of the same object is in the graph already. What is as it was is not written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from drivers.port import ObservedInstance, ObservedRelease
from graph.edit import Edit
from graph.kinds import Instance, InstanceStatus, Node, Release, ReleaseObserved, ReleasePhase
from graph.view import Reader, each, get_as
from lifecycle.drift import drift_told, drifted
from lifecycle.events import tell
from lifecycle.outcomes import note_removed
from lifecycle.settings import LifecycleSettings


def differs(reader: Reader, release: Release, seen: ObservedRelease) -> bool:
    """Whether taking the report in would change anything: most reports tell what is known."""
    before = release.observed
    if release.unseen_since is not None:
        return before is None or seen.version >= before.version
    if before is None or not _same(before, seen):
        return before is None or seen.version >= before.version
    if release.phase in (ReleasePhase.WAITING_READY, ReleasePhase.WAITING_SITE, ReleasePhase.QUARANTINED):
        return True
    if release.phase is ReleasePhase.DRIFTED and seen.generation == release.generation and seen.drift is None:
        return True
    found = {one.backend_name: one for one in each(reader, Instance, "release_id", release.id)}
    if len(found) != len(seen.instances):
        return True
    return any(
        one.name not in found
        or (found[one.name].status, found[one.name].message, found[one.name].generation)
        != (one.status, one.message, one.generation)
        for one in seen.instances
    )


def take_in(edit: Edit, release: Release, seen: ObservedRelease, *, settings: LifecycleSettings) -> Release:
    """Takes in that an object is there as reported."""
    before = release.observed
    if before is not None and seen.version < before.version:
        return release
    observed = before if before is not None and _same(before, seen) else _observed(seen, at=edit.at)
    _keep_instances(edit, release, seen)
    fields: dict[str, Any] = {"observed": observed, "unseen_since": None}
    if release.wanted:
        fields |= work_after(edit, release, seen, settings=settings)
    return edit.replace(release, **fields)


def take_gone(edit: Edit, release: Release, *, version: int, settings: LifecycleSettings) -> Release | None:
    """Takes in that no object is there; None when that was all that was wanted, and the release is deleted."""
    before = release.observed
    if before is not None and version < before.version:
        return release
    if not release.wanted and release.applied_generation >= release.generation:
        forget(edit, release)
        return None
    _drop_instances(edit, release)
    release = edit.replace(release, unseen_since=None)
    if before is not None and not before.present:
        return release
    gone = ReleaseObserved(present=False, version=version, observed_at=edit.at)
    if not release.wanted or release.applied_generation == 0:
        return edit.replace(release, observed=gone)
    if release.applied_generation < release.generation and release.phase is not ReleasePhase.DRIFTED:
        # Something newer is about to be applied whatever is there: that is no drift, and no policy holds it back.
        return edit.replace(release, observed=gone, applied_generation=0)
    what = "is gone from its backend though it is wanted"
    after = drifted(edit, release, what, remedied="made", settings=settings)
    return edit.replace(release, observed=gone, applied_generation=0, **after)


def is_as_asked(release: Release, seen: ObservedRelease | ReleaseObserved) -> bool:
    """Whether it is what was applied, with as many replicas ready as are to run now, and none there when none is to run."""
    asked = release.running_replicas
    return seen.drift is None and seen.ready_replicas >= asked and (asked > 0 or seen.replicas == 0)


def forget(edit: Edit, release: Release) -> None:
    """Deletes a release that is gone, with its instances."""
    tell(edit, release, "ReleaseRemoved", f"{release.backend_name} is gone.")
    note_removed(edit, release)
    edit.delete(release, cascade=True)


def lose_sight(edit: Edit, release: Release, reason: str) -> Release:
    """Takes in that the release's site or backend does not answer: what was known of it may be true or not."""
    for one in each(edit, Instance, "release_id", release.id):
        edit.replace(one, status=InstanceStatus.UNKNOWN, message=reason)
    if release.unseen_since is None and was_seen(release):
        release = edit.replace(release, unseen_since=edit.at)
    if release.phase in (ReleasePhase.READY, ReleasePhase.WAITING_READY, ReleasePhase.PENDING):
        return edit.replace(release, phase=ReleasePhase.WAITING_SITE, error=reason)
    return release


def was_seen(release: Release) -> bool:
    """Whether something of the release is known to be there, or was: what nobody ever had is not unknown."""
    return release.applied_generation > 0 or (release.observed is not None and release.observed.present)


def work_after(
    edit: Edit, release: Release, seen: ObservedRelease | ReleaseObserved, *, settings: LifecycleSettings
) -> dict[str, Any]:
    """What a report that an object is there means for the work on a release that is wanted."""
    if seen.generation == release.generation:
        if seen.drift is not None:
            return _put_right(edit, release, seen.drift, settings=settings)
        ready = is_as_asked(release, seen)
        if release.phase is ReleasePhase.QUARANTINED and not ready:
            return {}
        if ready and release.phase is not ReleasePhase.READY:
            tell(
                edit,
                release,
                "ReleaseReady",
                f"{release.backend_name}: {seen.ready_replicas} of {release.running_replicas} replicas are ready.",
            )
        stamps = {"ready_at": edit.at} if ready and release.phase is not ReleasePhase.READY else {}
        if release.applied_generation < seen.generation:
            stamps["applied_at"] = edit.at
        return {
            **stamps,
            "awaits_old": release.awaits_old and release.running_replicas == 0,
            "applied_generation": max(release.applied_generation, seen.generation),
            "phase": ReleasePhase.READY if ready else ReleasePhase.WAITING_READY,
            "error": None,
            "failures": 0,
            "due_at": None,
        }
    if release.applied_generation < release.generation:
        return {}
    what = f"is at generation {seen.generation} on its backend, wanted is {release.generation}"
    after = drifted(edit, release, what, remedied="applied", settings=settings)
    return {"applied_generation": min(seen.generation, release.generation - 1), **after}


def _put_right(edit: Edit, release: Release, drift: str, *, settings: LifecycleSettings) -> dict[str, Any]:
    """What it means that an object of the generation that is wanted is not as it was applied.

    It counts as not applied, so that it is applied anew, at the same generation.
    """
    if release.phase is ReleasePhase.DRIFTED:
        return {"error": drift_told(drift)}
    if release.applied_generation < release.generation:
        return {}  # known already, or about to be applied whatever it is like
    after = drifted(edit, release, drift, remedied="applied", settings=settings)
    return {"applied_generation": release.generation - 1, **after}


def _observed(seen: ObservedRelease, *, at: int) -> ReleaseObserved:
    return ReleaseObserved(
        generation=seen.generation,
        present=True,
        replicas=seen.replicas,
        ready_replicas=seen.ready_replicas,
        message=seen.message,
        drift=seen.drift,
        version=seen.version,
        observed_at=at,
    )


def _same(before: ReleaseObserved, seen: ObservedRelease) -> bool:
    return before == msgspec.structs.replace(
        _observed(seen, at=0), version=before.version, observed_at=before.observed_at
    )


def _keep_instances(edit: Edit, release: Release, seen: ObservedRelease) -> None:
    existing = {one.backend_name: one for one in each(edit, Instance, "release_id", release.id)}
    for one in seen.instances:
        fields: dict[str, Any] = {
            "node_id": _node_of(edit, one, release),
            "generation": one.generation,
            "status": one.status,
            "message": one.message,
        }
        found = existing.pop(one.name, None)
        if found is not None:
            edit.replace(found, **fields)
        else:
            edit.create(
                Instance,
                tenant_id=release.tenant_id,
                release_id=release.id,
                site_id=release.site_id,
                backend_name=one.name,
                **fields,
            )
    for gone in existing.values():
        edit.delete(gone)


def _node_of(edit: Edit, one: ObservedInstance, release: Release) -> str | None:
    """The node if the graph has it at the release's site: a backend may know of nodes that were deleted here."""
    node = get_as(edit, Node, one.node_id)
    return node.id if node is not None and node.site_id == release.site_id else None


def _drop_instances(edit: Edit, release: Release) -> None:
    for one in list(each(edit, Instance, "release_id", release.id)):
        edit.delete(one)
