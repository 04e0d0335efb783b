"""What people say to failover: that nothing runs at a place any more, and that moves go on after a mass loss."""

from __future__ import annotations

from functools import partial

from graph.kinds import FailoverHold, Node, Site
from graph.ledger import Ledger
from graph.request import Committed, Request
from lifecycle.decisions import Remember
from lifecycle.deployments import Visible
from lifecycle.fencing import fence
from lifecycle.mass_loss import resume


class FailoverVerbs:
    """Of one lifecycle."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def fence(
        self,
        entity_id: str,
        request: Request,
        *,
        visible: Visible,
        remember: Remember[Site | Node] | None = None,
    ) -> Committed[Site | Node]:
        """Takes in somebody's word that nothing runs at a site or node that does not answer.

        Raises NotFound or InvalidState.
        """
        change = partial(fence, entity_id=entity_id, visible=visible, author=request.author)
        return await self._ledger.commit(change, request, remember=remember)

    async def resume(
        self, hold_id: str, lost_sites: int, request: Request, *, remember: Remember[FailoverHold] | None = None
    ) -> Committed[FailoverHold]:
        """Has automatic moves go on after a mass loss, by somebody who knows how many sites are lost.

        Raises NotFound or InvalidState.
        """
        change = partial(resume, hold_id=hold_id, lost=lost_sites, author=request.author)
        return await self._ledger.commit(change, request, remember=remember)
