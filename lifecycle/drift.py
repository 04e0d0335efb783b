"""Drift: what was applied is not what the backend has now, and nobody asked for that here.

It is gone, it holds another generation, or it holds the right one and is not what was applied as that. By a deployment's
policy it is put right or only reported. Either way an event tells of it, once, to whoever looks at the release, at its
deployment, or at its site. What is only reported stays as it is until somebody asks: a retry, an update, or the policy
changed to CORRECT. While a deployment is paused all of it is only reported, and put right by policy when it is resumed.

Whoever changes it again as soon as it is put right is not fought at full speed: each time in a row it is put right later,
and the release says why it waits.
"""

from __future__ import annotations

from typing import Any

from graph.edit import Edit
from graph.kinds import Deployment, DriftPolicy, Release, ReleasePhase, Site
from graph.view import get_as
from lifecycle.backoff import pause_s
from lifecycle.events import tell
from lifecycle.settings import LifecycleSettings

CLAIMED = frozenset({ReleasePhase.APPLYING, ReleasePhase.REMOVING})
"""Phases in which a worker is at a release, or was when it was last heard of."""
CALM_PAUSES = 2.0
"""What was as applied for so many of the longest pauses and drifts then, drifts for the first time."""


def drifted(edit: Edit, release: Release, what: str, *, remedied: str, settings: LifecycleSettings) -> dict[str, Any]:
    """Tells of the drift of a release that is wanted, of its deployment and site too; gives what it does to the work on it.

    `what` is the drift in words that go on from the object's name, `remedied` what is done again where it is put right.
    """
    times = _times_in_a_row(release, at=edit.at, settings=settings)
    pause = _pause_s(release, times, settings)
    deployment = get_as(edit, Deployment, release.deployment_id)
    report = deployment is not None and deployment.drift_policy is DriftPolicy.REPORT
    paused = deployment is not None and deployment.paused
    end = f"it is {remedied} again"
    if times > 1:
        end = f"it has drifted {times} times in a row, and is {remedied} again in {pause:.1f} s"
    if report:
        end = "it is left so, for its deployment's drift policy is REPORT"
    elif paused:
        end = "it is left so while its deployment is paused"
    site = get_as(edit, Site, release.site_id)
    where = "" if site is None else f" at site {site.name}"
    tell(edit, release, "Drift", f"{release.backend_name}{where} {what}; {end}.", also=(deployment, site), warning=True)
    if release.phase in CLAIMED or release.phase is ReleasePhase.QUARANTINED:
        return {}
    if report or paused:
        return {"phase": ReleasePhase.DRIFTED, "due_at": None, "error": drift_told(what)}
    return {
        "phase": ReleasePhase.PENDING,
        "drifts": times,
        "due_at": edit.at + int(pause * 1000) if pause else None,
        "error": drift_told(what, times=times),
    }


def drift_told(what: str, *, times: int = 1) -> str:
    """Why a release that has drifted is not as wanted."""
    return f"it drifted: it {what}" if times == 1 else f"it drifted {times} times in a row: it {what}"


def _times_in_a_row(release: Release, *, at: int, settings: LifecycleSettings) -> int:
    """Which time this is, of those that came soon after it had been applied."""
    calm_ms = CALM_PAUSES * settings.backoff_cap_s * 1000
    soon = release.applied_at is not None and at - release.applied_at < calm_ms
    return release.drifts + 1 if soon else 1


def _pause_s(release: Release, times: int, settings: LifecycleSettings) -> float:
    """How long until it is put right, seconds: the first time at once."""
    if times == 1:
        return 0.0
    return pause_s(
        times - 1,
        base_s=settings.backoff_base_s,
        cap_s=settings.backoff_cap_s,
        seed=settings.seed,
        key=release.id,
    )
