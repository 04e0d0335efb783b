"""Long-running work, and what happened.

An operation is live while it runs and a filed record once it has ended; an event is filed from the start. Filed records are
read from the store by key and page, so that a year of them costs no memory.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import IMMUTABLE, INDEXED, MANAGED, Area, Entity, Ref, TimestampMs, doc, kind
from graph.values import Count


class OperationKind(enum.Enum):
    """What an operation does."""

    DEPLOY = "DEPLOY"
    """Makes a deployment."""
    UPDATE = "UPDATE"
    """Gives a deployment other values, another version, policy or sites."""
    SCALE = "SCALE"
    """Gives components another number of replicas at each site."""
    TERMINATE = "TERMINATE"
    """Removes a deployment from all of its sites."""
    STOP = "STOP"
    """Has none of a deployment's replicas run; its sites, nodes and names are kept."""
    RESUME = "RESUME"
    """Ends a stop or a pause."""
    ADD_SITES = "ADD_SITES"
    """Adds sites to a deployment."""
    REMOVE_SITES = "REMOVE_SITES"
    """Removes sites from a deployment."""
    ADJUST_SITE = "ADJUST_SITE"
    """Gives a deployment another number of replicas at one site."""
    AUTOSCALE = "AUTOSCALE"
    """Gives sites the replicas that a scaling policy asks for."""
    MIGRATE = "MIGRATE"
    """Moves a deployment to another version or other sites: made before it is broken, in steps."""
    ROLLBACK = "ROLLBACK"
    """Makes what a deployment wanted at an earlier revision its newest one."""
    DRAIN = "DRAIN"
    """Moves what runs at a site to other sites."""
    REBALANCE = "REBALANCE"
    """Moves a deployment to where a plan found it better placed."""
    FAILOVER = "FAILOVER"
    """Moves a deployment away from what was lost, or to where its policy has it run by now."""
    RETRY = "RETRY"
    """Starts releases again that were quarantined when their operation ended."""
    APPLY_DOCUMENTS = "APPLY_DOCUMENTS"
    """Applies a set of documents."""


class OperationStatus(enum.Enum):
    """Where an operation stands."""

    RUNNING = "RUNNING"
    """It is under way."""
    CANCELLING = "CANCELLING"
    """It goes back to where it began."""
    SUCCEEDED = "SUCCEEDED"
    """All that it asked for was observed."""
    PARTIAL = "PARTIAL"
    """Ended with some releases done and others not; `error` says which and why."""
    FAILED = "FAILED"
    """Ended with nothing of it done; `error` says why."""
    CANCELLED = "CANCELLED"
    """It was taken back."""
    SUPERSEDED = "SUPERSEDED"
    """A later change of the same deployment took its place."""


ENDED = frozenset(
    {
        OperationStatus.SUCCEEDED,
        OperationStatus.PARTIAL,
        OperationStatus.FAILED,
        OperationStatus.CANCELLED,
        OperationStatus.SUPERSEDED,
    }
)


