"""What is desired, applied and ready: of a release, of a site, of a whole deployment. Pure functions of releases.

The bookkeeper writes a deployment's, so that a list of deployments is read without looking at any release. What cannot be
seen is never ready: a backend that is away may still run what it ran, and nobody knows. Why it cannot be seen is said as
well, so that all that is at a place that is away is found by that, whether or not it ever ran there. And nothing of nothing
is said as such, with the reason why there is nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from graph.entity import TimestampMs
from graph.kinds import (
    ComponentStatus,
    Counted,
    Deployment,
    DeploymentPhase,
    DeploymentStatus,
    Release,
    ReleasePhase,
    StatusReason,
)
from lifecycle.gates import is_ready
from lifecycle.missed_sites import missed_reason
from lifecycle.progress import waiting_words

REASONS_MAX = 10
PAUSE = StatusReason(code="PAUSED", message="it is paused: nothing is done to its backends until it is resumed")
_CODES = {
    ReleasePhase.QUARANTINED: "QUARANTINED",
    ReleasePhase.DRIFTED: "DRIFTED",
    ReleasePhase.WAITING_SITE: "SITE_AWAY",
    ReleasePhase.WAITING_DEPENDENCY: "DEPENDENCY",
    ReleasePhase.WAITING_READY: "NOT_READY",
}
_NOT_ALL_READY = "its replicas are not all ready"
_COUNTED_FIRST = re.compile(r"\d+ of \d+ replicas are ready(?:: )?")
"""How a backend's own words begin where they count its replicas: with the numbers of one release, and of no other."""
_TAKEN = (ReleasePhase.WAITING_READY, ReleasePhase.READY)
"""Phases of what a backend has taken: whatever is lost from sight is in neither until its place answers again."""
_WORKERS_TURN = "waits for a worker"
_REPLACED_FIRST = "it goes once what replaces it is ready"
_UNDER_WAY = {
    ReleasePhase.PENDING: _WORKERS_TURN,
    ReleasePhase.APPLYING: "its backend is being called",
}


class ReleaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one release is as it should be."""

    replicas: Counted
    ready: bool
    """Whether all of it is as wanted, and seen."""
    unseen_since: TimestampMs | None
    reason: StatusReason | None
    """Why it is not ready, or why there is nothing to be; None when it is ready."""


class SiteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a deployment is as it should be at one site."""

    site_id: str
    releases: Counted
    replicas: Counted
    retiring_ready_replicas: int
    """As of `DeploymentStatus`, there."""
    unseen_since: TimestampMs | None
    reasons: list[StatusReason]


def status_of_release(release: Release, *, paused: bool = False) -> ReleaseStatus:
    """What is desired, applied and ready of one release; `paused`: whether its deployment is."""
    reason = _reason(release, {})
    return ReleaseStatus(
        replicas=_replicas(release),
        ready=is_seen_ready(release),
        unseen_since=release.unseen_since,
        reason=_by_pause(reason) if reason is not None and paused else reason,
    )


def is_seen_ready(release: Release) -> bool:
    """Whether a release is as wanted and seen to be so."""
    return release.unseen_since is None and release.stays and is_ready(release)


def status_of(deployment: Deployment, releases: Iterable[Release], names: Mapping[str, str]) -> DeploymentStatus:
    """What is desired, applied and ready of a deployment; `names` are those of its components and sites, by id."""
    found = list(releases)
    staying = [one for one in found if one.stays]
    by_component: dict[str, list[Release]] = defaultdict(list)
    for one in staying:
        by_component[names.get(one.component_id, one.component_id)].append(one)
    replicas = _sum(_replicas(one) for one in staying)
    return DeploymentStatus(
        sites=_sites(staying),
        releases=_releases(staying),
        replicas=replicas,
        leaving=len(found) - len(staying),
        retiring_ready_replicas=_retiring_ready(found),
        failed=sum(one.phase in (ReleasePhase.QUARANTINED, ReleasePhase.DRIFTED) for one in found),
        components=[
            ComponentStatus(component=name, sites=_sites(some), replicas=_sum(_replicas(one) for one in some))
            for name, some in sorted(by_component.items())
        ],
        reasons=_first(
            [
                *_of_nothing(deployment, staying, replicas),
                *_with_pause(deployment, _reasons(found, names)),
                *_missed(deployment, names),
                *_waiting(deployment),
            ]
        ),
    )


