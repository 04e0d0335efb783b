"""The deadline of an operation: when it ends at the latest, with what is not done told.

A deadline bounds how long somebody waits, not what is wanted. So an operation that is over time ends PARTIAL or FAILED with
its reasons, and its releases go on towards what is wanted, without an operation that speaks for them. Whoever wants it taken
back asks for that: an update or a termination.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter
from collections.abc import Callable, Sequence

from graph.edit import Edit
from graph.kinds import Deployment, Operation, OperationError, OperationStatus, Release
from graph.refusal import InvalidInput
from lifecycle.deployments import Started
from lifecycle.progress import REASONS_TOLD, Outcome, Standing, standing_of

LONGEST_S = 30 * 86_400.0


def check_deadline(deadline_s: float | None, *, path: str = "input.deadlineSeconds") -> None:
    """Raises InvalidInput unless a deadline is more than nothing and at most 30 days."""
    if deadline_s is not None and not 0 < deadline_s <= LONGEST_S:
        raise InvalidInput(
            f"a deadline of {deadline_s:g} seconds is none",
            remedy=f"give more than 0 and at most {LONGEST_S:,.0f} seconds, or leave it out",
            path=path,
        )


def within(change: Callable[[Edit], Started], deadline_s: float | None) -> Callable[[Edit], Started]:
    """The change, with a deadline on the operation that it starts."""
    if deadline_s is None:
        return change

    def changed(edit: Edit) -> Started:
        started = change(edit)
        operation = edit.replace(started.operation, deadline_at=edit.at + int(deadline_s * 1000))
        return dataclasses.replace(started, operation=operation)

    return changed


def overdue(operation: Operation, outcome: Outcome, releases: Sequence[Release], deployment: Deployment) -> Outcome:
    """How an operation that is over time ends, given where it stands and the releases that it works on."""
    done, total = outcome.progress.done, outcome.progress.total
    reasons = Counter(_reason(one) for one in releases if standing_of(one) is not Standing.DONE)
    told = [why if count == 1 else f"{why} ({count} releases)" for why, count in reasons.most_common(REASONS_TOLD)]
    if not releases and not total:
        message = f"it could not be placed in time: {deployment.message or 'no site was chosen'}"
    else:
        message = f"{total - done} of {total} releases were not done in time: {'; '.join(told) or 'see their errors'}"
    return Outcome(
        OperationStatus.PARTIAL if done else OperationStatus.FAILED,
        outcome.progress,
        OperationError(
            code="DEADLINE_PASSED",
            message=message,
            remedy="it is worked on all the same; update or terminate the deployment to take it back",
        ),
    )


def is_overdue(operation: Operation, *, at: int) -> bool:
    """Whether a running operation is over time; one that is being taken back is seen through.

    That of a change that waits for approval does not run: it is as long as it was when the change is approved.
    """
    deadline = operation.deadline_at
    return operation.status is OperationStatus.RUNNING and deadline is not None and at >= deadline


class Deadlines:
    """When whose deadline passes, so that nobody has to look through all operations. Times are UTC milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def note(self, operation: Operation) -> None:
        """Notes the deadline of an operation on a deployment, if it has one."""
        if operation.deadline_at is not None and operation.subject_id is not None and not operation.ended:
            heapq.heappush(self._heap, (operation.deadline_at, operation.subject_id))

    def clear(self) -> None:
        """Forgets all."""
        self._heap.clear()

    def passed(self, *, now: int) -> list[str]:
        """The deployments on which a deadline has passed since this was last asked."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[1])
        return found

    def next_in_s(self, *, now: int) -> float | None:
        """Seconds until the next one passes."""
        return (self._heap[0][0] - now) / 1000 if self._heap else None


def _reason(release: Release) -> str:
    return release.error or f"{release.phase.name.lower().replace('_', ' ')} still"
