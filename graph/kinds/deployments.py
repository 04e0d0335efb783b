"""An app wanted in places, its numbered past, its work site by site, and what runs.

Desired and observed are separate fields and never merged. A release is the unit of work: one component of one deployment at
one site. Three numbers are never confused: the graph's revision, a deployment's revision number, and a release's
generation, which is what a backend compares.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.kinds.failover import Displacement, FailoverPolicy
from graph.kinds.operations import OperationKind
from graph.kinds.overrides import Override, check_overrides
from graph.kinds.policy import PlacementPolicy
from graph.kinds.scheduling import Scheduling
from graph.kinds.statuses import DeploymentStatus
from graph.refusal import InvalidInput
from graph.secret_checks import check_secrets, secret_ids_in
from graph.values import Count, Resources

if TYPE_CHECKING:
    from graph.view import Reader


class DeploymentPhase(enum.Enum):
    """Where a deployment stands, from its releases."""

    PENDING_PLACEMENT = "PENDING_PLACEMENT"
    """No site could be chosen yet; it is tried again when the graph changes."""
    PENDING_APPROVAL = "PENDING_APPROVAL"
    """A change of it waits to be approved; what runs goes on as it was approved before."""
    PROGRESSING = "PROGRESSING"
    """Releases are on their way to what is wanted."""
    READY = "READY"
    """Every release is as wanted."""
    DEGRADED = "DEGRADED"
    """Some releases wait for their site, failed, or are short of replicas."""
    PAUSED = "PAUSED"
    """Nothing is done to its backends until it is resumed; what runs goes on. Its message says where it stands."""
    STOPPED = "STOPPED"
    """None of its replicas runs; its sites, nodes and names are kept until it is resumed."""
    TERMINATING = "TERMINATING"
    """It is being removed from its sites."""
    TERMINATED = "TERMINATED"
    """Nothing of it runs any more."""


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


class GoodState(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The newest of a deployment's states that was wholly observed: what a cancelled change goes back to."""

    revision_id: Annotated[str, doc("The deployment revision.")]
    revision_number: Annotated[Count, doc("Its number.")]
    decision_id: Annotated[str | None, doc("The decision that chose its sites.")] = None


class InstanceStatus(enum.Enum):
    """A running thing's state as its backend reports it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    TERMINATING = "TERMINATING"
    UNKNOWN = "UNKNOWN"


class DriftPolicy(enum.Enum):
    """What happens when a backend has something else than was applied to it."""

    CORRECT = "CORRECT"
    """It is put right, and an event tells of it."""
    REPORT = "REPORT"
    """It is left as it is; the release is DRIFTED, the deployment DEGRADED, and an event tells of it."""


class SiteReplicas(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How many replicas of a component run at one site, where that is not as at the others."""

    site_id: Annotated[str, doc("The site.")]
    component: Annotated[str, doc("The component's name.")]
    replicas: Annotated[Count, doc("Replicas there.")]


