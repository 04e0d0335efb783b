"""What happened, told to people: filed events beside the changes that they tell of, in the same commit."""

from __future__ import annotations

from collections.abc import Iterable

from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Event, EventType

AUTHOR = "edgeatlas"
MESSAGE_MAX = 500


def tell(
    edit: Edit,
    subject: Entity,
    reason: str,
    message: str,
    *,
    also: Iterable[Entity | None] = (),
    warning: bool = False,
    author: str = AUTHOR,
) -> None:
    """Files an event on an entity: one word for programs and one sentence for people.

    Events are found by what they happened to, so the same is told of each that is in `also`. All are of the tenant of the
    subject: what happens to its workload at a site that all share is told to nobody else. The name is kept of what is of
    that tenant itself: whoever may read the event might read it, and reads it still when the entity is gone.
    """
    owner = getattr(subject, "tenant_id", None)
    for one in (subject, *also):
        if one is not None:
            edit.create(
                Event,
                tenant_id=owner,
                type=EventType.WARNING if warning else EventType.NORMAL,
                reason=reason,
                message=message[:MESSAGE_MAX],
                subject_id=one.id,
                subject_name=getattr(one, "name", None) if getattr(one, "tenant_id", None) == owner else None,
                author=author,
            )
