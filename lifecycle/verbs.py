"""What may be asked of a deployment in which state: one table, read by the code, the documentation and the tests.

A phase decides but for a few verbs, for which it also matters what the deployment is on its way to; those are in `ONLY`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

from graph.kinds import Deployment, DeploymentPhase
from graph.refusal import InvalidState


class Verb(enum.Enum):
    """What can be asked of a deployment that exists."""

    APPROVE = "approve"
    """Has a change begin that waits for approval."""
    UPDATE = "update"
    """Gives it other values, another version, policy or sites."""
    SCALE = "scale"
    """Gives components another number of replicas at each site."""
    ADD_SITES = "add sites"
    """Has it run at more sites."""
    REMOVE_SITES = "remove sites"
    """Has it leave sites."""
    ADJUST_SITE = "adjust a site"
    """Gives one site a number of replicas of its own."""
    MIGRATE = "migrate"
    """Moves it to another version or other sites, made before it is broken."""
    ROLL_BACK = "roll back"
    """Makes what it wanted at an earlier revision its newest one."""
    PAUSE = "pause"
    """Has nothing done to its backends until it is resumed."""
    STOP = "stop"
    """Has none of its replicas run; sites, nodes and names are kept."""
    RESUME = "resume"
    """Ends a pause or a stop."""
    TERMINATE = "terminate"
    """Removes it from all of its sites."""
    DELETE = "terminate and delete"
    """Terminates it, and deletes it once nothing of it is left."""
    CANCEL = "cancel its operation"
    """Takes back what its running operation does."""
    RETRY = "retry its operation"
    """Starts anew what its last operation gave up."""


class Only(NamedTuple):
    """A verb that is granted in a phase under a condition."""

    refused: Callable[[Deployment], str | None]
    """Why a deployment does not allow it; None when it does."""
    when: str
    """The condition, in the table's words."""


AT_ITS_SITES = (Verb.ADD_SITES, Verb.REMOVE_SITES, Verb.ADJUST_SITE)
"""Verbs that start from where a deployment is."""
CHANGES = (Verb.UPDATE, Verb.SCALE, *AT_ITS_SITES, Verb.MIGRATE, Verb.ROLL_BACK)
"""Verbs that change what is wanted: each makes a revision."""
_PHASE = DeploymentPhase
_ENDING = "it is being terminated"
_ENDED = "it has been terminated: deploy it anew"
_UNPLACED = "it waits to be placed, and nothing of it runs"
_NOT_HELD = "it is neither paused nor stopped"
_STOPPING = "it is stopped or being stopped: resume it first"
_STOPPED = "it is stopped already"
_PAUSED = "it is paused and nothing is done to its backends: resume it first"
_UNAPPROVED = "nothing of it was approved yet, and nothing of it runs"

REFUSED: dict[tuple[DeploymentPhase, Verb], str] = {
    **{
        (phase, Verb.APPROVE): "nothing of it waits for approval"
        for phase in DeploymentPhase
        if phase is not _PHASE.PENDING_APPROVAL
    },
    **{(_PHASE.PENDING_PLACEMENT, verb): "it has no sites yet: update its policy" for verb in AT_ITS_SITES},
    (_PHASE.PENDING_PLACEMENT, Verb.MIGRATE): _UNPLACED,
    (_PHASE.PENDING_PLACEMENT, Verb.PAUSE): _UNPLACED,
    (_PHASE.PENDING_PLACEMENT, Verb.STOP): _UNPLACED,
    (_PHASE.PENDING_PLACEMENT, Verb.RETRY): "it waits to be placed, and that is tried by itself",
    (_PHASE.READY, Verb.RESUME): _NOT_HELD,
    (_PHASE.PAUSED, Verb.STOP): _PAUSED,
    (_PHASE.STOPPED, Verb.PAUSE): _STOPPING,
    (_PHASE.STOPPED, Verb.STOP): _STOPPED,
    **{(_PHASE.TERMINATING, verb): _ENDING for verb in (*CHANGES, Verb.PAUSE, Verb.STOP, Verb.RESUME)},
    (_PHASE.TERMINATING, Verb.CANCEL): "a termination is not taken back: deploy it anew once it is gone",
    **{(_PHASE.TERMINATED, verb): _ENDED for verb in (*CHANGES, Verb.PAUSE, Verb.STOP, Verb.RESUME)},
    (_PHASE.TERMINATED, Verb.TERMINATE): "it has been terminated already",
    (_PHASE.TERMINATED, Verb.CANCEL): "it has been terminated: nothing is under way",
    (_PHASE.TERMINATED, Verb.RETRY): "it has been terminated: there is nothing to try again",
}
"""Why a verb is refused in a phase; what is neither here nor in ONLY is granted."""


def _no_pause(one: Deployment) -> str | None:
    return _STOPPING if one.stopped else None


def _no_resume(one: Deployment) -> str | None:
    return None if one.stopped or one.paused else _NOT_HELD


def _no_pause_proposed(one: Deployment) -> str | None:
    return _UNAPPROVED if one.revision_id is None else _no_pause(one)