class Proposal(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A change of a deployment that waits to be approved."""

    number: Annotated[Count, doc("Its revision number: who approves names it.")]
    revision_id: Annotated[str, doc("Its revision.")]
    operation_id: Annotated[str, doc("What was begun when it was asked for.")]
    decision_id: Annotated[str | None, doc("The decision that shows where it would run.")] = None
    kind: Annotated[OperationKind, doc("What it does.")]
    author: Annotated[str, doc("Who asked for it, by id.")]
    authors: Annotated[
        list[str], doc("Who asked for something of it that nobody has approved, by id: its author and those before.")
    ] = []
    app_version_id: Annotated[str, doc("What is to run.")]
    policy: Annotated[PlacementPolicy, doc("Where it is to run.")] = PlacementPolicy()
    replicas: Annotated[dict[str, int], doc("Replicas at each site by component name.")] = {}
    adjustments: Annotated[list[SiteReplicas], doc("Replicas at single sites.")] = []
    failover: Annotated[FailoverPolicy, doc("What is done when it cannot stay as it is.")] = FailoverPolicy()
    profile_id: Annotated[str | None, doc("The profile of its version that it is to run with.")] = None
    overrides: Annotated[list[Override], doc("Values that are to override those of its components and profile.")] = []
    drift_policy: Annotated[
        DriftPolicy | None,
        doc(
            "What is to happen when a backend has something else than was applied to it; none: as its deployment has it, "
            "for it was asked for before this was kept."
        ),
    ] = None
    requires_approval: Annotated[
        bool | None,
        doc(
            "Whether its changes are to wait to be approved; none: as its deployment has it, for it was asked for before "
            "this was kept."
        ),
    ] = None


class RevisionOutcome(enum.Enum):
    """What became of a revision of a deployment."""

    WAITING = "WAITING"
    """It waits to be approved."""
    NEVER_APPROVED = "NEVER_APPROVED"
    """It was withdrawn, or a later change took its place, before it was approved: it never was wanted."""
    UNDER_WAY = "UNDER_WAY"
    """It is wanted now, and was not observed as a whole yet."""
    READY = "READY"
    """All of it was observed as wanted, at least once."""
    OVERTAKEN = "OVERTAKEN"
    """A later revision took its place before all of it was observed."""


class Approval(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The last approval of a deployment."""

    revision_number: Annotated[Count, doc("What was approved.")]
    by: Annotated[str, doc("Who approved it, by id.")]
    at: Annotated[TimestampMs, doc("When.")]


@lru_cache(maxsize=1_024)
def _secrets_of(encoded: bytes) -> tuple[str, ...]:
    """The secrets that overrides refer to, which is asked at every step of a deployment's life."""
    overrides = msgspec.json.decode(encoded, type=list[Override])
    try:
        return tuple(secret_ids_in(*(one.mapping() for one in overrides)))
    except InvalidInput:
        return ()  # what cannot be read is refused by the check that follows


INTENTS = (
    "app_version_id",
    "policy",
    "replicas",
    "adjustments",
    "failover",
    "profile_id",
    "overrides",
    "drift_policy",
    "requires_approval",
)
"""What is wanted of a deployment: the fields that its revisions keep and its proposals hold."""
_ASKED = (
    "display_name",
    "labels",
    *INTENTS,
    "proposal",
    "revision_number",
    "paused",
    "stopped",
    "delete_when_gone",
)
"""What of a deployment is changed by who asks for something, and by nobody else."""


def _differ(one: Deployment, other: Deployment, name: str) -> bool:
    before, after = getattr(one, name), getattr(other, name)
    return before is not after and before != after


@kind(prefix="deployment", area=Area.WORKLOAD, scope=("tenant_id",))
class Deployment(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An app version wanted in places."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    app_version_id: Annotated[str, doc("What is to run."), Ref("AppVersion", relation="RUNS")]
    policy: Annotated[PlacementPolicy, doc("Where it is to run.")] = PlacementPolicy()
    replicas: Annotated[
        dict[str, int], doc("Replicas at each site by component name; a component's own number when absent.")
    ] = {}
    adjustments: Annotated[
        list[SiteReplicas], doc("Replicas at single sites, where they are not as at the others."), MANAGED
    ] = []
    failover: Annotated[FailoverPolicy, doc("What is done when it cannot stay as it is.")] = FailoverPolicy()
    displacement: Annotated[
        Displacement | None,
        doc("That it cannot stay as it is, and what is done about it; none: it can, or its failover is OFF."),
        MANAGED,
    ] = None
    profile_id: Annotated[
        str | None,
        doc("The profile of its version that it runs with; none: its components' own values."),
        Ref("Profile", relation="RUNS_WITH"),
    ] = None
    overrides: Annotated[
        list[Override],
        doc("Values that override those of its components and profile; at most 256, together 256 KiB of JSON."),
    ] = []
    drift_policy: Annotated[
        DriftPolicy, doc("What happens when a backend has something else than was applied to it.")
    ] = DriftPolicy.CORRECT
    requires_approval: Annotated[
        bool, doc("Whether its changes wait to be approved, also where its tenant does not ask for that."), MANAGED
    ] = False
    proposal: Annotated[Proposal | None, doc("The change that waits to be approved."), MANAGED] = None
    approved: Annotated[Approval | None, doc("Its last approval; none: nothing of it was ever approved."), MANAGED] = (
        None
    )
    newest_number: Annotated[
        Count, doc("The highest number that a change of it was given which was to be approved."), MANAGED
    ] = 0
    asked_at: Annotated[
        int, doc("The graph's revision at which what is asked for of it last changed."), MANAGED, HIDDEN
    ] = 0
    unapproved_numbers: Annotated[
        list[int], doc("The newest revision numbers that were never approved, rising."), MANAGED, HIDDEN
    ] = []
    ready_numbers: Annotated[
        list[int], doc("The newest revision numbers that were observed as a whole, rising."), MANAGED, HIDDEN
    ] = []
    outcomes_from: Annotated[
        Count,
        doc("The first revision number of which those two tell; 0: it was made before they were kept."),
        MANAGED,
        HIDDEN,
    ] = 0
    paused: Annotated[
        bool, doc("Whether nothing is done to its backends until it is resumed; what runs goes on."), MANAGED
    ] = False
    stopped: Annotated[
        bool, doc("Whether none of its replicas is to run until it is resumed; its sites and nodes are kept."), MANAGED
    ] = False
    revision_number: Annotated[Count, doc("The number of its current revision, from 1."), MANAGED] = 1
    generation: Annotated[int, doc("Rises with every change of what is wanted."), MANAGED] = 1
    phase: Annotated[DeploymentPhase, doc("Where it stands."), MANAGED, INDEXED] = DeploymentPhase.PENDING_PLACEMENT
    message: Annotated[
        str | None, doc("Why it stands there; of one that is READY, only why none of it is to run."), MANAGED
    ] = None
    status: Annotated[
        DeploymentStatus, doc("What of it is desired, applied and ready, and why the rest is not."), MANAGED
    ] = DeploymentStatus()
    revision_id: Annotated[str | None, doc("Its current revision."), MANAGED] = None
    version_ids: Annotated[
        list[str],
        doc("The versions that its revisions name, the newest first, at most 50: they are kept while it is."),
        MANAGED,
        Ref("AppVersion", relation="NAMES_VERSION", reverse=""),
    ] = []
    decision_id: Annotated[
        str | None, doc("The decision that chose its sites; while it waits, the one that found none."), MANAGED
    ] = None
    operation_id: Annotated[str | None, doc("The operation that works on it now."), MANAGED] = None
    good: Annotated[
        GoodState | None, doc("Its newest state that was wholly observed; none: it never was READY."), MANAGED
    ] = None
    secret_ids: Annotated[
        list[str],
        doc("The secrets that its overrides refer to."),
        MANAGED,
        Ref("Secret", relation="READS_SECRET", reverse=""),
    ] = []
    delete_when_gone: Annotated[bool, doc("Whether it is deleted once nothing of it runs any more."), MANAGED] = False

    def restamped(self, **stamps: int) -> Self:
        """With the revision at which it was asked for anything, if that is the one that is stamped."""
        if self.asked_at == self.revision:
            stamps = {**stamps, "asked_at": stamps["revision"]}
        return msgspec.structs.replace(self, **stamps)

    def is_as_at(self, revision: int) -> bool:
        """Whether nobody has asked for anything of it since. What is done for it and observed of it does not count: while
        it is under way it changes many times a second."""
        return self.asked_at <= revision <= self.revision

    def derived(self, reader: Reader, *, path: str) -> dict[str, Any]:
        """The secrets that its overrides name, and when it was last asked for anything."""
        found: dict[str, Any] = {}
        before = reader.get(self.id)
        if not isinstance(before, Deployment) or any(_differ(before, self, name) for name in _ASKED):
            found["asked_at"] = self.revision
        secret_ids = list(_secrets_of(msgspec.json.encode(self.overrides))) if self.overrides else []
        if secret_ids != self.secret_ids:
            self._check_secrets(reader, path=path)
            found["secret_ids"] = secret_ids
        return found

    def check_step(self, before: Entity | None, reader: Reader, *, path: str) -> None:
        """Its overrides can be read. Looked at when they change and not at every step of its life."""
        if self.overrides and (not isinstance(before, Deployment) or before.overrides != self.overrides):
            check_overrides(self.overrides, path=f"{path}.overrides")
            self._check_secrets(reader, path=path)

    def _check_secrets(self, reader: Reader, *, path: str) -> None:
        for at, one in enumerate(self.overrides):
            where = f"{path}.overrides[{at}]"
            check_secrets(reader, one.mapping(path=where), tenant_id=self.tenant_id, path=where)


@kind(prefix="deploymentrevision", area=Area.WORKLOAD, filed=True)
class DeploymentRevision(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a deployment wanted at one number of its past; never changed."""

    tenant_id: Annotated[str, doc("The tenant that owns it."), IMMUTABLE]
    deployment_id: Annotated[str, doc("The deployment."), IMMUTABLE, INDEXED]
    number: Annotated[Count, doc("From 1, rising."), IMMUTABLE]
    app_version_id: Annotated[str, doc("What was to run."), IMMUTABLE]
    policy: Annotated[PlacementPolicy, doc("Where it was to run."), IMMUTABLE]
    replicas: Annotated[dict[str, int], doc("Replicas at each site by component name."), IMMUTABLE] = {}
    adjustments: Annotated[list[SiteReplicas], doc("Replicas at single sites."), IMMUTABLE] = []
    failover: Annotated[FailoverPolicy, doc("What was done when it could not stay as it was."), IMMUTABLE] = (
        FailoverPolicy()
    )
    profile_id: Annotated[str | None, doc("The profile that it was to run with."), IMMUTABLE] = None
    overrides: Annotated[
        list[Override], doc("Values that were to override those of its components and profile."), IMMUTABLE
    ] = []
    drift_policy: Annotated[
        DriftPolicy | None,
        doc(
            "What happened when a backend had something else than was applied to it; none: it is not known, and going back "
            "to this leaves it as it is."
        ),
        IMMUTABLE,
    ] = None
    requires_approval: Annotated[
        bool | None,
        doc(
            "Whether its changes waited to be approved, also where its tenant did not ask for that; none: it is not known, "
            "and going back to this leaves it as it is."
        ),
        IMMUTABLE,
    ] = None
    decision_id: Annotated[str | None, doc("The decision that chose its sites."), IMMUTABLE] = None
    author: Annotated[str, doc("Who asked for it, by id."), IMMUTABLE] = ""
    authors: Annotated[
        list[str], doc("Who asked for something of it that nobody had approved before, by id."), IMMUTABLE
    ] = []


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
    waits_everywhere: Annotated[
        bool,
        doc("Whether what it waits for is another component at every site, and not at its own alone."),
        MANAGED,
        HIDDEN,
    ] = False
    applied_at: Annotated[TimestampMs | None, doc("When its backend last took what was wanted then."), MANAGED] = None
    ready_at: Annotated[
        TimestampMs | None, doc("When it was last observed as wanted after it had not been."), MANAGED
    ] = None

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
