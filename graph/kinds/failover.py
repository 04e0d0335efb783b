"""What is done about what a deployment has lost: its policy, what was lost, and where it stands.

What was lost is kept on the deployment, so that a process that ends in the middle of a toleration goes on where it was. When
a loss counts is a time of the store's own clock; whether it still is one is looked at again before anything is done.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import TimestampMs, doc
from graph.kinds.policy import Few
from graph.values import Count

MOST_TOLERATION_S = 7 * 86_400


class FailoverMode(enum.Enum):
    """What is done by itself when a deployment cannot stay as it is."""

    OFF = "OFF"
    """Nothing: what runs there waits for its site."""
    REPORT = "REPORT"
    """What would be done is planned and shown. The plan is not applied."""
    PROPOSE = "PROPOSE"
    """A plan is made and kept, and waits for somebody to apply it."""
    APPLY = "APPLY"
    """The plan with the fewest moves is begun."""


class FailoverPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What is done when a deployment cannot stay as it is: a place was lost, or its placement policy is no longer kept."""

    mode: Annotated[FailoverMode, doc("What is done by itself.")] = FailoverMode.OFF
    toleration_seconds: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=MOST_TOLERATION_S,
            description="How long a loss lasts until it counts; what is back by then has changed nothing. 0 to 604,800; "
            "less than 5 counts as 5.",
        ),
    ] = 300
    max_moves: Annotated[
        Few | None,
        doc("The most sites of a component that it may newly run at by one plan; none: as many as it takes."),
    ] = None
    single: Annotated[
        bool,
        doc(
            "Whether a copy of it must never run twice: nothing starts in its place before it is known to be gone, in "
            "drains and updates too."
        ),
    ] = False


class LossKind(enum.Enum):
    """Why a deployment cannot stay as it is."""

    SITE_DOWN = "SITE_DOWN"
    """A site where it runs does not answer."""
    CLUSTER_DOWN = "CLUSTER_DOWN"
    """The control plane that it runs through does not answer."""
    NODE_NOT_READY = "NODE_NOT_READY"
    """A node that its replicas are on is not ready, and its site is not away."""
    NODE_TAINTED = "NODE_TAINTED"
    """A node that its replicas are on has a NO_EXECUTE taint that it does not tolerate."""
    POLICY = "POLICY"
    """Its policy refuses a site where it runs by now: for a label, a region, a reach."""
    CAPACITY = "CAPACITY"
    """There is no longer room at a site for all that runs there."""
    LACKING = "LACKING"
    """What it runs at no longer keeps its policy as a whole: a place is out of reach, a site too few."""
    SITE_JOINED = "SITE_JOINED"
    """A site matches its policy, which is to run everywhere, and does not run it."""


class Loss(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One reason why a deployment cannot stay as it is."""

    kind: Annotated[LossKind, doc("What it is.")]
    subject_id: Annotated[str | None, doc("The site, node or cluster; none: the policy as a whole.")] = None
    since: Annotated[TimestampMs, doc("Since when.")]
    due_at: Annotated[TimestampMs, doc("When it counts, unless it is over by then.")]
    words: Annotated[str, doc("It in words.")] = ""
    planned: Annotated[bool, doc("Whether the plan that was made puts it right.")] = False

    @property
    def what(self) -> tuple[LossKind, str | None]:
        """Which loss it is, whenever it began."""
        return self.kind, self.subject_id


class UnlistedLosses(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Losses of one kind that are only counted, of a deployment that has lost very much."""

    kind: Annotated[LossKind, doc("What they are.")]
    count: Annotated[Count, doc("How many they are.")]
    since: Annotated[TimestampMs, doc("Since when the last of them is so.")]
    due_at: Annotated[TimestampMs, doc("When the last of them counts.")]
    planned: Annotated[bool, doc("Whether the plan that was made puts them right.")] = False

    @property
    def what(self) -> tuple[LossKind, str | None]:
        """Which losses they are."""
        return self.kind, None


class DisplacementState(enum.Enum):
    """What is done about what a deployment has lost."""

    TOLERATED = "TOLERATED"
    """It does not count yet."""
    WAITING = "WAITING"
    """What is left keeps its policy, or nothing else would: it waits for what was lost."""
    STUCK = "STUCK"
    """It has nowhere to go, or more moves than it may make; it is tried again when the network changes."""
    HELD = "HELD"
    """Automatic moves are held, or it is paused."""
    AWAITING_OLD = "AWAITING_OLD"
    """It is single, and the old copy is not known to be gone."""
    PROPOSED = "PROPOSED"
    """A plan waits to be applied."""
    REPORTED = "REPORTED"
    """What would be done is planned and shown."""


class Displacement(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """That a deployment cannot stay as it is, and what is done about it."""

    state: Annotated[DisplacementState, doc("What is done about it.")]
    losses: Annotated[
        list[Loss], doc("Why it cannot stay: all of it, or of more than 256 reasons those that count first.")
    ] = []
    more: Annotated[list[UnlistedLosses], doc("By kind how many reasons there are that `losses` does not have.")] = []
    why: Annotated[str | None, doc("Why it stands there.")] = None
    plan_id: Annotated[str | None, doc("The plan that was made.")] = None
    plan_generation: Annotated[
        int | None, doc("The generation of the deployment that the plan was made for; with another it is made anew.")
    ] = None


class Fence(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Somebody's word that nothing runs on a place that does not answer: it is powered off, or cut off for good."""

    at: Annotated[TimestampMs, doc("When it was given.")]
    by: Annotated[str, doc("By whom, by id.")]


__all__ = [
    "Displacement",
    "DisplacementState",
    "FailoverMode",
    "FailoverPolicy",
    "Fence",
    "Loss",
    "LossKind",
    "UnlistedLosses",
]
