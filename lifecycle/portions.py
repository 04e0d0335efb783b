"""Work cut to commits: each takes a bounded number of changes and of bytes, and a release may have a thousand replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from graph.change import encode_entity
from graph.entity import Entity

T = TypeVar("T")
CHANGES_PER_COMMIT = 2_000
"""Well below what a commit takes, so that a large report does not hold up the others' commits for long."""
BYTES_A_CHANGE = 1_024
"""So much of what is written weighs as much as a change: a commit is then far below the bytes that it may have, too."""


def portions(items: Iterable[T], *, weight: Callable[[T], int], limit: int = CHANGES_PER_COMMIT) -> Iterator[list[T]]:
    """The items in order, in lists whose weights add up to at most the limit; one that is heavier comes alone."""
    portion: list[T] = []
    total = 0
    for item in items:
        heavy = weight(item)
        if portion and total + heavy > limit:
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += heavy
    if portion:
        yield portion


def weight_of_change(entity: Entity | None, *, more_bytes: int = 0) -> int:
    """What the change of an entity weighs, in changes: it is written as it was and as it is, with `more_bytes` by then."""
    there = 0 if entity is None else len(encode_entity(entity))
    return max(1, (2 * there + more_bytes) // BYTES_A_CHANGE)