class Progress(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How far an operation is, in releases or in commits of its work."""

    total: Annotated[Count, doc("How many there are.")] = 0
    done: Annotated[Count, doc("How many are as wanted.")] = 0
    waiting: Annotated[Count, doc("How many wait for a site or a dependency.")] = 0
    failed: Annotated[Count, doc("How many are quarantined.")] = 0


class OperationError(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Why an operation did not do all that it was to do."""

    code: Annotated[str, doc("A word for programs.")]
    message: Annotated[str, doc("What went wrong.")]
    remedy: Annotated[str | None, doc("What to do about it.")] = None


class ReleaseStanding(enum.Enum):
    """What became of a release in an operation."""

    DONE = "DONE"
    """It is as the operation asked."""
    REMOVED = "REMOVED"
    """It was to go, and is gone."""
    FAILED = "FAILED"
    """It was given up, or waits for what was."""
    UNFINISHED = "UNFINISHED"
    """The operation ended before it did: a later one works on it."""


class ReleaseOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What became of one release in an operation. Names are those of the time: the release may be gone since."""

    release_id: Annotated[str, doc("The release, by id.")]
    backend_name: Annotated[str, doc("The release's name on its backend.")]
    component_name: Annotated[str, doc("What it runs, by name.")]
    site_id: Annotated[str, doc("Where, by id.")]
    site_name: Annotated[str, doc("Where, by name.")]
    standing: Annotated[ReleaseStanding, doc("What became of it.")]
    error: Annotated[str | None, doc("Why it failed, or was not done yet.")] = None


class StepName(enum.Enum):
    """A step of a migration, in their order."""

    CREATE = "CREATE"
    """What is to run is with its backends."""
    READY = "READY"
    """All of it is ready."""
    SWITCH = "SWITCH"
    """What is sent to the old goes to the new."""
    REMOVE = "REMOVE"
    """The old is gone."""


class StepStatus(enum.Enum):
    """Where a step stands, from what was observed."""

    PENDING = "PENDING"
    """It has not begun."""
    RUNNING = "RUNNING"
    """It is under way."""
    DONE = "DONE"
    """It is done."""
    FAILED = "FAILED"
    """The operation ended before it was done; the steps after it were not begun."""


class OperationStep(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One step of an operation."""

    name: Annotated[StepName, doc("Which.")]
    status: Annotated[StepStatus, doc("Where it stands.")] = StepStatus.PENDING


@kind(prefix="operation", area=Area.RECORD)
class Operation(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Long work: it goes on whether or not anyone watches."""

    tenant_id: Annotated[
        str | None,
        doc("The tenant that it is for; none: the infrastructure."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    kind: Annotated[OperationKind, doc("What it does."), IMMUTABLE, INDEXED]
    subject_id: Annotated[str | None, doc("The deployment, node or site that it works on."), IMMUTABLE, INDEXED] = None
    requested_by: Annotated[str, doc("Who asked for it, by id."), IMMUTABLE] = ""
    status: Annotated[OperationStatus, doc("Where it stands."), MANAGED, INDEXED] = OperationStatus.RUNNING
    progress: Annotated[Progress, doc("How far it is."), MANAGED] = Progress()
    steps: Annotated[list[OperationStep], doc("Of a migration: its steps, in their order."), MANAGED] = []
    error: Annotated[OperationError | None, doc("Set when its status is FAILED or PARTIAL."), MANAGED] = None
    deadline_at: Annotated[
        TimestampMs | None,
        doc("When it ends at the latest, with what is not done told; none: it takes its time."),
        MANAGED,
    ] = None
    finished_at: Annotated[TimestampMs | None, doc("When it ended."), MANAGED] = None
    outcomes: Annotated[
        list[ReleaseOutcome],
        doc(
            "What became of a deployment's releases, whoever works on them since: set when it ended, failed ones first; at "
            "most 100, and removed ones as they go. None of a drain, whose releases are of many tenants."
        ),
        MANAGED,
    ] = []

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.status in ENDED


class EventType(enum.Enum):
    """Whether an event is good news (as Kubernetes names them)."""

    NORMAL = "NORMAL"
    """Something went as it should."""
    WARNING = "WARNING"
    """Somebody may want to look."""


@kind(prefix="event", area=Area.RECORD, filed=True)
class Event(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something that happened to an entity."""

    tenant_id: Annotated[str | None, doc("The tenant that it concerns; none: the infrastructure."), IMMUTABLE] = None
    type: Annotated[EventType, doc("Normal, or a warning."), IMMUTABLE] = EventType.NORMAL
    reason: Annotated[str, doc("One word for programs: `ReleaseReady`."), IMMUTABLE]
    message: Annotated[str, doc("One sentence for people."), IMMUTABLE]
    subject_id: Annotated[str | None, doc("What it happened to."), IMMUTABLE, INDEXED] = None
    subject_name: Annotated[
        str | None,
        doc(
            "The name that what it happened to had then, also when that is gone. None where that has no name, or is of "
            "another tenant than the event."
        ),
        IMMUTABLE,
    ] = None
    author: Annotated[str, doc("Who caused it, by id; `edgeatlas`: the system."), IMMUTABLE] = "edgeatlas"
