"""Decisions on a value of the graph, in a thread: placement may take long and must not hold the event loop.

The problem is taken from the view on the loop, whole and immutable; deciding and encoding happen in a thread, at most a few
at once. Whether the decision still holds is checked at head when it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from drivers.registry import DriverRegistry
from graph.kinds import Component
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.view import Reader
from lifecycle.deployments import Chosen
from lifecycle.indulgence import NONE, Blemished, Indulgent
from placement.decision import Decision
from placement.engine import decide
from placement.filed_decision import filed
from placement.holding import held_to
from placement.problem import Problem, problem_from
from placement.projection import Projection

P = TypeVar("P")
A = TypeVar("A")


class Placing:
    """Makes decisions for the lifecycle."""

    def __init__(self, projection: Projection, drivers: DriverRegistry, *, at_once: int) -> None:
        self._projection = projection
        self._drivers = drivers
        self._turn = asyncio.Semaphore(at_once)

    async def choose(
        self,
        reader: Reader,
        *,
        components: Sequence[Component],
        policy: PlacementPolicy,
        replicas: Mapping[str, int],
        tenant_id: str,
        excluding_deployment_id: str | None = None,
        deployment_labels: Mapping[str, str] | None = None,
        stay_at: Mapping[str, Collection[str]] | None = None,
        or_move: bool = True,
        indulging: Blemished = NONE,
        path: str = "input",
    ) -> Chosen:
        """A decision on the graph as it is now.

        `deployment_labels`: those that the deployment is to have; None: those that it has in the graph.
        `stay_at`: by the name of a component the sites to stay at; only if that cannot be, and with `or_move`, the whole
        policy is looked at. `indulging`: what of the deployment's own infrastructure is taken to be in order.
        Raises InvalidInput or NotFound that name what is wrong with the policy.
        """
        async with self._turn:
            problem = self.problem(
                reader,
                components=components,
                policy=policy,
                replicas=replicas,
                tenant_id=tenant_id,
                excluding_deployment_id=excluding_deployment_id,
                deployment_labels=deployment_labels,
                indulging=indulging,
                path=path,
            )
            if stay_at:
                chosen = await asyncio.to_thread(_choose, held_to(problem, stay_at))
                if chosen.decision.feasible or not or_move:
                    return chosen
            return await asyncio.to_thread(_choose, problem)

    def problem(
        self,
        reader: Reader,
        *,
        components: Sequence[Component],
        policy: PlacementPolicy,
        replicas: Mapping[str, int],
        tenant_id: str,
        excluding_deployment_id: str | None = None,
        deployment_labels: Mapping[str, str] | None = None,
        indulging: Blemished = NONE,
        path: str = "input",
    ) -> Problem:
        """What is to be decided, on the graph as it is now. Raises as `choose`."""
        projection = self._projection
        if indulging:
            reader, whole = Indulgent(reader, indulging), Indulgent(projection.reader, indulging)
            projection = projection.beside(whole, whole.changes())
        return problem_from(
            reader,
            components=components,
            policy=policy,
            replicas=replicas,
            tenant_id=tenant_id,
            excluding_deployment_id=excluding_deployment_id,
            deployment_labels=deployment_labels,
            projection=projection,
            drivers=self._drivers.names,
            path=path,
        )

    async def decided(self, problems: Callable[[], Awaitable[P]], decide: Callable[[P], A]) -> A:
        """What is decided of problems that are made when it is this one's turn, in a thread."""
        async with self._turn:
            return await asyncio.to_thread(decide, await problems())


def without(policy: PlacementPolicy, site_id: str) -> PlacementPolicy:
    """The policy without one site."""
    excluded = [*policy.sites.excluded_site_ids, site_id]
    sites: SiteSelector = msgspec.structs.replace(policy.sites, excluded_site_ids=list(dict.fromkeys(excluded)))
    return msgspec.structs.replace(policy, sites=sites)


def _choose(problem: Problem) -> Chosen:
    decision: Decision = decide(problem).whole()
    return Chosen(decision=decision, body=filed(decision))
