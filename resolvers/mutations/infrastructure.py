"""Cordon, uncordon and drain: keeping work away from a place, and moving it away."""

from __future__ import annotations

from typing import Any

import strawberry

from access.permissions import Permission, declare_root
from access.rights import check_write_of
from graph.entity import Entity
from graph.kinds import Cluster, Node, Operation, Site
from graph.refusal import NotFound
from graph.request import Request
from resolvers.answers import entity_of, remember_entity, request_of, verb
from resolvers.context import Context
from resolvers.mutations.deployments import sight
from schema.inputs import EXPECTED, IDEMPOTENCY
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type

UNSET = strawberry.UNSET


def _target(context: Context, entity_id: str) -> Entity:
    found = context.view.get(entity_id)
    if not isinstance(found, Site | Node | Cluster):
        raise NotFound("Site, Node or Cluster", entity_id, path="input.id")
    check_write_of(context.viewer, found, path="input.id")
    return found


def _request(context: Context, action: str, target: Entity, given: Any) -> Request:
    return request_of(context, action, given, tenant_id=getattr(target, "tenant_id", None))


def _setting(action: str, payload: str, *, cordon: bool) -> Any:
    async def make(context: Context, given: Any) -> Payload:
        target = _target(context, given.id)
        expected = given.expected_revision
        committed = await context.services.lifecycle.set_schedulable(
            target.id,
            _request(context, action, target, given),
            schedulable=not cordon,
            visible=sight(context),
            expected_revision=None if expected is UNSET else expected,
            remember=remember_entity,
        )
        entity, revision = entity_of(committed, context.view)
        return Payload(payload, entity=entity, revision=revision)

    return make


async def _drain(context: Context, given: Any) -> Payload:
    target = _target(context, given.id)
    expected = given.expected_revision
    committed = await context.services.lifecycle.drain(
        target.id,
        _request(context, "drain", target, given),
        visible=sight(context),
        expected_revision=None if expected is UNSET else expected,
        remember=remember_entity,
    )
    operation, revision = entity_of(committed, context.view)
    assert isinstance(operation, Operation)
    return Payload("DrainPayload", operation=operation, revision=revision)


def infrastructure_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    entity_id: dict[str, Member] = {"id": ("ID", strawberry.field(description="A site, node or cluster."))}
    key: dict[str, Member] = {
        "idempotency_key": ("Optional[str]", strawberry.field(description=IDEMPOTENCY, default=UNSET))
    }
    expected: dict[str, Member] = {
        "expected_revision": ("Optional[BigInt]", strawberry.field(description=EXPECTED, default=UNSET))
    }
    for name in ("Cordon", "Uncordon"):
        input_type(f"{name}Input", {**entity_id, **expected, **key}, description="Which place or machine.")
        payload_type(
            f"{name}Payload", {"entity": ("Entity", strawberry.field(description="As it is now."))}, description="Done."
        )
        result_union(f"{name}Result", f"{name}Payload", ("Conflict", "InvalidState"))
    input_type(
        "DrainInput",
        {"id": ("ID", strawberry.field(description="A site or node.")), **expected, **key},
        description="Which place or machine to empty.",
    )
    payload_type(
        "DrainPayload",
        {"operation": ("Operation", strawberry.field(description="What moves the work, and says what cannot move."))},
        description="What was begun.",
    )
    result_union("DrainResult", "DrainPayload", ("Conflict", "InvalidState"))
    for action in ("cordon", "uncordon", "drain"):
        declare_root("Mutation", action, Permission.WRITE_INFRASTRUCTURE)
    return {
        "cordon": (
            None,
            verb(
                "cordon",
                _setting("cordon", "CordonPayload", cordon=True),
                description="Places nothing new on a site, node or cluster; what runs there stays.",
            ),
        ),
        "uncordon": (
            None,
            verb(
                "uncordon",
                _setting("uncordon", "UncordonPayload", cordon=False),
                description="Takes the cordon off a site, node or cluster.",
            ),
        ),
        "drain": (
            None,
            verb(
                "drain",
                _drain,
                description="Cordons a site or node and moves what runs there: made before it is broken.",
            ),
        ),
    }
