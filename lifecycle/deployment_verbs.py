"""What can be asked of deployments besides deploy, update, scale and terminate: to go back, to pause, to stop, to resume.

Like those, a method returns when its change is committed, and whatever needs a decision is decided before that commit and
anew when its room went to somebody else. Everything is checked before anything is done: a change is one commit or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from graph.edit import Edit
from graph.kinds import AppVersion, Deployment, OperationKind, RevisionOutcome
from graph.refusal import InvalidState
from graph.request import Committed, Request
from graph.view import get_as
from lifecycle.deadlines import within
from lifecycle.decisions import Deciding, Remember
from lifecycle.deployments import Started, Visible, update_deployment
from lifecycle.intents import intents_of
from lifecycle.pausing import pause_deployment, resume_deployment, stop_deployment
from lifecycle.proposing import authors_of
from lifecycle.relabelling import relabel_deployment
from lifecycle.revision_outcomes import outcome_of
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import Adjustment, seen_deployment

R = TypeVar("R")


class DeploymentVerbs(Deciding):
    """The verbs of one lifecycle."""

    async def pause(
        self,
        deployment_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Deployment] | None = None,
    ) -> Committed[Deployment]:
        """Has nothing done to a deployment's backends until it is resumed. Raises NotFound, Conflict or InvalidState."""
        change = _asked(pause_deployment, deployment_id, request, visible, expected_revision)
        return await self._ledger.commit(change, request, remember=remember)

    async def stop(
        self,
        deployment_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Has no replica of a deployment run; its places are kept. Raises NotFound, Conflict or InvalidState."""
        change = _asked(stop_deployment, deployment_id, request, visible, expected_revision)
        return await self._ledger.commit(within(change, deadline_s), request, remember=remember)

    async def resume(
        self,
        deployment_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Ends a pause or a stop. Raises NotFound, Conflict or InvalidState."""
        change = _asked(resume_deployment, deployment_id, request, visible, expected_revision)
        return await self._ledger.commit(within(change, deadline_s), request, remember=remember)

    async def relabel(
        self,
        deployment_id: str,
        fields: Mapping[str, Any],
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Deployment] | None = None,
    ) -> Committed[Deployment]:
        """Gives a deployment another display name or other labels. Raises NotFound, Conflict or InvalidInput."""
        change = partial(relabel_deployment, fields=fields)
        asked = _asked(change, deployment_id, request, visible, expected_revision)
        return await self._ledger.commit(asked, request, remember=remember)

    async def rollback(
        self,
        deployment_id: str,
        revision_number: int,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Makes what a deployment wanted at one of its revisions its newest one, at the same sites while those have room.

        The next change starts from it. Raises NotFound, Conflict, InvalidInput, InvalidState, Unplaceable, CapacityGone, or
        what the ledger raises.
        """

        async def attempt(anew: bool) -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            deployment = seen_deployment(reader, deployment_id)
            check_verb(deployment, Verb.ROLL_BACK)
            revision = await self._decisions.revision(deployment, revision_number)
            outcome = outcome_of(deployment, revision_number)
            if revision_number == deployment.revision_number or outcome is RevisionOutcome.WAITING:
                raise _not_back(deployment, revision_number)
            if get_as(reader, AppVersion, revision.app_version_id) is None:
                raise InvalidState(
                    f"revision {revision_number} ran a version that has been deleted since",
                    remedy="update the deployment instead",
                    path="input.revisionNumber",
                )
            decision_id = None if anew else revision.decision_id
            chosen = await self._decisions.at_revision(reader, deployment, revision, decision_id=decision_id)
            change = Adjustment(
                deployment_id=deployment_id,
                expected_revision=expected_revision,
                brought_by=authors_of(revision) if outcome in (None, RevisionOutcome.NEVER_APPROVED) else (),
                # What of it is not known is as the deployment has it, whatever waits for approval.
                **{**intents_of(deployment), **intents_of(revision)},
            )
            made = partial(
                update_deployment,
                change=change,
                chosen=chosen,
                visible=visible,
                author=request.author,
                kind=OperationKind.ROLLBACK,
            )
            return within(made, deadline_s)

        return await self._decisions.commit_as_filed(attempt, request, remember)


def _not_back(deployment: Deployment, revision_number: int) -> InvalidState:
    """The refusal to go back to where a deployment is, or to what waits for approval."""
    path = "input.revisionNumber"
    if revision_number != deployment.revision_number:
        told = f"revision {revision_number} of deployment {deployment.name!r} waits for approval"
        return InvalidState(told, remedy="approve it, or name an earlier one", path=path)
    waits = deployment.proposal is not None
    return InvalidState(
        f"deployment {deployment.name!r} is at revision {revision_number} already",
        remedy="cancel the operation of what waits for approval" if waits else "name an earlier one",
        path=path,
    )


def _asked(
    change: Callable[..., R], deployment_id: str, request: Request, visible: Visible, expected_revision: int | None
) -> Callable[[Edit], R]:
    """A change of one deployment as it was asked for."""
    return partial(
        change,
        deployment_id=deployment_id,
        visible=visible,
        author=request.author,
        expected_revision=expected_revision,
    )
