"""How much of a deployment is as it should be: counted where the work on it is kept, so that reading it costs nothing.

Four numbers are never merged. What is desired is what was asked for; applied is what backends are known to hold of it; ready
is what was observed; unknown is what was observed and cannot be seen now, because its site or its backend does not answer.
What is unknown is not ready.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from graph.entity import doc
from graph.values import Count


class Counted(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How many of something there should be, and how far they are."""

    desired: Annotated[Count, doc("How many there are to be.")] = 0
    applied: Annotated[Count, doc("Of how many the backend is known to hold what is wanted.")] = 0
    ready: Annotated[
        Count,
        doc("How many were observed to be ready; of replicas also those of an earlier generation that still run."),
    ] = 0
    unknown: Annotated[
        Count, doc("How many were observed and cannot be seen now: their site or backend does not answer. Not ready.")
    ] = 0


class ComponentStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How much of one component of a deployment is as it should be."""

    component: Annotated[str, doc("The component's name.")]
    sites: Annotated[Counted, doc("Sites that it is to run at.")] = Counted()
    replicas: Annotated[Counted, doc("Its replicas.")] = Counted()


STATUS_CODES = (
    "SITE_AWAY",
    "UNKNOWN",
    "QUARANTINED",
    "DRIFTED",
    "DEPENDENCY",
    "NOT_READY",
    "UNDER_WAY",
    "LEFT_BEHIND",
    "SITE_MISSED",
    "PAUSED",
    "STOPPED",
    "SCALED_TO_ZERO",
    "NOT_PLACED",
    "NO_SITE",
    "TERMINATED",
    "PENDING_APPROVAL",
)
"""Every code that a reason of a deployment's status can have."""


class StatusReason(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Why something of a deployment is not ready, or why there is nothing to be ready."""

    code: Annotated[
        str,
        doc(
            "A word for programs: SITE_AWAY (the site or the cluster there does not answer, whether or not it was seen "
            "before), UNKNOWN (that answers again, and has not told of it yet), QUARANTINED, DRIFTED, DEPENDENCY, "
            "NOT_READY, UNDER_WAY, LEFT_BEHIND (a former copy at a place that is away), SITE_MISSED (it is to run "
            "everywhere, and sites were down when its sites were chosen); PAUSED (nothing is done before it is resumed); "
            "where nothing is to run: STOPPED, SCALED_TO_ZERO, NOT_PLACED, NO_SITE, TERMINATED; PENDING_APPROVAL."
        ),
    ]
    message: Annotated[str, doc("The reason, for people.")]
    releases: Annotated[Count, doc("For how many releases it is so; 0: for the deployment as a whole.")] = 0


class DeploymentStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How much of a deployment is as it should be, and why the rest is not."""

    sites: Annotated[Counted, doc("Sites that it is to run at; one is ready when all of it there is.")] = Counted()
    releases: Annotated[Counted, doc("Components at sites.")] = Counted()
    replicas: Annotated[Counted, doc("Replicas of all components at all sites.")] = Counted()
    leaving: Annotated[Count, doc("Releases that are to go or are being replaced, and are still there.")] = 0
    retiring_ready_replicas: Annotated[
        Count,
        doc(
            "Replicas that were observed to be ready, and are seen now, of releases that go once what replaces them is "
            "ready (those with `retiresAfter`): they still serve. None of them is counted in `replicas` or `components`."
        ),
    ] = 0
    failed: Annotated[Count, doc("Releases that were given up: quarantined, or drifted and left so by policy.")] = 0
    components: Annotated[list[ComponentStatus], doc("The same for each component, by name.")] = []
    reasons: Annotated[
        list[StatusReason],
        doc(
            "Why not all is ready, the most frequent first, with what is still to go or was left behind; then the sites "
            "that were missed, and the change that waits for approval. At most ten, with each code that there is. None "
            "where all is ready and there is no such thing."
        ),
    ] = []
