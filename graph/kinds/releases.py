"""A deployment's work site by site, and what runs.

Desired and observed are separate fields and never merged. A release is the unit of work: one component of one deployment at
one site. Three numbers are never confused: the graph's revision, a deployment's revision number, and a release's
generation, which is what a backend compares.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Ref, TimestampMs, doc, kind
from graph.kinds.scheduling import Scheduling
from graph.values import Count, Resources


class ReleasePhase(enum.Enum):
    """Where the work on a release stands."""

    PENDING = "PENDING"
    """Waits for a worker."""
    APPLYING = "APPLYING"
    """The driver is being called."""
    WAITING_READY = "WAITING_READY"
    """The backend has it; its replicas are not all ready."""
    WAITING_SITE = "WAITING_SITE"
    """Its site does not answer; it is tried again when the site does."""
    WAITING_DEPENDENCY = "WAITING_DEPENDENCY"
    """A component that it depends on comes first; `error` says which, and what is awaited of it."""
    READY = "READY"
    """Observed as wanted."""
    QUARANTINED = "QUARANTINED"
    """It failed too often; `error` says why. A retry or a new generation starts it again."""
    REMOVING = "REMOVING"
    """It is being deleted at its site."""
    DRIFTED = "DRIFTED"
    """Its backend has something else than was applied, and its deployment's policy is to report that; `error` says what. A
    retry, or a new generation, puts it right."""


GIVEN_UP = frozenset({ReleasePhase.QUARANTINED, ReleasePhase.DRIFTED})
"""Nothing more is done for a release until somebody asks for it."""


class ReleaseObserved(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a backend last reported of a release."""

    generation: Annotated[int, doc("The generation that the backend holds; 0: none.")] = 0
    present: Annotated[bool, doc("Whether the backend has it at all.")] = False
    replicas: Annotated[Count, doc("Replicas that exist.")] = 0
    ready_replicas: Annotated[Count, doc("Replicas that are ready.")] = 0
    message: Annotated[str | None, doc("The backend's own words.")] = None
    drift: Annotated[
        str | None,
        doc("How it is not as its generation was applied to it; none: it is, or the backend cannot tell."),
    ] = None
    version: Annotated[int, doc("The backend's own number of this report; an older report is dropped.")] = 0
    observed_at: Annotated[TimestampMs | None, doc("When it last changed.")] = None


class InstanceStatus(enum.Enum):
    """A running thing's state as its backend reports it."""

    PENDING = "PENDING"
    """It is there and does not run yet."""
    RUNNING = "RUNNING"
    """It runs."""
    FAILED = "FAILED"
    """It ended with an error, or cannot begin."""
    TERMINATING = "TERMINATING"
    """It is ending."""
    UNKNOWN = "UNKNOWN"
    """Its site or cluster does not answer: it may run or not."""


