"""The scaling loop in a test's own hand: its rounds, its clock, and the load that the simulated backend measures."""

from __future__ import annotations

import asyncio
from typing import Any

from drivers.registry import DriverRegistry
from graph.edit import Edit
from graph.kinds import ScalingMetric, ScalingPolicy, SiteScaling
from graph.view import each, get_as
from lifecycle.autoscaler import Autoscaler
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.placing import Placing
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecyclekit.edge import QUICK, Edge
from placement.projection import Projection

EVERY_S = 15.0


def by_requests(edit: Edit, tenant_id: str, deployment_id: str, **fields: Any) -> ScalingPolicy:
    """A policy that has a component follow its requests, a hundred a second for each replica."""
    given: dict[str, Any] = {
        "name": fields["component"],
        "metric": ScalingMetric.REQUESTS_PER_SECOND,
        "target": 100.0,
        **fields,
    }
    return edit.create(ScalingPolicy, tenant_id=tenant_id, deployment_id=deployment_id, **given)


class HandClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return int(1_700_000_000_000 + self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Loop:
    """The loop over an edge; `round` is one of its rounds, 15 s after the last."""

    def __init__(
        self,
        edge: Edge,
        *,
        endpoints: tuple[MetricsEndpoint, ...] = (),
        share: Share | None = None,
        settings: LifecycleSettings = QUICK,
    ) -> None:
        self.edge = edge
        self.clock = HandClock()
        projection = Projection(edge.ledger.view)
        edge.ledger.view.follow(projection)
        self.scaler = Autoscaler(
            edge.ledger,
            Placing(projection, DriverRegistry.of(edge.driver), at_once=1),
            edge.lifecycle.connections,
            settings=settings,
            clock=self.clock,
            share=share,
            endpoints=endpoints,
        )

    async def round(self, times: int = 1, *, every_s: float = EVERY_S) -> int:
        """So many rounds; gives how many sites got another number in them."""
        changed = 0
        for _ in range(times):
            self.clock.seconds += every_s
            await asyncio.sleep(0.002)  # so that the backend's clock, which is real, has moved on
            changed += await self.scaler.once()
        return changed

    async def load(self, number: int = 0, **by_site: float) -> None:
        """Requests a second at sites by name; `every` is any other. The cluster is connected to anew."""
        cluster_id = self.edge.cluster_ids[number]
        connections = self.edge.lifecycle.connections
        before = connections.get(cluster_id)
        loads = [
            {"site": "" if site == "every" else site, "requestsPerSecond": [[0, value]], "cpuMillicoresPerRequest": 5}
            for site, value in sorted(by_site.items(), key=lambda one: one[0] == "every")
        ]
        await self.edge.configure(number, loads=loads)
        await self.edge.until(lambda: connections.get(cluster_id) not in (None, before), what="the connection")

    async def policy(self, deployment_id: str, **fields: Any) -> ScalingPolicy:
        """A policy of `web` by requests, a hundred a replica, from 1 to 10."""
        made: ScalingPolicy = await self.edge.change(
            lambda edit: by_requests(
                edit,
                self.edge.tenant_id,
                deployment_id,
                **{"name": "web", "component": "web", "max_replicas": 10, **fields},
            )
        )
        return made

    async def change(self, policy: ScalingPolicy, **fields: Any) -> None:
        def replace(edit: Any) -> None:
            found = get_as(edit, ScalingPolicy, policy.id)
            assert found is not None
            edit.replace(found, **fields)

        await self.edge.change(replace)

    def standing(self, policy: ScalingPolicy, site: int = 0) -> SiteScaling | None:
        wanted = self.edge.site_ids[site]
        return next(
            (one for one in each(self.edge.view, SiteScaling, "policy_id", policy.id) if one.site_id == wanted), None
        )

    def replicas(self, deployment_id: str) -> dict[str, int]:
        """Wanted replicas by the name of the site."""
        names = {one: f"s{number}" for number, one in enumerate(self.edge.site_ids)}
        return {names[one.site_id]: one.replicas for one in self.edge.releases(deployment_id) if one.wanted}
