"""Dry runs: where a deployment would run, what a drain or a rebalance would move, on the graph or on a supposed one.

They are decided by the same code as the real thing and write nothing. What is laid over the graph for it is gone when the
answer is given.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from drivers.registry import DriverRegistry
from graph.edit import Edit
from graph.kinds import Tenant
from graph.kinds.policy import MAX_WEIGHT
from graph.kinds.what_if import Change
from graph.ledger import Ledger
from graph.refusal import AlreadyExists, InvalidInput, NotFound
from graph.view import Reader, View, get_as
from lifecycle.components import components_of
from lifecycle.decisions import Decisions, choose_for_wish
from lifecycle.deployments import Chosen, Visible, create_deployment
from lifecycle.placing import Filing
from lifecycle.plans_drain import drain_plan, drain_target
from lifecycle.plans_moving import MAX_STEPS, MovePlan
from lifecycle.plans_rebalance import Rebalancing, rebalance_plan
from lifecycle.values_checking import check_values
from lifecycle.what_if_graph import SupposedGraph, open_on
from lifecycle.wishes import Wish, seen_deployment, seen_version
from placement.projection import Projection

A = TypeVar("A")


class DryRuns:
    """Answers what would be."""

    def __init__(
        self,
        ledger: Ledger,
        projection: Projection,
        decisions: Decisions,
        drivers: DriverRegistry,
        *,
        at_once: int,
    ) -> None:
        """`projection` follows the ledger's view; `at_once`: how many are made on supposed graphs at the same time."""
        self._ledger = ledger
        self._projection = projection
        self._decisions = decisions
        self._drivers = drivers
        self._turn = asyncio.Semaphore(at_once)

    async def on(
        self,
        changes: Sequence[Change],
        ask: Callable[[SupposedGraph], Awaitable[A]],
        *,
        visible: Visible,
        path: str = "whatIf",
    ) -> A:
        """What is answered on the graph with changes over it, when it is this one's turn. Raises as `what_if.supposed`."""
        async with self._turn:
            view, projection = self._ledger.view, self._projection
            with open_on(view, projection, changes, visible=visible, drivers=self._drivers, path=path) as graph:
                return await ask(graph)

    async def deployment(
        self,
        wish: Wish,
        *,
        visible: Visible,
        replaces: str | None = None,
        changes: Sequence[Change] = (),
        bound: bool = False,
        replaces_path: str = "deployment",
        path: str = "input",
        changes_path: str = "whatIf",
    ) -> Chosen:
        """Where a wish would run and why.

        `replaces`: a deployment whose place it would take. `bound`: as in `Placing.choose`.
        Raises NotFound, AlreadyExists, InvalidInput, LimitExceeded or InvalidState.
        """
        reader = visible(self._ledger.view)
        if replaces is None:
            _check_new(self._ledger.view, wish, path=path)
        elif seen_deployment(reader, replaces, path=replaces_path).tenant_id != wish.tenant_id:
            raise InvalidInput(
                "a deployment is replaced within its tenant", remedy="name one of it", path=replaces_path
            )
        if not changes:
            chosen = await self._decisions.for_wish(
                reader, wish, excluding=replaces, filing=Filing.NONE, bound=bound, path=path
            )
            _check_values(reader, wish, chosen, path=path)
            return chosen

        async def choose(graph: SupposedGraph) -> Chosen:
            chosen = await choose_for_wish(
                graph.placing, graph.reader, wish, excluding=replaces, filing=Filing.NONE, bound=bound, path=path
            )
            _check_values(graph.reader, wish, chosen, path=path)
            return chosen

        return await self.on(changes, choose, visible=visible, path=changes_path)

    async def drain(
        self,
        target_id: str,
        *,
        visible: Visible,
        changes: Sequence[Change] = (),
        first: int = MAX_STEPS,
        after: str | None = None,
        path: str = "input",
        changes_path: str = "whatIf",
    ) -> MovePlan:
        """What draining a site or node would do to the deployments there that the asker sees, a page of them.

        Raises NotFound, InvalidInput or LimitExceeded.
        """
        _check_page(first, path=path)
        drain_target(visible(self._ledger.view), target_id, path=f"{path}.id")
        plan = await self.on(
            changes,
            lambda graph: drain_plan(graph, target_id, first=first, after=after, path=f"{path}.id"),
            visible=visible,
            path=changes_path,
        )
        return dataclasses.replace(plan, changes=tuple(changes))

    async def rebalance(
        self,
        wanted: Rebalancing,
        *,
        visible: Visible,
        changes: Sequence[Change] = (),
        path: str = "input",
        changes_path: str = "whatIf",
    ) -> MovePlan:
        """What placing a tenant's deployments anew would change, with a price for each move; a page of them.

        Raises NotFound, InvalidInput or LimitExceeded.
        """
        _check_page(wanted.first, path=path)
        if get_as(self._ledger.view, Tenant, wanted.tenant_id) is None:
            raise NotFound("Tenant", wanted.tenant_id, path=f"{path}.tenantId")
        if wanted.move_penalty is not None and not 0 <= wanted.move_penalty <= MAX_WEIGHT:
            raise InvalidInput(
                f"a move costs 0 to {MAX_WEIGHT:,.0f}", remedy="give a number in that range", path=f"{path}.movePenalty"
            )
        if wanted.max_moves is not None and wanted.max_moves < 0:
            raise InvalidInput("there are no moves or more", remedy="give 0 or more", path=f"{path}.maxMoves")
        plan = await self.on(
            changes, lambda graph: rebalance_plan(graph, wanted, path=path), visible=visible, path=changes_path
        )
        return dataclasses.replace(plan, changes=tuple(changes))


def _check_new(view: View, wish: Wish, *, path: str) -> None:
    """Raises what deploying it would raise of its tenant, names and labels."""
    try:
        create_deployment(Edit(view, at=view.at), wish, path=path)
    except AlreadyExists as taken:
        taken.remedy = "choose another name, or give the deployment that it would replace"
        raise


def _check_values(reader: Reader, wish: Wish, chosen: Chosen, *, path: str) -> None:
    """Raises what deploying it would raise of its profile and overrides at the sites that were chosen."""
    decision = chosen.decision
    check_values(
        reader,
        components_of(reader, seen_version(reader, wish.app_version_id)),
        profile_id=wish.profile_id,
        overrides=wish.overrides,
        placements=decision.placements if decision.feasible else None,
        path=f"{path}.overrides",
    )


def _check_page(first: int, *, path: str) -> None:
    if not 1 <= first <= MAX_STEPS:
        raise InvalidInput(
            f"first is {first}, a page of a plan has 1 to {MAX_STEPS} deployments",
            remedy=f"ask for 1 to {MAX_STEPS}, and go on after the last",
            path=f"{path}.first",
        )
