"""Work cut to commits: a commit takes a bounded number of changes, and a release may have a thousand replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
CHANGES_PER_COMMIT = 2_000
"""Well below what a commit takes, so that a large report does not hold up the others' commits for long."""


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
