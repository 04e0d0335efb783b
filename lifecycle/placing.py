"""Decisions on a value of the graph, in a thread: placement may take long and must not hold the event loop.

The problem is taken from the view on the loop, whole and immutable; deciding and encoding happen in a thread, at most a few
at once, and end with whoever waits for them. Whether the decision still holds is checked at head when it is committed.

Most decisions are only looked at, a page at a time. Words for every site, and the JSON of them, take several times as long
as deciding does, so they are made of what is to be filed alone.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from drivers.registry import DriverRegistry
from graph.kinds import Component, Deployment, SiteReplicas
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.paths import Network
from graph.view import Reader, get_as
from lifecycle.adjusting import AskedApart, adjustments_here, asked_apart, with_adjusted
from lifecycle.autoscaled import with_scaled
from lifecycle.deployments import Chosen
from lifecycle.in_thread import in_thread
from lifecycle.indulgence import NONE, Blemished, Indulgent
from placement.bounding import bounded
from placement.decision import Decision
from placement.engine import decide
from placement.filed_decision import filed
from placement.holding import held_to
from placement.problem import Problem, problem_from
from placement.projection import Projection
from placement.solve.model import Limits
from placement.stopping import Stop
from placement.verdict import Verdict

P = TypeVar("P")
A = TypeVar("A")


SUPPOSED = "decision_supposed"
"""What stands for the record of a decision where none is filed."""


class Filing(enum.Enum):
    """Of which decisions the JSON that is filed is made."""

    NONE = "NONE"
    """They are only looked at."""
    FEASIBLE = "FEASIBLE"
    EVERY = "EVERY"
    """Also of those that are not feasible: of what then waits to be placed."""


class Placing:
    """Makes decisions for the lifecycle."""

    def __init__(
        self, projection: Projection, drivers: DriverRegistry, *, at_once: int, supposed: bool = False
    ) -> None:
        """`supposed`: the graph is one that is only supposed, and nothing is filed in it."""
        self._projection = projection
        self._drivers = drivers
        self._supposed = supposed
        self._turn = asyncio.Semaphore(at_once)

    def on(self, reader: Reader) -> Placing:
        """What decides on another graph, of which nothing is known yet; it keeps as much for itself."""
        projection = Projection(reader, kept_bytes=self._projection.outlooks.shelf.most_bytes)
        return Placing(projection, self._drivers, at_once=1)

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
        filing: Filing = Filing.FEASIBLE,
        bound: bool = False,
        adjustments: Sequence[SiteReplicas] | None = None,
        scaled: bool = True,
        path: str = "input",
    ) -> Chosen:
        """A decision on the graph as it is now. Cancelled it ends when its thread has, which is soon.

        `deployment_labels`: those that the deployment is to have; None: those that it has in the graph.
        `stay_at`: by the name of a component the sites to stay at; only if that cannot be, and with `or_move`, the whole
        policy is looked at. `indulging`: what of the deployment's own infrastructure is taken to be in order.
        `bound`: whether to find out how far it is from the best at most, where deciding does not tell; that takes seconds.
        `adjustments`: replicas at single sites, for which the policy's highest price holds too; None: those that the
        deployment which is left out has where it is to stay. `scaled`: whether the numbers that its scaling policies gave to
        sites hold where none is given.
        Raises InvalidInput or NotFound that name what is wrong with the policy.
        """
        pose = partial(
            self.problem,
            reader,
            tenant_id=tenant_id,
            excluding_deployment_id=excluding_deployment_id,
            deployment_labels=deployment_labels,
            indulging=indulging,
            path=path,
        )
        asked_for = adjustments is not None
        if adjustments is None:
            before = get_as(reader, Deployment, excluding_deployment_id)
            adjustments = adjustments_here(self._projection.reader, before) if before is not None else ()
        if scaled:
            adjustments = with_scaled(
                self._projection.reader, excluding_deployment_id, adjustments, policy=policy, replicas=replicas
            )
        async with self._turn:
            problem = pose(components=components, policy=policy, replicas=replicas)
            work = partial(self._choose, problem, stay_at, or_move=or_move, filing=filing, bound=bound)
            chosen = await in_thread(work)
            whole = AskedApart(components, policy, replicas)
            return await self._adjusted(chosen, adjustments, whole, pose, filing=filing, ceiling=asked_for)

    def network(self) -> Network:
        """All links of the graph as it is now."""
        return self._projection.links.network(self._projection.reader)

    async def adjusted(
        self, reader: Reader, chosen: Chosen, deployment: Deployment, asked: AskedApart, *, indulging: Blemished = NONE
    ) -> Chosen:
        """A decision that was made together with others, with the numbers that some of its sites have of their own."""
        adjustments = with_scaled(
            self._projection.reader,
            deployment.id,
            adjustments_here(self._projection.reader, deployment),
            policy=asked.policy,
            replicas=asked.replicas,
        )
        if not adjustments:
            return chosen
        pose = partial(
            self.problem,
            reader,
            tenant_id=deployment.tenant_id,
            excluding_deployment_id=deployment.id,
            indulging=indulging,
        )
        async with self._turn:
            return await self._adjusted(chosen, adjustments, asked, pose, filing=Filing.FEASIBLE, ceiling=False)

    async def _adjusted(
        self,
        chosen: Chosen,
        adjustments: Sequence[SiteReplicas],
        asked: AskedApart,
        pose: Callable[..., Problem],
        *,
        filing: Filing,
        ceiling: bool,
    ) -> Chosen:
        """The decision with the numbers of single sites. `ceiling`: whether they are what is asked for, so that the policy's
        highest price is held against them; what only has to go on somewhere keeps its numbers."""
        verdict = chosen.decision
        if not adjustments or not verdict.feasible:
            return chosen
        assert isinstance(verdict, Verdict), "it was just made"
        problems = [
            pose(components=one.components, policy=one.policy, replicas=one.replicas)
            for one in asked_apart(verdict, adjustments=adjustments, asked=asked)
        ]
        if not problems:
            return chosen

        def put_in(stop: Stop) -> Chosen:
            apart = [decide(one, limits=Limits(stop=stop)) for one in problems]
            return self.chosen(with_adjusted(verdict, apart, ceiling=ceiling), filing=filing, stop=stop)

        return await in_thread(put_in)

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
            # A site's components go through one cluster, so its driver takes them all.
            drivers=self._drivers.taking({one.artifact.type for one in components}),
            path=path,
        )

    async def decided(self, problems: Callable[[], Awaitable[P]], decide: Callable[[P, Stop], A]) -> A:
        """What is decided of problems that are made when it is this one's turn, in a thread."""
        async with self._turn:
            return await in_thread(partial(decide, await problems()))

    async def told(self, words: Callable[[Stop], A]) -> A:
        """What is made of decisions, such as their words, when it is this one's turn, in a thread."""
        async with self._turn:
            return await in_thread(words)

    def chosen(self, decision: Decision, *, filing: Filing = Filing.FEASIBLE, stop: Stop | None = None) -> Chosen:
        """A decision with the JSON that is filed of it, if it is. For a thread. Raises Stopped."""
        if self._supposed:
            return Chosen(decision=decision, record_id=SUPPOSED)
        wanted = filing is Filing.EVERY or (filing is Filing.FEASIBLE and decision.feasible)
        return Chosen(decision=decision, body=filed(decision, stop=stop) if wanted else None)

    def filing(self, decision: Decision, stop: Stop) -> Chosen:
        """A decision with the JSON that is filed of it, whatever it came to. For a thread. Raises Stopped."""
        return self.chosen(decision, filing=Filing.EVERY, stop=stop)

    def _choose(
        self,
        problem: Problem,
        stay_at: Mapping[str, Collection[str]] | None,
        stop: Stop,
        *,
        or_move: bool,
        filing: Filing,
        bound: bool,
    ) -> Chosen:
        limits = Limits(stop=stop)
        found: Verdict | None = None
        if stay_at:
            found = decide(held_to(problem, stay_at), limits=limits)
        if found is None or (not found.feasible and or_move):
            found = decide(problem, limits=limits)
        return self.chosen(bounded(found, stop=stop) if bound else found, filing=filing, stop=stop)


def without(policy: PlacementPolicy, site_id: str) -> PlacementPolicy:
    """The policy without one site."""
    excluded = [*policy.sites.excluded_site_ids, site_id]
    sites: SiteSelector = msgspec.structs.replace(policy.sites, excluded_site_ids=list(dict.fromkeys(excluded)))
    return msgspec.structs.replace(policy, sites=sites)
