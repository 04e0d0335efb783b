"""`fence` and `resumeFailover`: what people know of lost places that the system cannot."""

from __future__ import annotations

from typing import Any

import strawberry

from access.permissions import Permission, declare_root
from access.rights import check_write_of
from graph.entity import Entity
from graph.kinds import FailoverHold, Node, Site
from graph.refusal import NotFound
from resolvers.answers import entity_of, remember_entity, request_of, verb
from resolvers.context import Context
from resolvers.mutations.deployment_inputs import key_input
from resolvers.mutations.deployments import sight
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type


def _seen(context: Context, entity_id: str, kinds: tuple[type[Entity], ...]) -> Entity:
    """What the caller sees and may change. Raises NotFound or Forbidden."""
    found = context.view.get(entity_id)
    if not isinstance(found, kinds):
        raise NotFound(" or ".join(one.__name__ for one in kinds), entity_id, path="input.id")
    check_write_of(context.viewer, found, path="input.id")
    return found


async def _fence(context: Context, given: Any) -> Payload:
    target = _seen(context, given.id, (Site, Node))
    request = request_of(context, "fence", given, tenant_id=getattr(target, "tenant_id", None))
    committed = await context.services.lifecycle.failover.fence(
        target.id, request, visible=sight(context), remember=remember_entity
    )
    entity, revision = entity_of(committed, context.view)
    return Payload("FencePayload", entity=entity, revision=revision)


async def _resume(context: Context, given: Any) -> Payload:
    hold = _seen(context, given.id, (FailoverHold,))
    committed = await context.services.lifecycle.failover.resume(
        hold.id,
        given.lost_sites,
        request_of(context, "resumeFailover", given, tenant_id=None),
        remember=remember_entity,
    )
    entity, revision = entity_of(committed, context.view)
    return Payload("ResumeFailoverPayload", hold=entity, revision=revision)


def failover_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    key = key_input()
    input_type(
        "FenceInput",
        {"id": ("ID", strawberry.field(description="A site or node that does not answer.")), **key},
        description="Where nothing runs any more.",
    )
    input_type(
        "ResumeFailoverInput",
        {
            "id": ("ID", strawberry.field(description="The hold.")),
            "lost_sites": (
                "int",
                strawberry.field(
                    description="How many sites you know to be lost: `FailoverHold.lost`. More by now: it is refused."
                ),
            ),
            **key,
        },
        description="Which hold, and what you know.",
    )
    payload_type(
        "FencePayload", {"entity": ("Entity", strawberry.field(description="As it is now."))}, description="Done."
    )
    payload_type(
        "ResumeFailoverPayload",
        {"hold": ("FailoverHold", strawberry.field(description="As it is now."))},
        description="Done.",
    )
    result_union("FenceResult", "FencePayload", ("InvalidState",))
    result_union("ResumeFailoverResult", "ResumeFailoverPayload", ("InvalidState",))
    for action in ("fence", "resumeFailover"):
        declare_root("Mutation", action, Permission.WRITE_INFRASTRUCTURE)
    return {
        "fence": (
            None,
            verb(
                "fence",
                _fence,
                description="Gives your word that nothing runs at a site or node that does not answer: powered off, or cut "
                "off for good. What is single is then started elsewhere. It holds until the place answers.",
            ),
        ),
        "resume_failover": (
            None,
            verb(
                "resumeFailover",
                _resume,
                description="Has automatic moves go on though many sites were lost at once.",
            ),
        ),
    }
