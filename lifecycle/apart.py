"""Many things are written in one commit, and apart when that is refused: what is wrong with one is nobody else's matter.

A commit may be refused for one of the things in it, or because all of them together are too much. Either way halves of it
are tried, and halves of those, until what is refused is refused alone: it is told and left out, and all others are written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from graph.refusal import Refusal, Unavailable

T = TypeVar("T")


async def written_apart(
    items: Sequence[T],
    *,
    write: Callable[[Sequence[T]], Awaitable[object]],
    refused: Callable[[T, Refusal], None],
) -> None:
    """Has things written, together where that is taken; `refused` is told of each that is refused alone.

    Raises Unavailable: the rest is not written, and what is may be written again.
    """
    if not items:
        return
    try:
        await write(items)
    except Unavailable:
        raise
    except Refusal as refusal:
        if len(items) == 1:
            refused(items[0], refusal)
            return
        half = len(items) // 2
        await written_apart(items[:half], write=write, refused=refused)
        await written_apart(items[half:], write=write, refused=refused)