def _no_stop_proposed(one: Deployment) -> str | None:
    if one.revision_id is None:
        return _UNAPPROVED
    if one.paused:
        return _PAUSED
    return _STOPPED if one.stopped and one.operation_id is None else None


_RUNS = Only(_no_pause, "unless it is being stopped")
_STOPS = Only(_no_resume, "while it is being stopped")
_HELD = Only(_no_resume, "while it is paused or stopped")
ONLY: dict[tuple[DeploymentPhase, Verb], Only] = {
    (_PHASE.PROGRESSING, Verb.PAUSE): _RUNS,
    (_PHASE.DEGRADED, Verb.PAUSE): _RUNS,
    (_PHASE.PROGRESSING, Verb.RESUME): _STOPS,
    (_PHASE.DEGRADED, Verb.RESUME): _STOPS,
    (_PHASE.PENDING_PLACEMENT, Verb.RESUME): _HELD,
    (_PHASE.PENDING_APPROVAL, Verb.PAUSE): Only(_no_pause_proposed, "when some of it was approved and is not stopped"),
    (_PHASE.PENDING_APPROVAL, Verb.STOP): Only(_no_stop_proposed, "when some of it was approved and is not paused"),
    (_PHASE.PENDING_APPROVAL, Verb.RESUME): _HELD,
}
"""Verbs that a phase alone does not decide."""


NEXT: dict[Verb, DeploymentPhase | None] = {
    Verb.APPROVE: _PHASE.PROGRESSING,
    **dict.fromkeys(CHANGES, _PHASE.PROGRESSING),
    Verb.PAUSE: _PHASE.PAUSED,
    Verb.STOP: _PHASE.PROGRESSING,
    Verb.RESUME: _PHASE.PROGRESSING,
    Verb.TERMINATE: _PHASE.TERMINATING,
    Verb.DELETE: _PHASE.TERMINATING,
    Verb.CANCEL: _PHASE.PROGRESSING,
    Verb.RETRY: None,
}
"""The phase that a verb leads to at once, where nothing else is said; None: it stays. What follows is observed."""
NEXT_IN: dict[tuple[DeploymentPhase, Verb], DeploymentPhase] = {
    **{(_PHASE.PAUSED, verb): _PHASE.PAUSED for verb in (*CHANGES, Verb.CANCEL)},
    **{
        (_PHASE.PENDING_APPROVAL, verb): _PHASE.PENDING_APPROVAL
        for verb in (*CHANGES, Verb.PAUSE, Verb.STOP, Verb.RESUME)
    },
    (_PHASE.PENDING_PLACEMENT, Verb.RESUME): _PHASE.PENDING_PLACEMENT,
    (_PHASE.PENDING_PLACEMENT, Verb.CANCEL): _PHASE.TERMINATING,
}
"""Where a verb leads elsewhere than it does from other phases."""


def next_phase(phase: DeploymentPhase, verb: Verb) -> DeploymentPhase:
    """The phase that a deployment is in at once when a verb is granted.

    A cancellation of what never ran leads to TERMINATING, from every phase. Where changes need approval each leads to
    PENDING_APPROVAL, and what is approved while it is paused to PAUSED.
    """
    return NEXT_IN.get((phase, verb)) or NEXT[verb] or phase


def refusal_of(deployment: Deployment, verb: Verb) -> str | None:
    """Why a deployment does not allow a verb as it is; None when it does."""
    asked = (deployment.phase, verb)
    only = ONLY.get(asked)
    if only is not None:
        return only.refused(deployment)
    return REFUSED.get(asked)


def check_verb(deployment: Deployment, verb: Verb, *, path: str = "input.id") -> None:
    """Raises InvalidState when the deployment does not allow the verb as it is."""
    reason = refusal_of(deployment, verb)
    if reason is not None:
        raise InvalidState(
            f"cannot {verb.value} of deployment {deployment.name!r}: {reason}"
            if verb in (Verb.CANCEL, Verb.RETRY)
            else f"cannot {verb.value} deployment {deployment.name!r}: {reason}",
            remedy="see its phase and its operation",
            path=path,
        )


def table() -> str:
    """The whole table in Markdown, as docs/lifecycle.md has it: a row a verb, a column a phase.

    A cell has the phase that follows, or why the verb is refused.
    """
    lines = [
        f"| | {' | '.join(phase.name for phase in DeploymentPhase)} |",
        f"|---|{'---|' * len(DeploymentPhase)}",
    ]
    for verb in Verb:
        lines.append(f"| **{verb.value}** | {' | '.join(_cell(phase, verb) for phase in DeploymentPhase)} |")
    return "\n".join(lines)


def _cell(phase: DeploymentPhase, verb: Verb) -> str:
    only, reason = ONLY.get((phase, verb)), REFUSED.get((phase, verb))
    if reason is not None:
        return reason
    granted = f"**{next_phase(phase, verb).name}**"
    return granted if only is None else f"{granted}, {only.when}"