def sites_of(
    releases: Iterable[Release], *, names: Mapping[str, str] | None = None, paused: bool = False
) -> list[SiteStatus]:
    """The same of each site, by site id; `names` are those of components, by id; `paused`: whether the deployment is."""
    by_site: dict[str, list[Release]] = defaultdict(list)
    for one in releases:
        by_site[one.site_id].append(one)
    found = []
    for site_id, some in sorted(by_site.items()):
        staying = [one for one in some if one.stays]
        found.append(
            SiteStatus(
                site_id=site_id,
                releases=_releases(staying),
                replicas=_sum(_replicas(one) for one in staying),
                retiring_ready_replicas=_retiring_ready(some),
                unseen_since=min((one.unseen_since for one in some if one.unseen_since is not None), default=None),
                reasons=[_by_pause(one) for one in _reasons(some, names)] if paused else _reasons(some, names),
            )
        )
    return found


def in_words(status: DeploymentStatus) -> str:
    """A status in one line: `3 of 5 replicas are ready, 2 unknown: site Vienna does not answer`.

    What still serves until it is replaced is told after that: `0 of 3 replicas are ready; 3 replicas of what is replaced
    still serve`.
    """
    counted = status.replicas
    text = f"{counted.ready} of {counted.desired} replicas are ready"
    if counted.unknown:
        text = f"{text}, {counted.unknown} unknown"
    if status.retiring_ready_replicas == 1:
        text = f"{text}; 1 replica of what is replaced still serves"
    elif status.retiring_ready_replicas:
        text = f"{text}; {status.retiring_ready_replicas} replicas of what is replaced still serve"
    return f"{text}: {status.reasons[0].message}" if status.reasons else text


def _replicas(release: Release) -> Counted:
    if not release.stays:
        return Counted()
    desired = release.running_replicas
    return Counted(
        desired=desired,
        applied=desired if release.applied_generation >= release.generation else 0,
        ready=_ready_replicas(release),
        unknown=desired if release.unseen_since is not None else 0,
    )


def _ready_replicas(release: Release) -> int:
    """Of the replicas that are to run those that are seen to be ready."""
    seen = release.observed
    if seen is None or not seen.present or release.unseen_since is not None:
        return 0
    return min(release.running_replicas, seen.ready_replicas)


def _retiring_ready(releases: Iterable[Release]) -> int:
    """Ready replicas of what serves until it is replaced."""
    return sum(_ready_replicas(one) for one in releases if one.retires)


def _releases(staying: Sequence[Release]) -> Counted:
    return Counted(
        desired=len(staying),
        applied=sum(one.applied_generation >= one.generation for one in staying),
        ready=sum(is_seen_ready(one) for one in staying),
        unknown=sum(one.unseen_since is not None for one in staying),
    )


def _sites(staying: Sequence[Release]) -> Counted:
    every = {one.site_id for one in staying}
    unapplied = {one.site_id for one in staying if one.applied_generation < one.generation}
    unready = {one.site_id for one in staying if not is_seen_ready(one)}
    unseen = {one.site_id for one in staying if one.unseen_since is not None}
    return Counted(
        desired=len(every),
        applied=len(every) - len(unapplied),
        ready=len(every) - len(unready),
        unknown=len(unseen),
    )


def _sum(counts: Iterable[Counted]) -> Counted:
    desired = applied = ready = unknown = 0
    for one in counts:
        desired += one.desired
        applied += one.applied
        ready += one.ready
        unknown += one.unknown
    return Counted(desired=desired, applied=applied, ready=ready, unknown=unknown)


def _first(reasons: Sequence[StatusReason]) -> list[StatusReason]:
    """As many as are kept, in their order: of each code the first at least, so that it is found by all of its codes."""
    codes = {one.code: at for at, one in reversed(list(enumerate(reasons)))}
    others = (at for at, one in enumerate(reasons) if codes[one.code] != at)
    return [reasons[at] for at in sorted([*codes.values(), *others][:REASONS_MAX])]


def _reasons(releases: Iterable[Release], names: Mapping[str, str] | None = None) -> list[StatusReason]:
    """Why releases are not as wanted, each reason once with how many it holds for; `names` as of `status_of`."""
    known = names or {}
    alike: dict[tuple[str, str], list[tuple[Release, StatusReason]]] = defaultdict(list)
    for one in releases:
        found = _reason(one, known)
        if found is not None:
            alike[found.code, _apart_from_counts(found)].append((one, found))
    alike.pop(("STOPPED", "it is stopped"), None)
    alike.pop(("SCALED_TO_ZERO", "no replica of it is wanted"), None)
    return [_of_all(some, known) for some in sorted(alike.values(), key=len, reverse=True)]


def _apart_from_counts(reason: StatusReason) -> str:
    """What releases have in common that are not ready: why, but not how many of the replicas of each are."""
    if reason.code != "NOT_READY":
        return reason.message
    return _COUNTED_FIRST.sub("", reason.message, count=1) or _NOT_ALL_READY


