"""Who did something: an id that is kept for good, and the name and the entity behind it as far as the viewer sees them.

What somebody did outlives the account, and people are seen by few. So records keep an id, and it is looked up when it is
asked for: whoever may not see the account is told its id and nothing else.
"""

from __future__ import annotations

from typing import Any

import msgspec
import strawberry

from access.permissions import declare_value_types
from access.viewer import SYSTEM_ID
from graph.entity import Entity
from graph.kinds import DeploymentRevision, Event, Operation
from schema.entities import field_of
from schema.vocabulary import object_type, resolver_field


class Actor(msgspec.Struct, frozen=True):
    """Who did something, by id."""

    id: str


def _entity(actor: Actor, info: Any) -> Entity | None:
    found: Entity | None = info.context.view.get(actor.id) if actor.id else None
    return found


def _name(actor: Actor, info: Any) -> str:
    return str(getattr(_entity(actor, info), "name", "") or actor.id)


object_type(
    "Actor",
    {
        "id": (
            "ID",
            strawberry.field(
                description="The id of the user or service account; `edgeatlas`: the system itself; `anonymous`: nobody who "
                "was signed in."
            ),
        ),
        "name": (
            None,
            resolver_field(
                _name,
                returns="str",
                description="The name of the account; its id when it is gone, or you may not see it.",
            ),
        ),
        "entity": (
            None,
            resolver_field(
                _entity,
                returns="Optional[Entity]",
                description="The user or service account; null when it is gone, or you may not see it.",
            ),
        ),
    },
    description="Who did something: a user, a service account, or the system itself.",
)
declare_value_types("Actor")


@field_of(Event, returns="Actor", description="Who caused it.")
def author(event: Event, info: Any) -> Actor:
    """By id; the system where none was written."""
    return Actor(event.author or SYSTEM_ID)


@field_of(Operation, returns="Actor", description="Who asked for it.")
def requested_by(operation: Operation, info: Any) -> Actor:
    """By id; the system where none was written."""
    return Actor(operation.requested_by or SYSTEM_ID)


def _revision_author(revision: DeploymentRevision, info: Any) -> Actor:
    return Actor(revision.author or SYSTEM_ID)


_revision_author.__name__ = "author"
field_of(DeploymentRevision, returns="Actor", description="Who asked for it.")(_revision_author)
