"""Many deployments at once: each item is asked for by itself, and each has its own answer.

A batch is not a transaction. What is refused of it is not done and what is granted is, in the order given; a batch that is
sent again under its key does nothing twice, for each item has a key made of that one and its place. So one that takes longer
than a request may is answered all the same: the items whose turn did not come say so, and come when it is sent again.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple

import strawberry

from access.permissions import Permission, declare_root
from graph.refusal import InvalidInput, Refusal, Unavailable
from resolvers.answers import answer, verb
from resolvers.context import Context
from resolvers.input_paths import as_written
from resolvers.mutations.deployment_inputs import key_input
from resolvers.mutations.deployment_verbs import VERBS, python_name
from resolvers.mutations.deployments import (
    deploy_one,
    given_of,
    scale_one,
    terminate_one,
    update_one,
)
from resolvers.mutations.operations import cancel_one, retry_one
from schema.errors import ErrorValue
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type

MOST = 100
"""Items of a batch."""
SHARE = 0.8
"""Of the time that a mutation may take: no item is begun after it, so that those before are answered in time."""
KEY_ROOM = 200
"""Characters that the key of a batch may have, so that there is room for an item's place."""
Make = Callable[[Context, Any], Awaitable[Payload]]


class _Batch(NamedTuple):
    """A batch form of a mutation."""

    action: str
    item: str
    """The mutation that each item is."""
    make: Make
    text: str
    permission: Permission = Permission.WRITE_WORKLOADS


_OWN = (
    _Batch("deployMany", "deploy", deploy_one, "Begins many deployments, each by itself."),
    _Batch("updateMany", "updateDeployment", update_one, "Changes many deployments, each by itself."),
    _Batch("scaleMany", "scaleDeployment", scale_one, "Changes the replicas of many deployments, each by itself."),
    _Batch("terminateMany", "terminateDeployment", terminate_one, "Removes many deployments, each by itself."),
    _Batch("cancelMany", "cancelOperation", cancel_one, "Takes back what many operations do, each by itself."),
    _Batch("retryMany", "retryOperation", retry_one, "Starts again what many operations gave up on, each by itself."),
)
_FURTHER = {
    "approveDeployment": "approveMany",
    "pauseDeployment": "pauseMany",
    "stopDeployment": "stopMany",
    "resumeDeployment": "resumeMany",
    "rollbackDeployment": "rollbackMany",
    "migrateDeployment": "migrateMany",
    "addSites": "addSitesMany",
    "removeSites": "removeSitesMany",
    "adjustSite": "adjustSiteMany",
    "relabelDeployment": "relabelMany",
}
"""What the batch forms of the further verbs are called."""
BATCHES = (
    *_OWN,
    *(
        _Batch(_FURTHER[one.action], one.action, one.make, f"Many at once, each by itself: {one.text}", one.permission)
        for one in VERBS
    ),
)


async def answered(context: Context, batch: _Batch, given: Any) -> Payload:
    """The payload of a batch: an answer for each item, in their order. Raises InvalidInput for the batch as a whole."""
    items, key = list(given.items), given_of(given, "idempotency_key")
    if not 1 <= len(items) <= MOST:
        raise InvalidInput(
            f"a batch has 1 to {MOST} items, not {len(items)}", remedy="send several batches", path="input.items"
        )
    if key is not None and not 1 <= len(key) <= KEY_ROOM:
        raise InvalidInput(
            f"the idempotency key of a batch has 1 to {KEY_ROOM} characters",
            remedy="use a UUID",
            path="input.idempotencyKey",
        )
    until = context.began + SHARE * context.services.execution_timeout_s
    results = [await _answer(context, batch, one, at=at, key=key, until=until) for at, one in enumerate(items)]
    return Payload(_name(batch.action) + "Payload", results=results, revision=context.view.revision)


async def _answer(
    context: Context, batch: _Batch, item: Any, *, at: int, key: str | None, until: float
) -> Payload | ErrorValue:
    """The answer to an item; one whose turn does not come before `until`, by the monotonic clock, is not begun."""

    async def make() -> Payload:
        asked = item
        try:
            if monotonic() >= until:
                raise Unavailable(
                    "the time of the request was over before its turn came: nothing of it was done",
                    remedy="send the batch again under its idempotency key: what is done is not done again",
                    path="input",
                )
            if key is not None:
                if given_of(item, "idempotency_key") is not None:
                    raise InvalidInput(
                        "the batch has an idempotency key for all of it",
                        remedy="give one or the other",
                        path="input.idempotencyKey",
                    )
                asked = copy.copy(item)
                asked.idempotency_key = f"{key}#{at}"
            return await batch.make(context, asked)
        except Refusal as refusal:
            where = as_written(refusal.path, item)
            if where is not None and where.startswith("input"):
                refusal.path = f"input.items[{at}]{where.removeprefix('input')}"
            raise

    return await answer(context, batch.item, make, given=item)


def deployment_batch_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    return {python_name(one.action): _defined(one) for one in BATCHES}


def _defined(batch: _Batch) -> Member:
    name, item = _name(batch.action), _name(batch.item)
    about = f"What is asked for, 1 to {MOST} of them, in this order."
    input_type(
        f"{name}Input",
        {"items": (f"list[{item}Input]", strawberry.field(description=about)), **key_input()},
        description="Many at once. The idempotency key is that of the whole; items have none then.",
    )
    payload_type(
        f"{name}Payload",
        {
            "results": (
                f"list[{item}Result]",
                strawberry.field(
                    description="What became of each item, in their order: one that fails touches no other."
                ),
            )
        },
        description="An answer for each item.",
    )
    result_union(f"{name}Result", f"{name}Payload")
    declare_root("Mutation", batch.action, batch.permission)

    async def make(context: Context, given: Any) -> Payload:
        return await answered(context, batch, given)

    return None, verb(batch.action, make, description=f"{batch.text} One that fails touches no other.")


def _name(action: str) -> str:
    return action[0].upper() + action[1:]
