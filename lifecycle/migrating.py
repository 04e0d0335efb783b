"""A migration: what is to run is made, becomes ready, is switched to, and only then what ran goes.

Nothing remembers how far it is. Each step follows from the releases as they were observed, so a process that dies between
two of them is no matter. What is new stands by until all of it is ready, at every site; then one commit switches, and a
later one lets what ran go, so that whoever sends clients somewhere has seen the first before the second can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.edit import Edit
from graph.kinds import Deployment, OperationKind, OperationStatus, OperationStep, Release, StepName, StepStatus
from lifecycle.events import tell
from lifecycle.gates import is_ready

UNDER_WAY = frozenset({OperationStatus.RUNNING, OperationStatus.CANCELLING})


def switch_over(edit: Edit, deployment: Deployment, releases: Sequence[Release]) -> bool:
    """Switches to what stands by when all of it is ready; says whether something stands by, or did until now.

    While it does nothing that it replaces may go.
    """
    standing_by = [one for one in releases if one.standby and one.wanted]
    if not standing_by:
        return False
    first = min(one.generation for one in standing_by)
    new = [one for one in releases if one.stays and one.generation >= first]
    if all(is_ready(one) for one in new):
        for one in standing_by:
            edit.replace(one, standby=False)
        told = f"{len(standing_by)} new releases of deployment {deployment.name} take the place of those before."
        tell(edit, deployment, "TrafficSwitched", told)
    return True


def steps_of(kind: OperationKind, status: OperationStatus, releases: Sequence[Release]) -> list[OperationStep]:
    """The steps of an operation that works on these releases; none when it is no migration."""
    if kind is not OperationKind.MIGRATE:
        return []
    new = [one for one in releases if one.stays]
    done = {
        StepName.CREATE: all(one.applied_generation >= one.generation for one in new),
        StepName.READY: all(is_ready(one) for one in new),
        StepName.SWITCH: not any(one.standby for one in new),
        StepName.REMOVE: len(new) == len(releases),
    }
    steps = []
    held = False
    for name in StepName:
        if held:
            standing = StepStatus.PENDING
        elif done[name]:
            standing = StepStatus.DONE
        else:
            held = True
            standing = StepStatus.RUNNING if status in UNDER_WAY else StepStatus.FAILED
        steps.append(OperationStep(name=name, status=standing))
    return steps
