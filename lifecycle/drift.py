"""Drift: what was applied is not what the backend has now, and nobody asked for that here.

By a deployment's policy it is put right or only reported. Either way an event tells of it, once. What is only reported stays
as it is until somebody asks: a retry, an update, or the policy changed to CORRECT. While a deployment is paused all of it is
only reported, and put right by policy when it is resumed.
"""

from __future__ import annotations

from typing import Any

from graph.edit import Edit
from graph.kinds import Deployment, DriftPolicy, Release, ReleasePhase
from graph.view import get_as
from lifecycle.events import tell

CLAIMED = frozenset({ReleasePhase.APPLYING, ReleasePhase.REMOVING})
"""Phases in which a worker is at a release, or was when it was last heard of."""


def drifted(edit: Edit, release: Release, what: str, *, remedied: str) -> dict[str, Any]:
    """Tells of the drift of a release that is wanted; gives what it does to the work on it.

    `what` is the drift in words that go on from the object's name, `remedied` what is done again where it is put right.
    """
    deployment = get_as(edit, Deployment, release.deployment_id)
    report = deployment is not None and deployment.drift_policy is DriftPolicy.REPORT
    paused = deployment is not None and deployment.paused
    end = f"it is {remedied} again"
    if report:
        end = "it is left so, for its deployment's drift policy is REPORT"
    elif paused:
        end = "it is left so while its deployment is paused"
    tell(edit, release, "Drift", f"{release.backend_name} {what}; {end}.", warning=True)
    if release.phase in CLAIMED or release.phase is ReleasePhase.QUARANTINED:
        return {}
    if report or paused:
        return {"phase": ReleasePhase.DRIFTED, "due_at": None, "error": f"it drifted: it {what}"}
    return {"phase": ReleasePhase.PENDING, "due_at": None}