def _of_all(some: Sequence[tuple[Release, StatusReason]], names: Mapping[str, str]) -> StatusReason:
    """One reason for all releases that have it. What counts the replicas of one of them says which one that is."""
    _, reason = some[0]
    if reason.code != "NOT_READY":
        return msgspec.structs.replace(reason, releases=len(some))
    place, said = min((_place(one, names), found.message) for one, found in some)
    message = f"{place}: {said}" if place else said
    if len(some) > 1:
        message = f"some releases are not ready, such as {place or 'one'}: {said}"
    return StatusReason(code=reason.code, message=message, releases=len(some))


def _place(release: Release, names: Mapping[str, str]) -> str:
    """`web at site Vienna`, as much of it as is known; empty when nothing is."""
    component, site = names.get(release.component_id), names.get(release.site_id)
    return " ".join(one for one in (component, None if site is None else f"at site {site}") if one is not None)


def _reason(release: Release, names: Mapping[str, str]) -> StatusReason | None:
    away = release.phase is ReleasePhase.WAITING_SITE
    if release.left_behind:
        return StatusReason(code="LEFT_BEHIND", message=_left(release, names), releases=1)
    if not release.stays:
        told = release.error or (_REPLACED_FIRST if release.retires else "it is to go, and is still there")
        return StatusReason(code="SITE_AWAY" if away else "UNDER_WAY", message=told, releases=1)
    if release.unseen_since is not None:
        if release.phase in _TAKEN:
            return StatusReason(code="UNKNOWN", message="its backend has not told of it since it is back", releases=1)
        told = release.error if away and release.error else "its site or cluster does not answer"
        return StatusReason(code="SITE_AWAY", message=told, releases=1)
    if is_ready(release):
        if release.running_replicas:
            return None
        if release.stopped:
            return StatusReason(code="STOPPED", message="it is stopped", releases=1)
        return StatusReason(code="SCALED_TO_ZERO", message="no replica of it is wanted", releases=1)
    code = _CODES.get(release.phase)
    if code is None:
        told = release.error or _UNDER_WAY.get(release.phase, "what is wanted is not with its backend yet")
        return StatusReason(code="UNDER_WAY", message=told, releases=1)
    seen = release.observed
    backends_own = seen.message if seen is not None and code == "NOT_READY" else None
    return StatusReason(code=code, message=release.error or backends_own or _NOT_ALL_READY, releases=1)


def _left(release: Release, names: Mapping[str, str]) -> str:
    """What is left behind, and where: what is ready elsewhere is not meant."""
    component, site = names.get(release.component_id), names.get(release.site_id)
    what = "a former copy" if component is None else f"a former copy of {component}"
    where = "here" if site is None else f"at site {site}"
    return f"{what} was left {where}, and is removed when that answers"


def _of_nothing(deployment: Deployment, staying: Sequence[Release], replicas: Counted) -> list[StatusReason]:
    """Why there is nothing to be ready, where there is nothing."""
    if replicas.desired:
        return []
    if deployment.phase is DeploymentPhase.PENDING_PLACEMENT:
        return [StatusReason(code="NOT_PLACED", message=deployment.message or "no site could be chosen yet")]
    if deployment.phase in (DeploymentPhase.TERMINATING, DeploymentPhase.TERMINATED):
        told = "it is being terminated" if deployment.phase is DeploymentPhase.TERMINATING else "it was terminated"
        return [StatusReason(code="TERMINATED", message=told)]
    if deployment.stopped:
        return [StatusReason(code="STOPPED", message="it is stopped: none of its replicas is to run")]
    if staying:
        return [StatusReason(code="SCALED_TO_ZERO", message="no replica of it is wanted at any of its sites")]
    return [] if deployment.proposal is not None else [StatusReason(code="NO_SITE", message="it has no site")]


def _by_pause(reason: StatusReason) -> StatusReason:
    """A reason of what is paused: what waits for nothing but a worker waits for the resume."""
    return msgspec.structs.replace(PAUSE, releases=reason.releases) if reason.message == _WORKERS_TURN else reason


def _with_pause(deployment: Deployment, reasons: Sequence[StatusReason]) -> list[StatusReason]:
    """The reasons of a deployment's releases, after the pause where there is one: it is never ready for that alone."""
    if not deployment.paused:
        return list(reasons)
    told = [_by_pause(one) for one in reasons]
    held = sum(one.releases for one in told if one.code == PAUSE.code)
    return [msgspec.structs.replace(PAUSE, releases=held), *(one for one in told if one.code != PAUSE.code)]


def _missed(deployment: Deployment, names: Mapping[str, str]) -> list[StatusReason]:
    """The sites where it is to run and does not, after why what is there is not ready."""
    found = missed_reason(deployment, names)
    return [] if found is None else [found]


def _waiting(deployment: Deployment) -> list[StatusReason]:
    """The change that waits, after what is so meanwhile: it is not why something is not ready, but where nothing is yet."""
    if deployment.proposal is None:
        return []
    return [StatusReason(code="PENDING_APPROVAL", message=waiting_words(deployment.proposal.number))]
