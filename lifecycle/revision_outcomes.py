"""What became of a deployment's revisions: told from a few numbers that the deployment keeps of its past.

A revision is filed when it is asked for and never changed, so what became of it is not in it. The numbers of those that were
never approved, and of those that were observed as a whole, say it for the newest KNOWN; they are rising integers of a few
bytes, since they are written with every step of a deployment. One that is older than that says nothing of its earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from graph.kinds import Deployment, RevisionOutcome

KNOWN = 100
"""Of how many of the newest numbers it is known what became of them."""


def begun(deployment: Deployment) -> Deployment:
    """A deployment of which it is kept from now on what becomes of its revisions.

    One that was made before that was kept knows its last good one, and nothing of what came before the newest.
    """
    if deployment.outcomes_from:
        return deployment
    waiting = deployment.proposal.number if deployment.proposal is not None else 0
    ready = deployment.ready_numbers
    if deployment.good is not None:
        ready = with_number(deployment, ready, deployment.good.revision_number)
    return msgspec.structs.replace(
        deployment, outcomes_from=max(newest_number(deployment), waiting), ready_numbers=ready
    )


def newest_number(deployment: Deployment) -> int:
    """The highest revision number that a deployment has ever given, also to what was not approved."""
    return max(deployment.revision_number, deployment.newest_number)


def with_number(deployment: Deployment, numbers: Sequence[int], number: int) -> list[int]:
    """Numbers that a deployment keeps, with one more, rising; those that are too old are left out."""
    oldest = newest_number(deployment) - KNOWN
    return sorted(one for one in {*numbers, number} if one > oldest)


def outcome_of(deployment: Deployment, number: int) -> RevisionOutcome | None:
    """What became of one of its revisions; None when that is not known any more, or never was."""
    deployment = begun(deployment)
    if number <= newest_number(deployment) - KNOWN:
        return None
    if deployment.proposal is not None and deployment.proposal.number == number:
        return RevisionOutcome.WAITING
    if number in deployment.unapproved_numbers:
        return RevisionOutcome.NEVER_APPROVED
    if number in deployment.ready_numbers:
        return RevisionOutcome.READY
    if number == deployment.revision_number:
        return RevisionOutcome.UNDER_WAY
    return RevisionOutcome.OVERTAKEN if number >= deployment.outcomes_from else None
