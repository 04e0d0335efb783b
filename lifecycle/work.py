"""Claims and results: the two commits around every driver call.

A claim bumps the release's epoch before the call; its result is written only at that epoch, so of two workers that met one
is heard. Whether a call was made and its result lost is never asked: the next pass compares again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drivers.port import (
    Applied,
    DriverProblem,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    StaleGeneration,
    Unreachable,
)
from graph.edit import Edit
from graph.kinds import Component, Deployment, Node, Release, ReleaseObserved, ReleasePhase, Site
from graph.view import Reader, get_as
from lifecycle.backoff import pause_s
from lifecycle.effective import effective_of
from lifecycle.events import tell
from lifecycle.gates import Gates
from lifecycle.observation import forget, is_as_asked, take_in, work_after
from lifecycle.releases import STARTS_ANEW
from lifecycle.scheduling import pod_terms, scheduling_told
from lifecycle.settings import LifecycleSettings
from lifecycle.todo import Action, todo_in

ERROR_MAX = 1_000
Outcome = Applied | Removed | DriverProblem


class Claim(NamedTuple):
    """A release that this process works on, as it was claimed, and the call to make."""

    release: Release
    cluster_id: str
    work: ReleaseWork | RemovalWork


class Result(NamedTuple):
    """What came of a claim."""

    claim: Claim
    outcome: Outcome


def claim(edit: Edit, wanted: Mapping[str, int], *, worker: str = "") -> list[Claim]:
    """Claims releases for a call each; `wanted` has the epoch at which each was last seen, and what moved on is left out.

    `worker` is who claims, where several processes may.

    What needs no call is brought on at once: releases that no backend knows are forgotten, those that wait for another
    component say so.
    """
    claims = []
    gates = Gates()
    for release_id, epoch in wanted.items():
        release = get_as(edit, Release, release_id)
        if release is None or release.epoch != epoch:
            continue
        step = todo_in(edit, release, now_ms=edit.at, gates=gates)
        action = step.action
        if action is Action.FORGET:
            forget(edit, release)
        elif action is Action.WAIT:
            edit.replace(release, phase=ReleasePhase.WAITING_DEPENDENCY, error=step.reason, due_at=step.due_at)
        elif action in (Action.ENSURE, Action.REMOVE) and release.cluster_id is not None:
            claimed = edit.replace(
                release,
                epoch=release.epoch + 1,
                claimed_by=worker or None,
                attempts=release.attempts + 1,
                phase=ReleasePhase.APPLYING if action is Action.ENSURE else ReleasePhase.REMOVING,
            )
            work = work_of(edit, claimed) if action is Action.ENSURE else removal_of(edit, claimed)
            claims.append(Claim(claimed, release.cluster_id, work))
    return claims


def park(edit: Edit, releases: Mapping[str, str]) -> None:
    """Writes down that releases with something to do wait for their site; `releases` has the reasons by id."""
    gates = Gates()
    for release_id, reason in releases.items():
        release = get_as(edit, Release, release_id)
        if release is None or release.phase is ReleasePhase.WAITING_SITE:
            continue
        if todo_in(edit, release, now_ms=edit.at, gates=gates).action in (Action.ENSURE, Action.REMOVE):
            edit.replace(release, phase=ReleasePhase.WAITING_SITE, error=reason)


def record(edit: Edit, results: Sequence[Result], *, settings: LifecycleSettings) -> int:
    """Writes what came of claims; says how many were dropped because the release had been claimed again or was gone."""
    dropped = 0
    for result in results:
        claimed, outcome = result.claim.release, result.outcome
        release = get_as(edit, Release, claimed.id)
        if release is None or release.epoch != claimed.epoch:
            dropped += 1
            continue
        current = (release.generation, release.wanted) == (claimed.generation, claimed.wanted)
        if isinstance(outcome, Applied):
            _applied(edit, release, claimed, outcome, current=current, settings=settings)
        elif isinstance(outcome, Removed):
            _removed(edit, release, outcome, current=current, settings=settings)
        elif current and (isinstance(outcome, StaleGeneration) or not _seen_applied(release)):
            _failed(edit, release, outcome, settings=settings)
    return dropped


def _seen_applied(release: Release) -> bool:
    """Whether an observer has told by now that what a call was to do is done: the end of the call says less than that."""
    return release.wanted and release.applied_generation >= release.generation


def work_of(reader: Reader, release: Release) -> ReleaseWork:
    """What a driver is asked to have at a site for a release."""
    component = get_as(reader, Component, release.component_id)
    assert component is not None, "a release's component cannot be deleted before it"
    nodes = {
        node_id: node.name for node_id in release.assignments if (node := get_as(reader, Node, node_id)) is not None
    }
    return ReleaseWork(
        name=release.backend_name,
        owner=release.cluster_id or "",
        release_id=release.id,
        deployment_id=release.deployment_id,
        tenant_id=release.tenant_id,
        component=component.name,
        site_id=release.site_id,
        site=_site_name(reader, release),
        generation=release.generation,
        replicas=release.running_replicas,
        artifact=component.artifact,
        resources=release.resources,
        assignments={} if release.stopped else release.assignments,
        nodes=nodes,
        pods=pod_terms(
            release.backend_name,
            scheduling_told(reader, release),
            deployment_id=release.deployment_id,
            component=component.name,
        ),
        configuration=effective_of(reader, release),
    )


def removal_of(reader: Reader, release: Release) -> RemovalWork:
    """What a driver is asked to remove for a release."""
    return RemovalWork(
        name=release.backend_name,
        owner=release.cluster_id or "",
        site_id=release.site_id,
        site=_site_name(reader, release),
        generation=release.generation,
    )


def _site_name(reader: Reader, release: Release) -> str:
    site = get_as(reader, Site, release.site_id)
    return site.name if site is not None else release.site_id


def _applied(
    edit: Edit, release: Release, claimed: Release, outcome: Applied, *, current: bool, settings: LifecycleSettings
) -> None:
    applied = max(release.applied_generation, claimed.generation)
    if not current:
        # What is wanted has changed meanwhile: that this much is there is good to know, the rest is still to do.
        release = edit.replace(release, applied_generation=min(applied, release.generation - 1))
    else:
        release = edit.replace(
            release,
            applied_generation=applied,
            applied_at=edit.at,
            awaits_old=release.awaits_old and release.running_replicas == 0,
            phase=ReleasePhase.WAITING_READY,
            failures=0,
            due_at=None,
            error=None,
        )
    left = outcome.observed
    if left is not None:
        release = take_in(edit, release, left, settings=settings)
    seen = release.observed
    if current and left is not None and seen is not None and seen.drift is not None and seen.version > left.version:
        # A hand was quicker than the answer: what it did was seen while nothing was known to be applied.
        release = edit.replace(release, **work_after(edit, release, seen, settings=settings))
    ready = seen is not None and seen.present and seen.generation == release.generation and is_as_asked(release, seen)
    # An observer may have told more of this generation before the call was answered.
    if current and ready and release.phase is ReleasePhase.WAITING_READY:
        edit.replace(release, phase=ReleasePhase.READY, ready_at=edit.at)


def _removed(edit: Edit, release: Release, outcome: Removed, *, current: bool, settings: LifecycleSettings) -> None:
    if current and outcome.gone:
        forget(edit, release)
    elif current:
        # An observer tells when it is gone; asking again is for when nobody does.
        edit.replace(
            release,
            applied_generation=release.generation,
            phase=ReleasePhase.REMOVING,
            failures=0,
            due_at=edit.at + _pause_ms(release, settings),
            error=None,
        )
    else:
        version = release.observed.version if release.observed is not None else 0
        gone = ReleaseObserved(present=False, version=version, observed_at=edit.at)
        edit.replace(release, applied_generation=0, observed=gone)


def _failed(edit: Edit, release: Release, problem: DriverProblem, *, settings: LifecycleSettings) -> None:
    message = str(problem)[:ERROR_MAX]
    if isinstance(problem, StaleGeneration):
        _overtake(edit, release, problem)
        return
    pause_ms = max(_pause_ms(release, settings), _asked_ms(problem, settings))
    fields: dict[str, Any] = {"error": message, "due_at": edit.at + pause_ms}
    if isinstance(problem, Unreachable):
        if release.phase is not ReleasePhase.WAITING_SITE:
            fields["phase"] = ReleasePhase.WAITING_SITE
        edit.replace(release, **fields)
        return
    failures = release.failures + 1
    if isinstance(problem, Permanent) or failures >= settings.quarantine_after:
        edit.replace(release, phase=ReleasePhase.QUARANTINED, failures=failures, error=message, due_at=None)
        tell(edit, release, "ReleaseQuarantined", f"{release.backend_name}: {message}", warning=True)
        return
    edit.replace(release, phase=ReleasePhase.PENDING, failures=failures, **fields)


def _pause_ms(release: Release, settings: LifecycleSettings) -> int:
    pause = pause_s(
        release.attempts,
        base_s=settings.backoff_base_s,
        cap_s=settings.backoff_cap_s,
        seed=settings.seed,
        key=release.id,
    )
    return int(pause * 1000)


def _asked_ms(problem: DriverProblem, settings: LifecycleSettings) -> int:
    """How long the backend asked to be left alone, within the longest pause there is."""
    asked = problem.retry_after_s if isinstance(problem, Retryable) else None
    if asked is None or not asked > 0:
        return 0
    return int(min(asked, settings.backoff_cap_s) * 1000)


def _overtake(edit: Edit, release: Release, problem: StaleGeneration) -> None:
    """The backend holds a generation that the graph never gave to what is wanted now.

    The claim is still the newest, so nobody else wants anything: the graph was restored from a copy that is older than the
    backend. What is wanted gets a generation above the backend's.
    """
    generation = problem.held + 1
    edit.replace(release, generation=generation, **STARTS_ANEW)
    deployment = get_as(edit, Deployment, release.deployment_id)
    if deployment is not None and deployment.generation < generation:
        edit.replace(deployment, generation=generation)
    tell(
        edit,
        release,
        "GenerationRaised",
        f"{release.backend_name} is at generation {problem.held} on its backend, newer than this graph knows; "
        f"what is wanted here is applied as {generation}.",
        warning=True,
    )
