"""The least revision that a read asks for, and the epoch in which that revision has its meaning.

A revision alone is misread after a restore: the number that a client was told is then another commit's, or one that is
still to come. So a read takes the epoch beside it and refuses one that is not the graph's, before it waits and again after,
for a graph may be restored while somebody waits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import strawberry

from resolvers.context import Context
from resolvers.problems import EpochChanged, RevisionNotReached

UNSET = strawberry.UNSET
REVISION_WAIT_S = 5.0
AT_LEAST: dict[str, tuple[str, Any, str]] = {
    "at_least_revision": (
        "Optional[BigInt]",
        UNSET,
        "Waits up to 5 s until the graph has this revision: read your own writes.",
    ),
    "epoch": (
        "Optional[str]",
        UNSET,
        "The epoch that the revision is of, as a payload has it. Another than the graph's is refused: EPOCH_CHANGED.",
    ),
}
"""The arguments by which a read asks for a minimum revision."""


class AtLeast(NamedTuple):
    """What a read asked for; None: nothing in particular."""

    revision: int | None
    epoch: str | None


def taken(arguments: dict[str, Any]) -> AtLeast | None:
    """The minimum revision, taken out of a field's arguments; None when the field may be answered at once."""
    revision = arguments.pop("at_least_revision", None)
    epoch = arguments.pop("epoch", None)
    if revision in (None, UNSET) and epoch in (None, UNSET):
        return None
    return AtLeast(None if revision is UNSET else revision, None if epoch is UNSET else epoch)


async def reach(context: Context, wanted: AtLeast | None) -> None:
    """Waits at most 5 s until the view has a revision. Raises EpochChanged or RevisionNotReached."""
    if wanted is None:
        return
    ledger = context.services.ledger
    epoch = ledger.view.epoch if wanted.epoch is None else wanted.epoch
    _same_epoch(context, epoch)
    if wanted.revision is None:
        return
    reached = await ledger.wait_for(wanted.revision, timeout_s=REVISION_WAIT_S)
    _same_epoch(context, epoch)
    if not reached:
        view = ledger.view
        raise RevisionNotReached(asked=wanted.revision, reached=view.revision, epoch=view.epoch)


def _same_epoch(context: Context, epoch: str) -> None:
    view = context.services.ledger.view
    if view.epoch != epoch:
        raise EpochChanged(epoch=view.epoch, revision=view.revision)
