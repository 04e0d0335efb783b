"""A hold on automatic moves: when many sites are lost at once, it is more likely that we see wrong than that all are gone.

It is in the graph, so that it outlives whoever saw the loss, everybody sees it, and an operator can say to go on.
"""

from __future__ import annotations

from typing import Annotated

from graph.entity import IMMUTABLE, MANAGED, Area, Entity, Ref, TimestampMs, doc, kind
from graph.kinds.infrastructure import PrivateTo
from graph.values import Count


@kind(prefix="failoverhold", area=Area.INFRASTRUCTURE)
class FailoverHold(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Automatic moves are held, for too many sites were lost at once: it may be that we see wrong, and not they."""

    region_id: Annotated[
        str | None,
        doc("The region whose sites were lost; none: of the whole network."),
        IMMUTABLE,
        MANAGED,
        Ref("Region", relation="HELD_IN", owner=True),
    ] = None
    lost: Annotated[Count, doc("How many of its sites are lost."), MANAGED] = 0
    sites: Annotated[Count, doc("How many sites it has."), MANAGED] = 0
    resumed_at: Annotated[
        TimestampMs | None, doc("When somebody had moves go on all the same; none: they are held."), MANAGED
    ] = None
    resumed_by: Annotated[str | None, doc("Who, by id."), MANAGED] = None
    tenant_id: PrivateTo = None


__all__ = ["FailoverHold"]
