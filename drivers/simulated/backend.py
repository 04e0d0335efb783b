"""A connection to a simulated cluster: the world, seen through its delays, failures and outages.

There is no task a site: a site that nobody calls costs one hash a look, and only when outages are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drivers.clock import first_of
from drivers.port import (
    NO_ANSWER,
    Applied,
    ClusterAccess,
    Condition,
    Cursor,
    Observation,
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    Unreachable,
)
from drivers.simulated.faults import Fault, draws, fault_of, is_away
from drivers.simulated.settings import SimulatedSettings
from drivers.simulated.world import World
from graph.kinds import InstanceStatus


class SimulatedBackend:
    """What `drivers.port.Backend` asks for, over a `World`."""

    def __init__(self, access: ClusterAccess, settings: SimulatedSettings, world: World) -> None:
        self._access = access
        self._clock = access.clock
        self._settings = settings
        self._world = world
        self._away_sites = frozenset(settings.away_sites)
        self._away_nodes = frozenset(settings.away_nodes)
        self._failing_sites = frozenset(settings.failing_sites)
        self._stamp: int | None = None
        self._sites: Mapping[str, str] = {}
        self._nodes: Mapping[str, tuple[str, str]] = {}
        self._unseen: frozenset[str] = frozenset()
        self._site_conditions: dict[str, Condition] = {}
        self._node_conditions: dict[str, Condition] = {}
        self._look_due = float("-inf")

    async def ensure(self, work: ReleaseWork) -> Applied:
        """As the port says, through the site's faults."""
        fault = await self._call(work.site_id, work.site)
        if work.artifact.reference in self._settings.rejected_references:
            raise Permanent(f"{work.artifact.reference} cannot be fetched: the reference is rejected")
        now = self._clock.now_ms()
        changed, observed = await self._world.apply(
            work,
            now=now,
            ready_at=self._ready_at(work.name, work.generation, work.replicas),
            nodes=self._access.inventory.nodes_at(work.site_id),
        )
        if fault.reply_lost:
            raise Unreachable(f"the reply of site {work.site} was lost")
        return Applied(changed=changed, observed=observed)

    async def remove(self, work: RemovalWork) -> Removed:
        """As the port says, through the site's faults."""
        fault = await self._call(work.site_id, work.site)
        await self._world.remove(work)
        if fault.reply_lost:
            raise Unreachable(f"the reply of site {work.site} was lost")
        return Removed(gone=True)

    async def observe(self, *, after: Cursor | None) -> Observation:
        """As the port says; waits for a change for at most `observeEveryMs`."""
        if after is not None and after.history == self._world.history:
            await self._wait(after.version)
            since = after.version
        else:
            since = -1
        now = self._clock.now_ms()
        self._world.mature(now)
        if self._clock.monotonic() >= self._look_due:
            await self._world.reschedule(
                nodes_at=self._access.inventory.nodes_at,
                ready_at=lambda one: self._ready_at(one.name, one.generation, one.replicas),
            )
        told_sites, told_nodes = self._site_conditions, self._node_conditions
        self._look()
        complete = since < 0
        observation = Observation(
            cursor=Cursor(self._world.history, self._world.version),
            complete=complete,
            releases=[
                self._as_seen(one)
                for one in self._world.observed(since=since, now=now)
                if one.site_id not in self._unseen
            ],
            gone={} if complete else dict(self._world.gone(since=since)),
            unseen_sites=self._unseen,
            sites=self._site_conditions if complete else _changed(told_sites, self._site_conditions),
            nodes=self._node_conditions if complete else _changed(told_nodes, self._node_conditions),
        )
        # What is reported is in the journal first, so that no kill makes it untrue.
        await self._world.journal.flushed()
        return observation

    def _as_seen(self, found: ObservedRelease) -> ObservedRelease:
        """The object without what runs on nodes that are away: nobody knows how that is."""
        if not self._away_nodes or all(self._node_answers(one.node_id) for one in found.instances):
            return found
        instances = [
            one
            if self._node_answers(one.node_id)
            else msgspec.structs.replace(one, status=InstanceStatus.UNKNOWN, message=NODE_AWAY.reason)
            for one in found.instances
        ]
        running = sum(one.status is InstanceStatus.RUNNING for one in instances)
        return msgspec.structs.replace(
            found,
            instances=instances,
            ready_replicas=running,
            message=f"{running} of {found.replicas} replicas are ready",
        )

    def _node_answers(self, node_id: str | None) -> bool:
        name, _ = self._nodes.get(node_id or "", ("", ""))
        return node_id not in self._away_nodes and name not in self._away_nodes

    async def _call(self, site_id: str, site: str) -> Fault:
        fault = fault_of(self._settings, site, self._world.next_call(site_id))
        if fault.delay_ms:
            await self._clock.sleep(fault.delay_ms / 1000)
        if fault.away or site_id in self._away_sites or site in self._away_sites:
            raise Unreachable(f"site {site} does not answer")
        if fault.refused or site_id in self._failing_sites or site in self._failing_sites:
            raise Retryable(f"site {site} refused the call for now")
        return fault

    def _ready_at(self, name: str, generation: int, replicas: int) -> list[int]:
        """When each of an object's replicas will be ready if it is put on its node now."""
        settings, now = self._settings, self._clock.now_ms()
        return [
            now
            + int(
                settings.ready_after_ms
                + settings.ready_jitter_ms * draws(settings.seed, name, generation * 1_000 + index, "ready")[0]
            )
            for index in range(replicas)
        ]

    async def _wait(self, version: int) -> None:
        """Until the world has changed since the version, a replica is ready, or it is time to look at the sites."""
        while True:
            self._world.mature(self._clock.now_ms())
            rest = self._look_due - self._clock.monotonic()
            if self._world.version > version or rest <= 0:
                return
            due = self._world.next_maturing()
            if due is not None:
                rest = min(rest, (due - self._clock.now_ms()) / 1000)
            sleep = self._clock.sleep(max(rest, 0.001))
            await first_of(self._world.changed(), sleep)

    def _look(self) -> None:
        """Reads the inventory when it changed and, when it is time, looks at each site: that is a call to it.

        Conditions are made anew only when something can have changed: they are 100,000 in a large network.
        """
        stamp = self._access.inventory.stamp
        changed = stamp != self._stamp
        if changed:
            self._stamp = stamp
            self._sites = dict(self._access.inventory.sites())
            self._nodes = dict(self._access.inventory.nodes())
        now = self._clock.monotonic()
        if now >= self._look_due:
            self._look_due = now + self._settings.observe_every_ms / 1000
            if self._settings.outage_rate:
                for site in self._sites:
                    self._world.next_call(site)
                changed = True
        if not changed:
            return
        unseen = frozenset(site for site, name in self._sites.items() if self._away(site, name))
        self._unseen = unseen
        self._site_conditions = {site: AWAY if site in unseen else READY for site in self._sites}
        self._node_conditions = {
            node: self._node_condition(node, name, site) for node, (name, site) in self._nodes.items()
        }

    def _away(self, site_id: str, name: str) -> bool:
        if site_id in self._away_sites or name in self._away_sites:
            return True
        return is_away(self._settings, name, max(self._world.calls.get(site_id, 0) - 1, 0))

    def _node_condition(self, node_id: str, name: str, site_id: str) -> Condition:
        if node_id in self._away_nodes or name in self._away_nodes:
            return NODE_AWAY
        return SITE_AWAY if site_id in self._unseen else READY


READY = Condition(True)
AWAY = Condition(False, NO_ANSWER)
NODE_AWAY = Condition(False, "the node does not answer")
SITE_AWAY = Condition(False, "its site does not answer")


def _changed(before: Mapping[str, Condition], now: Mapping[str, Condition]) -> dict[str, Condition]:
    if before is now:
        return {}
    return {key: value for key, value in now.items() if before.get(key) != value}