@kind(prefix="release", area=Area.WORKLOAD)
class Release(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One component of a deployment at one site: what is wanted there, what was observed, and the work between."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, MANAGED, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    deployment_id: Annotated[
        str, doc("The deployment."), IMMUTABLE, MANAGED, Ref("Deployment", relation="RELEASE_OF", owner=True)
    ]
    component_id: Annotated[str, doc("The component."), MANAGED, Ref("Component", relation="OF_COMPONENT")]
    site_id: Annotated[str, doc("The site."), IMMUTABLE, MANAGED, Ref("Site", relation="TARGETS")]
    cluster_id: Annotated[
        str | None,
        doc("The control plane at the site that it goes to."),
        MANAGED,
        Ref("Cluster", relation="VIA_CLUSTER"),
    ] = None
    backend_name: Annotated[
        str,
        doc("Its name on the backend, at most 53 characters; the same for the whole of its life."),
        MANAGED,
        INDEXED,
    ] = ""
    wanted: Annotated[bool, doc("False when it is to be removed."), MANAGED] = True
    retires_after: Annotated[
        int | None,
        doc("Removed once its deployment's releases of this generation and later are ready; none: it stays."),
        MANAGED,
    ] = None
    standby: Annotated[
        bool,
        doc(
            "Whether it is made ahead of what it replaces: nothing is to be sent to it until all that is made is ready."
        ),
        MANAGED,
    ] = False
    left_behind: Annotated[
        bool,
        doc("Whether it was left at a place that was lost: it is removed when that answers, and nothing waits for it."),
        MANAGED,
    ] = False
    stopped: Annotated[
        bool, doc("Whether none of its replicas is to run for now; what it reserves stays reserved."), MANAGED
    ] = False
    replicas: Annotated[Count, doc("Replicas wanted; none of them while it is stopped."), MANAGED] = 1
    resources: Annotated[Resources, doc("What one replica needs."), MANAGED] = Resources()
    assignments: Annotated[
        dict[str, int],
        doc("Replicas reserved by node id; empty where nodes are not observed."),
        MANAGED,
        Ref("Node", relation="RESERVES"),
    ] = {}
    profile_id: Annotated[str | None, doc("The profile that its values come from, besides its component."), MANAGED] = (
        None
    )
    overrides: Annotated[
        list[dict[str, Any]], doc("What is laid over the values of its component and profile here, in order."), MANAGED
    ] = []
    scheduling: Annotated[
        Scheduling | None,
        doc("Which nodes of its site its replicas may run on; none: those that its component alone asks for."),
        MANAGED,
    ] = None
    generation: Annotated[int, doc("What is wanted; a backend that holds a newer one refuses an older."), MANAGED] = 1
    applied_generation: Annotated[int, doc("The newest generation that the backend is known to hold."), MANAGED] = 0
    observed: Annotated[ReleaseObserved | None, doc("What the backend last reported; none: nothing yet."), MANAGED] = (
        None
    )
    unseen_since: Annotated[
        TimestampMs | None,
        doc("Since when nobody sees it, for its site or backend does not answer; what it runs is then unknown."),
        MANAGED,
    ] = None
    phase: Annotated[ReleasePhase, doc("Where the work on it stands."), MANAGED, INDEXED] = ReleasePhase.PENDING
    epoch: Annotated[int, doc("Bumped by every claim; a result commits only at its own epoch."), MANAGED] = 0
    claimed_by: Annotated[
        str | None, doc("The worker that claimed it last, where there are several."), MANAGED, HIDDEN
    ] = None
    attempts: Annotated[Count, doc("Tries since its generation last changed."), MANAGED] = 0
    failures: Annotated[Count, doc("Tries in a row that its backend answered with an error."), MANAGED] = 0
    drifts: Annotated[
        Count,
        doc("How often in a row, when it last drifted, that was soon after it was applied; each is put right later."),
        MANAGED,
    ] = 0
    due_at: Annotated[TimestampMs | None, doc("Not tried again before this."), MANAGED] = None
    error: Annotated[str | None, doc("Why the last try failed."), MANAGED] = None
    operation_id: Annotated[str | None, doc("The operation that it is worked on for."), MANAGED, INDEXED] = None
    awaits_old: Annotated[
        bool,
        doc("Whether, of a deployment that is single, none of it may run before every old copy is known to be gone."),
        MANAGED,
        HIDDEN,
    ] = False
    applied_at: Annotated[TimestampMs | None, doc("When its backend last took what was wanted then."), MANAGED] = None
    ready_at: Annotated[
        TimestampMs | None, doc("When it was last observed as wanted after it had not been."), MANAGED
    ] = None

    @property
    def stays(self) -> bool:
        """Whether it is wanted and not about to be replaced."""
        return self.wanted and self.retires_after is None

    @property
    def retires(self) -> bool:
        """Whether it runs on until what replaces it is ready, and goes then."""
        return self.wanted and self.retires_after is not None

    @property
    def running_replicas(self) -> int:
        """Replicas that are to run now."""
        return 0 if self.stopped else self.replicas


@kind(prefix="instance", area=Area.WORKLOAD)
class Instance(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What runs: a pod, a server, a container."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, MANAGED, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    release_id: Annotated[
        str,
        doc("The release that it is part of."),
        IMMUTABLE,
        MANAGED,
        Ref("Release", relation="INSTANCE_OF", owner=True),
    ]
    site_id: Annotated[str, doc("Where it runs."), IMMUTABLE, MANAGED, Ref("Site", relation="RUNS_AT", owner=True)]
    node_id: Annotated[
        str | None, doc("The machine that it runs on, when known."), MANAGED, Ref("Node", relation="RUNS_ON")
    ] = None
    backend_name: Annotated[str, doc("Its name on the backend."), MANAGED] = ""
    generation: Annotated[int, doc("The generation that it was made for."), MANAGED] = 0
    status: Annotated[InstanceStatus, doc("What its backend reports."), MANAGED, INDEXED] = InstanceStatus.PENDING
    message: Annotated[str | None, doc("The backend's own words."), MANAGED] = None
