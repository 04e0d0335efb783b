"""Whether a position is inside a polygon, by counting the edges that a ray from it crosses: no library of geometry."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graph.values import Position


def is_inside(rings: Sequence[Sequence[Position]], where: Position) -> bool:
    """In the outline and in no hole; an edge of either counts as inside."""
    outline, *holes = rings
    return _in_ring(outline, where, edge=True) and not any(_in_ring(one, where, edge=False) for one in holes)


def _in_ring(ring: Sequence[Position], where: Position, *, edge: bool) -> bool:
    x, y, inside = where.longitude, where.latitude, False
    for a, b in pairwise([*ring, ring[0]]):
        across = (b.longitude - a.longitude) * (y - a.latitude) - (b.latitude - a.latitude) * (x - a.longitude)
        along = (x - a.longitude) * (x - b.longitude) + (y - a.latitude) * (y - b.latitude)
        if across == 0 and along <= 0:
            return edge
        if (a.latitude > y) is not (b.latitude > y) and (across > 0) is (b.latitude > a.latitude):
            inside = not inside
    return inside
