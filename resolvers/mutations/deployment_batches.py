"""Many deployments at once: each item is asked for by itself, and each has its own answer.

A batch is not a transaction. What is refused of it is not done and what is granted is, in the order given; a batch that is
sent again under its key does nothing twice, for each item has a key made of that one and its place.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import strawberry

from access.permissions import Permission, declare_root
from graph.refusal import InvalidInput, Refusal
from resolvers.answers import answer, verb
from resolvers.context import Context
from resolvers.mutations.deployment_inputs import key_input
from resolvers.mutations.deployments import deploy_one, given_of, terminate_one, update_one
from schema.errors import ErrorValue
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type

MOST = 100
"""Items of a batch."""
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


BATCHES = (
    _Batch("deployMany", "deploy", deploy_one, "Begins many deployments, each by itself."),
    _Batch("updateMany", "updateDeployment", update_one, "Changes many deployments, each by itself."),
    _Batch("terminateMany", "terminateDeployment", terminate_one, "Removes many deployments, each by itself."),
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
    results = [await _answer(context, batch, one, at=at, key=key) for at, one in enumerate(items)]
    return Payload(_name(batch.action) + "Payload", results=results, revision=context.view.revision)


async def _answer(context: Context, batch: _Batch, item: Any, *, at: int, key: str | None) -> Payload | ErrorValue:
    async def make() -> Payload:
        asked = item
        try:
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
            if refusal.path is not None and refusal.path.startswith("input"):
                refusal.path = f"input.items[{at}]{refusal.path.removeprefix('input')}"
            raise

    return await answer(context, batch.item, make, given=item)


def deployment_batch_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    return {
        "deploy_many": _defined(BATCHES[0]),
        "update_many": _defined(BATCHES[1]),
        "terminate_many": _defined(BATCHES[2]),
    }


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
    declare_root("Mutation", batch.action, Permission.WRITE_WORKLOADS)

    async def make(context: Context, given: Any) -> Payload:
        return await answered(context, batch, given)

    return None, verb(batch.action, make, description=f"{batch.text} One that fails touches no other.")


def _name(action: str) -> str:
    return action[0].upper() + action[1:]
