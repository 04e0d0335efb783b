"""The loop that keeps replicas at what is measured: a round every few seconds, each worker for the sites of its share.

A round measures, works out, looks for room and commits, and remembers what was asked for: that is what the windows look
back on. The memory is the process's own. A process that starts, or takes sites over from another, begins its windows
with what runs, so for as long as a window lasts it takes nothing away on the strength of what it has not seen itself; which
changes were made lately it reads from the graph, so that no step is taken twice.

Times within a process are by its monotonic clock: a clock that is set does not scale anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from drivers.clock import Clock
from graph.kinds import ScaleChange, ScalingLimit, ScalingMetric, ScalingPolicy, SiteScaling
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import get_as
from lifecycle.autoscaling_pace import Asked, longest_window_s, paced, recent_changes
from lifecycle.autoscaling_rule import recommended
from lifecycle.autoscaling_samples import Reading, Sampler
from lifecycle.autoscaling_targets import Target, left_behind, targets_of
from lifecycle.connections import Connection
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.placing import Placing
from lifecycle.portions import portions
from lifecycle.prometheus import Prometheus
from lifecycle.requests import own_request
from lifecycle.rescaling import Judged, Room, differs, drop_standings, rooms_for, scale_sites
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.autoscale")
WEIGHT = 8
"""About how many changes it takes to write one site."""
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
        )
        self._memory: dict[Key, Remembered] = {}

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
        targets = list(targets_of(self._ledger.view, self._share))
        self._memory = {one.key: self._remembered(one) for one in targets}
        readings = await self._sampler.read([one for one in targets if one.held is None])
        judged: dict[str, list[Judged]] = {}
        for one in targets:
            found = self._judged(one, readings.get(one.key))
            if found is not None:
                judged.setdefault(one.deployment.id, []).append(found)
        changed = 0
        for deployment_id, asked_there in judged.items():
            try:
                found_there = await self._with_room(asked_there)
            except Exception:  # a bug that one deployment meets is no reason to scale none
                log.exception("autoscaling.failed", deployment=deployment_id)
                continue
            for part in portions([one for one in found_there if self._is_news(one)], weight=lambda _: WEIGHT):
                changed += await self._write(deployment_id, part)
        gone = [one.id for one in left_behind(self._ledger.view, self._share)]
        for some in portions(gone, weight=lambda _: 1):
            await self._ledger.commit(partial(drop_standings, standing_ids=some), REQUEST)
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

    async def _with_room(self, judged: Sequence[Judged]) -> list[Judged]:
        """What was found for sites of a deployment, where more replicas are wanted with as many as have room."""
        now = self._now()
        wanted = [
            (one.target, one.replicas)
            for one in judged
            if one.replicas > one.target.release.replicas and not self._is_full(one.target, now)
        ]
        rooms = await rooms_for(self._placing, self._ledger.view, wanted)
        return [
            self._as_room(one, rooms.get(one.target.key), now) if one.replicas > one.target.release.replicas else one
            for one in judged
        ]

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
        if room.replicas == found.replicas:
            memory.no_room = None
            return found._replace(room=room.placed)
        memory.no_room, memory.no_room_why = room.replicas + 1, room.why
        memory.no_room_until = now + int(self._settings.scaling_room_s * 1000)
        return found._replace(replicas=room.replicas, limited_by=ScalingLimit.ROOM, message=room.why, room=room.placed)

    def _is_news(self, found: Judged) -> bool:
        standing = found.target.standing
        if differs(standing, found):
            return True
        assert standing is not None, "one that is not there differs"
        if self._clock.now_ms() - standing.updated_at < REFRESH_MS:
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
        """What the graph has of changes, in this process's time; what lies ahead of its clock was made just now."""
        current = get_as(self._ledger.view, SiteScaling, standing.id) if standing is not None else None
        wall, now = self._clock.now_ms(), self._now()
        return [
            ScaleChange(at=now - max(wall - one.at, 0), before=one.before, after=one.after)
            for one in (current.changes if current is not None else ())
        ]

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)


def busy(policy: ScalingPolicy) -> float:
    """What a replica without a sample is taken to have where replicas would be taken away.

    Of CPU all that it asks for, as the Kubernetes controller takes it; of requests the target.
    """
    return max(100.0, policy.target) if policy.metric is ScalingMetric.CPU_UTILIZATION else policy.target
