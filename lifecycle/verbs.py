"""What may be asked of a deployment in which state: one table, read by the code, the documentation and the tests."""

from __future__ import annotations

import enum

from graph.kinds import Deployment, DeploymentPhase
from graph.refusal import InvalidState


class Verb(enum.Enum):
    """What can be asked of a deployment that exists."""

    UPDATE = "update"
    SCALE = "scale"
    TERMINATE = "terminate"
    DELETE = "terminate and delete"
    CANCEL = "cancel its operation"
    RETRY = "retry its operation"


_ENDING = "it is being terminated"
_ENDED = "it has been terminated: deploy it anew"

REFUSED: dict[tuple[DeploymentPhase, Verb], str] = {
    (DeploymentPhase.TERMINATING, Verb.UPDATE): _ENDING,
    (DeploymentPhase.TERMINATING, Verb.SCALE): _ENDING,
    (DeploymentPhase.TERMINATING, Verb.CANCEL): "a termination is not taken back: deploy it anew once it is gone",
    (DeploymentPhase.TERMINATED, Verb.UPDATE): _ENDED,
    (DeploymentPhase.TERMINATED, Verb.SCALE): _ENDED,
    (DeploymentPhase.TERMINATED, Verb.TERMINATE): "it has been terminated already",
    (DeploymentPhase.TERMINATED, Verb.CANCEL): "it has been terminated: nothing is under way",
    (DeploymentPhase.TERMINATED, Verb.RETRY): "it has been terminated: there is nothing to try again",
    (
        DeploymentPhase.PENDING_PLACEMENT,
        Verb.RETRY,
    ): "it waits to be placed, and that is tried by itself",
}
"""Why a verb is refused in a phase; what is not here is granted."""


def check_verb(deployment: Deployment, verb: Verb, *, path: str = "input.id") -> None:
    """Raises InvalidState when the deployment's phase does not allow the verb."""
    reason = REFUSED.get((deployment.phase, verb))
    if reason is not None:
        raise InvalidState(
            f"cannot {verb.value} of deployment {deployment.name!r}: {reason}"
            if verb in (Verb.CANCEL, Verb.RETRY)
            else f"cannot {verb.value} deployment {deployment.name!r}: {reason}",
            remedy="see its phase and its operation",
            path=path,
        )


def table() -> str:
    """The whole table in Markdown, as docs/lifecycle.md has it."""
    verbs = list(Verb)
    lines = [
        f"| phase | {' | '.join(verb.value for verb in verbs)} |",
        f"|---|{'---|' * len(verbs)}",
    ]
    for phase in DeploymentPhase:
        cells = [REFUSED.get((phase, verb), "yes") for verb in verbs]
        lines.append(f"| {phase.name} | {' | '.join(cells)} |")
    return "\n".join(lines)
