"""The loop that keeps replicas at what is measured: a round every few seconds, each worker for the sites of its share.

A round measures, works out, looks for room and commits, and remembers what was asked for: that is what the windows look
back on. The memory is the process's own. A process that starts, or takes sites over from another, begins its windows
with what runs, so for as long as a window lasts it takes nothing away on the strength of what it has not seen itself; which
changes were made lately it reads from the graph, so that no step is taken twice.

Times within a process are by its monotonic clock: a clock that is set does not scale anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from drivers.clock import Clock
from graph.kinds import ScaleChange, ScalingLimit, ScalingMetric, ScalingPolicy, SiteScaling
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import get_as
from lifecycle.apart import written_apart
from lifecycle.autoscaling_index import Scaled
from lifecycle.autoscaling_pace import Asked, longest_window_s, paced, recent_changes
from lifecycle.autoscaling_rooms import Room, rooms_for
from lifecycle.autoscaling_rule import recommended
from lifecycle.autoscaling_samples import Reading, Sampler
from lifecycle.autoscaling_targets import Target
from lifecycle.connections import Connection
from lifecycle.freed_room import FreedRoom
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.placing import Placing
from lifecycle.portions import portions
from lifecycle.prometheus import Prometheus
from lifecycle.requests import own_request
from lifecycle.rescaling import Judged, differs, drop_standings, scale_sites
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.autoscale")
WEIGHT = 8
"""About how many changes it takes to write one site."""
LOOKS_AT_LEAST = 24
"""Fewer would find nothing: halving a thousand replicas takes ten, and ten thousand sites fourteen."""
AT_A_TIME = 500
"""Of so many sites it is worked out what they are to have before others have their turn."""
REFRESH_MS = 60_000
"""A value that has moved, or the words of a limit, are written again after so long, also when nothing else has changed."""
Key = tuple[str, str]


@dataclass(slots=True)
class Remembered:
    """What a process remembers of a target; times are milliseconds of its monotonic clock."""

    asked: list[Asked]
    changes: list[ScaleChange]
    no_room: int | None = None
    """The number for which there was no room."""
    no_room_until: int = 0
    no_room_why: str | None = None
    looked: int = 0
    """The round in which it was looked for room last."""


class Autoscaler:
    """Scales the components that have a policy. A worker of the lifecycle."""

    def __init__(
        self,
        ledger: Ledger,
        placing: Placing,
        connections: Mapping[str, Connection],
        *,
        settings: LifecycleSettings,
        clock: Clock,
        share: Share | None = None,
        endpoints: Sequence[MetricsEndpoint] = (),
    ) -> None:
        """`connections` are the clusters that this process talks to, `endpoints` the metrics servers that were declared."""
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._clock = clock
        self._share = share or Share()
        self._prometheus = Prometheus(endpoints, timeout_s=settings.samples_timeout_s)
        self._sampler = Sampler(
            connections,
            view=lambda: ledger.view,
            prometheus=self._prometheus,
            settings=settings,
            clock=clock,
            now_ms=ledger.now_ms,
        )
        self._memory: dict[Key, Remembered] = {}
        self._scaled = Scaled(ledger.view)
        ledger.view.follow(self._scaled)
        self._freed = FreedRoom(ledger.view)
        ledger.view.follow(self._freed)
        self._rounds = 0
        self._looked: dict[str, int] = {}
        """By deployment the round in which it was looked for room last."""

    async def run(self) -> None:
        """Works until it is cancelled; a store that is away is tried again in the next round."""
        try:
            while True:
                await self._clock.sleep(self._settings.scaling_every_s)
                try:
                    await self.once()
                except Unavailable as problem:
                    log.info("autoscaling.waits", reason=str(problem))
        finally:
            await self._prometheus.close()

    async def once(self) -> int:
        """One round; says how many sites got another number. Raises Unavailable."""
        self._rounds += 1
        targets = self._scaled.targets(self._share)
        self._memory = {one.key: self._remembered(one) for one in targets}
        left = self._freed.take_sites()
        for one in targets:
            if one.release.site_id in left:
                self._memory[one.key].no_room_until = 0
        readings = await self._sampler.read([one for one in targets if one.held is None])
        judged: dict[str, list[Judged]] = {}
        for nth, one in enumerate(targets):
            if nth % AT_A_TIME == AT_A_TIME - 1:
                await asyncio.sleep(0)
            found = self._judged(one, readings.get(one.key))
            if found is not None:
                judged.setdefault(one.deployment.id, []).append(found)
        changed = await self._scale(judged)
        self._freed.awaited = any(one.no_room is not None for one in self._memory.values())
        for some in portions(self._scaled.left_behind(self._share), weight=lambda _: 1):
            await written_apart(
                some,
                write=self._drop,
                refused=lambda one, refusal: log.warning(
                    "autoscaling.not_dropped", standing=one, reason=refusal.message
                ),
            )
        return changed

    async def _drop(self, standing_ids: Sequence[str]) -> None:
        await self._ledger.commit(partial(drop_standings, standing_ids=standing_ids), REQUEST)

    async def _scale(self, judged: Mapping[str, Sequence[Judged]]) -> int:
        """Looks for room and writes, deployment by deployment; those that were looked at longest ago come first.

        Each has its part of the looks that a round has, or as many as it takes to find anything: one that is full everywhere
        leaves the others theirs.
        """
        self._looked = {one: self._looked.get(one, 0) for one in judged}
        wanting = sum(any(one.adds for one in found) for found in judged.values())
        left, changed = self._settings.scaling_looks, 0
        for deployment_id in sorted(judged, key=lambda one: (self._looked[one], one)):
            found, looks = judged[deployment_id], 0
            if any(one.adds for one in found):
                looks = min(left, max(-(-left // wanting), LOOKS_AT_LEAST))
                wanting -= 1
            try:
                found, spent = await self._with_room(found, looks=looks)
                left -= spent
                if spent:
                    self._looked[deployment_id] = self._rounds
                for part in portions([one for one in found if self._is_news(one)], weight=lambda _: WEIGHT):
                    changed += await self._write(deployment_id, part)
            except Unavailable:
                raise
            except Exception:  # a bug that one deployment meets is no reason to scale none
                log.exception("autoscaling.failed", deployment=deployment_id)
        return changed

    # What is to be

    def _judged(self, target: Target, reading: Reading | None) -> Judged | None:
        """What comes of a target, whatever room there is; None when nothing is known of it yet, which is no news."""
        current = target.release.replicas
        if reading is None:
            return Judged(target, current, None, None, ScalingLimit.HELD, target.held)
        policy = target.policy
        if not policy.min_replicas <= current <= policy.max_replicas:
            return self._paced(target, wanted=current, value=None)
        if reading.measured is None:
            if reading.stale_for_s is None:
                return None
            limit, why = ScalingLimit.NO_SAMPLES, reading.why
            return Judged(target, current, None, None, limit, why, stale_for_s=reading.stale_for_s)
        value = reading.measured.value(current=current)
        wanted = recommended(
            reading.measured, current=current, target=policy.target, busy=busy(policy), tolerance=policy.tolerance
        )
        if wanted is None:
            return None
        return self._paced(target, wanted=wanted, value=value)

    def _paced(self, target: Target, *, wanted: int, value: float | None) -> Judged:
        memory, now = self._memory[target.key], self._now()
        found = paced(
            target.policy,
            wanted=wanted,
            current=target.release.replicas,
            asked=memory.asked,
            changes=memory.changes,
            now_ms=now,
        )
        kept_from = now - longest_window_s(target.policy) * 1000
        memory.asked = [one for one in memory.asked if one.at_ms > kept_from]
        memory.asked.append(Asked(now, wanted))
        return Judged(target, found.replicas, found.desired, value, found.limited_by)

    async def _with_room(self, judged: Sequence[Judged], *, looks: int) -> tuple[list[Judged], int]:
        """What was found for sites of a deployment, where more replicas are wanted with as many as have room.

        Takes so many looks at most, and says how many it took. What was not looked at is left out: it is as it was.
        """
        now = self._now()
        wanted = [(one.target, one.replicas) for one in judged if one.adds and not self._is_full(one.target, now)]
        wanted.sort(key=lambda one: (self._memory[one[0].key].looked, one[0].key))
        rooms = await rooms_for(self._placing, self._ledger.view, wanted, staying=self._scaled.staying, looks=looks)
        asked = {one.key for one, _ in wanted}
        found = []
        for one in judged:
            room = rooms.by_key.get(one.target.key)
            if not one.adds:
                found.append(one)
            elif room is not None or one.target.key not in asked:
                found.append(self._as_room(one, room, now))
        return found, rooms.looks

    def _is_full(self, target: Target, now: int) -> bool:
        """Whether there was no room for one more a moment ago."""
        memory = self._memory[target.key]
        return (
            memory.no_room is not None
            and now < memory.no_room_until
            and (memory.no_room <= target.release.replicas + 1)
        )

    def _as_room(self, found: Judged, room: Room | None, now: int) -> Judged:
        memory, current = self._memory[found.target.key], found.target.release.replicas
        if room is None:
            return found._replace(replicas=current, limited_by=ScalingLimit.ROOM, message=memory.no_room_why)
        memory.looked = self._rounds
        if room.why is None:
            memory.no_room = None
            return found._replace(replicas=room.replicas, room=room.placed)
        memory.no_room, memory.no_room_why = room.replicas + 1, room.why
        memory.no_room_until = now + int(self._settings.scaling_room_s * 1000)
        return found._replace(replicas=room.replicas, limited_by=ScalingLimit.ROOM, message=room.why, room=room.placed)

    def _is_news(self, found: Judged) -> bool:
        standing = found.target.standing
        if differs(standing, found):
            return True
        assert standing is not None, "one that is not there differs"
        if self._ledger.now_ms() - standing.updated_at < REFRESH_MS:
            return False
        if found.value is None:
            return standing.message != found.message
        moved = abs(found.value - (standing.value or 0.0)) > found.target.policy.tolerance * found.target.policy.target
        return moved or standing.desired != found.desired or standing.message != found.message

    # What is written

    async def _write(self, deployment_id: str, found: Sequence[Judged]) -> int:
        try:
            committed = await self._ledger.commit(
                partial(scale_sites, deployment_id=deployment_id, found=found), REQUEST
            )
        except Unavailable:
            raise
        except Refusal as refusal:
            log.warning("autoscaling.refused", deployment=deployment_id, reason=refusal.message)
            return 0
        now = self._now()
        for one in committed.value:
            change = ScaleChange(at=now, before=one.target.release.replicas, after=one.replicas)
            self._memory[one.target.key].changes.append(change)
        return len(committed.value)

    # What is remembered

    def _remembered(self, target: Target) -> Remembered:
        now = self._now()
        known = self._memory.get(target.key)
        if known is None:
            known = Remembered(asked=[Asked(now, target.release.replicas)], changes=self._made_before(target.standing))
        known.changes = recent_changes(target.policy, known.changes, now_ms=now)
        return known

    def _made_before(self, standing: SiteScaling | None) -> list[ScaleChange]:
        """What the graph has of changes, in this process's time; what lies ahead of the graph's was made just now."""
        current = get_as(self._ledger.view, SiteScaling, standing.id) if standing is not None else None
        graphs, now = self._ledger.now_ms(), self._now()
        return [
            ScaleChange(at=now - max(graphs - one.at, 0), before=one.before, after=one.after)
            for one in (current.changes if current is not None else ())
        ]

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)


def busy(policy: ScalingPolicy) -> float:
    """What a replica without a sample is taken to have where replicas would be taken away.

    Of CPU all that it asks for, as the Kubernetes controller takes it; of requests the target.
    """
    return max(100.0, policy.target) if policy.metric is ScalingMetric.CPU_UTILIZATION else policy.target
