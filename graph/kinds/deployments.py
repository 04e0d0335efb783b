"""An app wanted in places.

What is wanted of a deployment is changed by who asks for it, and everything else of it by those who work on that: the two
are told apart (`asked_at`), for what is under way changes many times a second and must refuse nobody's change. What it
wanted before is in its revisions (`graph.kinds.revisions`), what is done for it in its releases (`graph.kinds.releases`).
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, doc, kind
from graph.kinds.failover import Displacement, FailoverPolicy
from graph.kinds.intents import INTENTS, Approval, DriftPolicy, Proposal, SiteReplicas
from graph.kinds.overrides import Override, check_overrides
from graph.kinds.policy import PlacementPolicy
from graph.kinds.statuses import DeploymentStatus
from graph.refusal import InvalidInput
from graph.secret_checks import check_secrets, secret_ids_in
from graph.values import Count

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


class GoodState(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The newest of a deployment's states that was wholly observed: what a cancelled change goes back to."""

    revision_id: Annotated[str, doc("The deployment revision.")]
    revision_number: Annotated[Count, doc("Its number.")]
    decision_id: Annotated[str | None, doc("The decision that chose its sites.")] = None


class MissedSites(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Sites that a deployment is to run at, as it is to run everywhere, and was not placed at, for they were down."""

    site_ids: Annotated[list[str], doc("The first of them, at most eight, by id.")]
    more: Annotated[Count, doc("How many more there are.")] = 0


@lru_cache(maxsize=1_024)
def _secrets_of(encoded: bytes) -> tuple[str, ...]:
    """The secrets that overrides refer to, which is asked at every step of a deployment's life."""
    overrides = msgspec.json.decode(encoded, type=list[Override])
    try:
        return tuple(secret_ids_in(*(one.mapping() for one in overrides)))
    except InvalidInput:
        return ()  # what cannot be read is refused by the check that follows


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
    missed: Annotated[
        MissedSites | None,
        doc(
            "The sites that it was not placed at, though it is to run everywhere, for they were down; none: there are none."
        ),
        MANAGED,
        HIDDEN,
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
