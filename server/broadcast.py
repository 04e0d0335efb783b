"""One execution and one encoding for all subscribers who see the same.

Subscribers with the same document, operation, variables (but for the cursor), query and permissions are a group. When
commits arrive, the group's query turns them into events, each is executed once and encoded once, and every member's
outbox gets its own envelope around the shared text: 15 microseconds a delivery where an execution for each took 200.

A member is always in one of two states. *Live*: it is in its group's `members`, at the group's position, and gets what
the group gets. *Alone*: it has just come with a cursor, or its outbox was full; it catches up from its own position by
itself and becomes live when the positions are equal, without an await between the comparison and the joining. A
member's position only grows; an event is given to it only when it leads beyond. Nothing is queued for a member that is
behind: it has a position, and that is enough.

`Broadcast.run` is the pump: it follows the feed, and gives each group its turn. The first event after quiet goes out at
once; then the group waits for its interval, and what was committed meanwhile is one event. Groups whose events must be
awaited do that in a task, so that no group waits for another.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import orjson
import structlog

from graph.store import Compacted, StoreUnavailable
from resolvers.live import Feed, LiveEvent, LiveQuery, Resync
from resolvers.problems import RequestProblem, StoreAway
from server.execution import Engine, Prepared, Viewer
from server.field_executor import FieldExecutor
from server.masking import Formatted, Refused, formatted, internal, problem
from server.outbox import Outbox

V = TypeVar("V", bound=Viewer)

SLOW_READER = 1013
"""Try again later: the client may connect again and resume (RFC 6455 registry)."""
FORBIDDEN = 4403
"""The code of graphql-transport-ws for a caller who may not."""
MAX_ROUNDS = 8
"""How often a member tries to catch up with a group that moves on meanwhile, before it begins anew."""
GROUPS_BETWEEN_PAUSES_S = 0.005
"""The pump lets others run after so long."""
BUSY_S = 0.02
"""When the pump looks again at a group whose events are being awaited."""
AHEAD_S = 5.0
"""How long a cursor may be ahead of this process: another one may have applied its commits sooner."""

_log = structlog.get_logger("edgeatlas.broadcast")


@dataclass(slots=True, eq=False)
class Member(Generic[V]):
    """One subscription of one connection."""

    head: str
    """The envelope's beginning, up to the payload."""
    outbox: Outbox
    viewer: V
    query: LiveQuery
    correlation_id: str
    revision: int = -1
    """What the client is known to have been sent up to."""
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the member is no longer live: it is behind, or the subscription has ended."""
    ended: bool = False


@dataclass(slots=True)
class _Text:
    """An encoded event: the end of its envelope is part of it."""

    body: str
    revision: int
    floor: float
    """Members that stand here or before are given it: an event leads beyond its predecessor, a heartbeat repeats a
    position, a new beginning is for everybody."""


@dataclass(slots=True, eq=False)
class Group(Generic[V]):
    """Subscribers who are sent the same."""

    key: Hashable
    query: LiveQuery
    executor: FieldExecutor
    position: int
    """All commits up to here were looked at."""
    follows: int
    """The revision of the event before."""
    interval_s: float
    not_before: float
    sent_at: float
    members: dict[Member[V], None] = field(default_factory=dict)
    users: int = 0
    """Members that are live or on their way."""
    busy: bool = False
    snapshot: list[_Text] = field(default_factory=list)
    """The encoded snapshot and the events since; empty when there is none that can be brought forward."""
    tail_bytes: int = 0
    caught: dict[tuple[int, int], list[_Text]] = field(default_factory=dict)
    """What members who came back from the same position were sent, while the group's position stays."""
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    over: bool = False
    """The subscription has ended, or failed; nobody joins any more."""

    def keep(self, text: _Text, *, max_events: int, max_bytes: int) -> None:
        """Brings the encoded snapshot forward by an event, or lets go of it when that has become long."""
        if not self.snapshot or text.revision <= self.snapshot[0].revision:
            return
        self.snapshot.append(text)
        self.tail_bytes += len(text.body)
        if len(self.snapshot) > max_events + 1 or self.tail_bytes > max(max_bytes, len(self.snapshot[0].body) // 2):
            self.forget()

    def forget(self) -> None:
        """Lets go of the encoded snapshot."""
        self.snapshot = []
        self.tail_bytes = 0


class Broadcast(Generic[V]):
    """The groups of this process. `serve` is called by connections, `run` by whoever owns the process's tasks."""

    def __init__(
        self,
        engine: Engine[V],
        feed: Feed,
        *,
        revoked: Callable[[V], bool] = lambda viewer: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._limits = engine.limits
        self._metrics = engine.metrics
        self._revoked = revoked
        self._clock = clock
        self._groups: dict[Hashable, Group[V]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self._groups)

    async def run(self) -> None:
        """Delivers until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await self._pump()
            finally:
                self._tasks = None

    async def serve(self, prepared: Prepared, executor: FieldExecutor, member: Member[V]) -> None:
        """Delivers one subscription until it ends. Raises Refused when it cannot go on; cancel it to end it."""
        group = self._enter(prepared, executor, member)
        try:
            await self._begin(group, member)
            while not member.ended:
                await member.turn.wait()
                member.turn.clear()
                if not member.ended:
                    await self._caught_up(group, member)
        except _Stalled:
            member.outbox.close(SLOW_READER, "reading too slowly: connect again and resume")
        except (RequestProblem, StoreUnavailable) as error:
            raise Refused([problem(error if isinstance(error, RequestProblem) else StoreAway())]) from error
        finally:
            self._leave(group, member)

    # --- groups -----------------------------------------------------------------------------------------------------

    def _enter(self, prepared: Prepared, executor: FieldExecutor, member: Member[V]) -> Group[V]:
        variables = {
            name: value for name, value in prepared.variables.items() if name not in prepared.operation.cursor_variables
        }
        key = (
            prepared.document.digest,
            prepared.operation.name,
            orjson.dumps(variables, option=orjson.OPT_SORT_KEYS),
            member.query.key,
            member.viewer.permission_key,
        )
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= self._limits.max_groups:
                raise Refused([_too_many_groups(self._limits.max_groups)])
            now, revision = self._clock(), self._feed.revision
            group = Group(
                key=key,
                query=member.query,
                executor=executor,
                position=revision,
                follows=revision,
                interval_s=1.0 / _rate(member.query.max_rate_hz, at_most=self._limits.max_rate_hz),
                not_before=now,
                sent_at=now,
            )
            self._groups[key] = group
            self._metrics.groups(1)
        group.users += 1
        self._metrics.subscriptions(1)
        return group

    def _leave(self, group: Group[V], member: Member[V]) -> None:
        group.members.pop(member, None)
        group.users -= 1
        self._metrics.subscriptions(-1)
        if group.users == 0 and self._groups.get(group.key) is group:
            del self._groups[group.key]
            self._metrics.groups(-1)

    # --- one member, alone ------------------------------------------------------------------------------------------

    async def _begin(self, group: Group[V], member: Member[V]) -> None:
        query = member.query
        if query.resync_first is not None:
            await self._restart(group, member, query.resync_first)
        elif query.after is None:
            await self._send_snapshot(group, member)
        elif await self._reached(query.after):
            member.revision = query.after
        else:
            await self._restart(group, member, "the cursor is ahead of the graph")
        await self._caught_up(group, member)

    async def _reached(self, revision: int) -> bool:
        """Whether the graph has come to a cursor's revision, which another process may have known before this one."""
        if revision <= self._feed.revision:
            return True
        try:
            async with asyncio.timeout(AHEAD_S):
                while self._feed.revision < revision:
                    await self._feed.wait(self._feed.revision)
        except TimeoutError:
            return False
        return True

    async def _caught_up(self, group: Group[V], member: Member[V]) -> None:
        """Brings a member that is alone to the group's position, and makes it live."""
        for attempt in range(2 * MAX_ROUNDS):
            if attempt == MAX_ROUNDS:
                await self._restart(group, member, "the changes come faster than they can be caught up with")
            await self._room(member)
            if self._joined(group, member):
                return
            await self._step(group, member)
        raise _Stalled

    def _joined(self, group: Group[V], member: Member[V]) -> bool:
        if group.over or group.query.ended() or member.query.ended():
            member.ended = True
            return True
        if member.revision < group.position:
            return False
        member.turn.clear()
        group.members[member] = None
        return True

    async def _step(self, group: Group[V], member: Member[V]) -> None:
        """One way from the member's position to where the group is now."""
        after, upto = member.revision, group.position
        async with group.alone:
            texts = group.caught.get((after, upto))
            if texts is None:
                events = await self._asked(member, after, upto)
                if isinstance(events, Resync):
                    reason = events.reason
                else:
                    texts = [
                        await self._text(group, event, revision, member.viewer, member.correlation_id)
                        for event, revision in events
                    ]
                    if group.position == upto:
                        group.caught[(after, upto)] = texts
        if texts is None:
            await self._restart(group, member, reason)
            return
        for text in texts:
            await self._room(member)
            member.outbox.put(member.head, text.body)
            member.revision = max(member.revision, text.revision)
        member.revision = max(member.revision, upto)

    async def _asked(self, member: Member[V], after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        try:
            async with asyncio.timeout(self._limits.execution_s):
                return await member.query.catch_up(after, upto)
        except Compacted:
            return Resync("the changes since then are no longer kept")
        except TimeoutError:
            return Resync("the changes since then could not be read in time")

    async def _restart(self, group: Group[V], member: Member[V], reason: str) -> None:
        """Tells a member to forget what it has, and what there is now."""
        self._metrics.resync(reason)
        revision = max(group.position, self._feed.revision)
        event = group.query.resync(reason, revision=revision)
        if event is not None:
            text = await self._text(group, event, revision, member.viewer, member.correlation_id)
            await self._room(member)
            member.outbox.put(member.head, text.body)
        member.revision = -1
        if not await self._send_snapshot(group, member, greet=event is None) and event is None:
            raise _resync_required(reason)

    async def _send_snapshot(self, group: Group[V], member: Member[V], *, greet: bool = True) -> bool:
        """Sends the group's snapshot, brought forward. False when there is none.

        Where there is none a heartbeat, if asked for, tells the member where it stands, so that it can resume from there.
        """
        async with group.alone:
            texts = list(group.snapshot)
            if texts:
                member.revision = max(texts[-1].revision, group.position)
                found = True
            else:
                event, revision = group.query.snapshot()
                member.revision = revision
                found = event is not None
                if event is None and greet:
                    event = group.query.heartbeat(revision)
                if event is not None:
                    position = group.position
                    texts = [await self._text(group, event, revision, member.viewer, member.correlation_id)]
                    if found and group.position == position:
                        group.snapshot = list(texts)
                        group.tail_bytes = 0
        for text in texts:
            await self._room(member)
            member.outbox.put(member.head, text.body)
        return found

    async def _room(self, member: Member[V]) -> None:
        if not await member.outbox.room(within_s=self._limits.max_behind_s):
            raise _Stalled

    async def _text(self, group: Group[V], event: object, revision: int, viewer: V, correlation_id: str) -> _Text:
        encoded = self._engine.event(group.executor, event, viewer, correlation_id)
        return _Text(_closed(encoded if isinstance(encoded, bytes) else await encoded), revision, revision - 1)

    # --- the pump ---------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        seen = self._feed.revision
        wait_s = self._limits.heartbeat_s
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._feed.wait(seen)
            except TimeoutError:
                pass
            seen = self._feed.revision
            wait_s = self._limits.heartbeat_s
            paused = self._clock()
            for group in list(self._groups.values()):
                now = self._clock()
                if now - paused > GROUPS_BETWEEN_PAUSES_S:
                    await asyncio.sleep(0)
                    paused = self._clock()
                due = self._turn(group, now)
                wait_s = min(wait_s, max(due - now, 0.001))

    def _turn(self, group: Group[V], now: float) -> float:
        """Gives a group what is due, and says when it is due next."""
        if group.busy:
            return now + BUSY_S
        if group.users:
            try:
                if self._feed.revision != group.position:
                    if now < group.not_before:
                        return group.not_before
                    self._advance(group, now)
                elif now - group.sent_at >= self._limits.heartbeat_s:
                    self._beat(group, now)
            except Exception as error:  # noqa: BLE001 - one group's bug must not end the others'; it is logged and told
                self._fail(group, error)
        return max(group.sent_at + self._limits.heartbeat_s, now + 0.05)

    def _advance(self, group: Group[V], now: float) -> None:
        """Sends a group what was committed since its position."""
        head = self._feed.revision
        try:
            commits = self._feed.since(group.position) if head > group.position else None
        except Compacted:
            commits = None
        if commits is None:
            self._advance_anew(group, now)
            return
        events = group.query.delta(commits, follows=group.follows)
        self._send(group, [(event, revision, revision - 1) for event, revision in events], upto=head, now=now)

    def _advance_anew(self, group: Group[V], now: float) -> None:
        reason = "the changes since then are no longer kept"
        self._metrics.resync(reason)
        group.forget()
        event, revision = group.query.snapshot()
        resync = group.query.resync(reason, revision=revision)
        told = [(part, revision, math.inf) for part in (resync, event) if part is not None]
        if not told:
            raise _resync_required(reason)
        group.follows = revision
        self._send(group, told, upto=revision, now=now)

    def _beat(self, group: Group[V], now: float) -> None:
        group.sent_at = now
        event = group.query.heartbeat(group.position) if group.members else None
        if event is not None:
            self._send(group, [(event, group.position, group.position)], upto=group.position, now=now, beat=True)
        else:
            self._drop_revoked(group)

    def _send(
        self,
        group: Group[V],
        events: list[tuple[object, int, float]],
        *,
        upto: int,
        now: float,
        beat: bool = False,
    ) -> None:
        """Encodes events, each with its revision and its floor, for whoever is live."""
        if events:
            self._drop_revoked(group)
        if not events or not group.members:
            if events:
                # Nobody is live: nothing is encoded, so there is nothing to bring a snapshot forward with.
                group.forget()
                group.follows = max(group.follows, events[-1][1])
            self._passed(group, upto)
            return
        first = next(iter(group.members))
        encoded = [
            self._engine.event(group.executor, event, first.viewer, first.correlation_id) for event, _, _ in events
        ]
        if not beat:
            group.not_before = now + group.interval_s
        group.sent_at = now
        places = [(revision, floor) for _, revision, floor in events]
        ready = [text for text in encoded if isinstance(text, bytes)]
        if len(ready) == len(encoded):
            self._deliver(group, ready, places, upto=upto, beat=beat)
        elif self._tasks is not None:
            group.busy = True
            self._tasks.create_task(self._deliver_later(group, encoded, places, upto=upto, beat=beat))

    async def _deliver_later(
        self,
        group: Group[V],
        encoded: list[bytes | Awaitable[bytes]],
        places: list[tuple[int, float]],
        *,
        upto: int,
        beat: bool,
    ) -> None:
        try:
            ready = [text if isinstance(text, bytes) else await text for text in encoded]
            self._drop_revoked(group)
            self._deliver(group, ready, places, upto=upto, beat=beat)
        except Exception as error:  # noqa: BLE001 - one group's bug must not end the others'; it is logged and told
            self._fail(group, error)
        finally:
            group.busy = False

    def _deliver(
        self, group: Group[V], ready: list[bytes], places: list[tuple[int, float]], *, upto: int, beat: bool
    ) -> None:
        for encoded, (revision, floor) in zip(ready, places, strict=True):
            text = _Text(_closed(encoded), revision, floor)
            self._metrics.event(len(encoded), len(group.members))
            self._fan_out(group, text)
            if not beat:
                group.follows = max(group.follows, revision)
                group.keep(text, max_events=self._limits.max_tail_events, max_bytes=self._limits.max_tail_bytes)
        self._passed(group, upto)
        if group.query.ended():
            self._end(group)

    def _fan_out(self, group: Group[V], text: _Text) -> None:
        behind: list[Member[V]] = []
        body, revision, floor = text.body, text.revision, text.floor
        for member in group.members:
            if member.revision <= floor:
                if member.outbox.offer(member.head, body):
                    member.revision = revision
                else:
                    behind.append(member)
        for member in behind:
            del group.members[member]
            member.turn.set()
            self._metrics.behind()

    def _drop_revoked(self, group: Group[V]) -> None:
        dropped = [member for member in group.members if self._revoked(member.viewer)]
        for member in dropped:
            del group.members[member]
            member.outbox.close(FORBIDDEN, "Forbidden")

    @staticmethod
    def _passed(group: Group[V], upto: int) -> None:
        if upto != group.position:
            group.position = upto
            group.caught.clear()

    def _end(self, group: Group[V]) -> None:
        group.over = True
        for member in group.members:
            member.ended = True
            member.turn.set()
        group.members.clear()
        if self._groups.get(group.key) is group:
            del self._groups[group.key]
            self._metrics.groups(-1)

    def _fail(self, group: Group[V], error: Exception) -> None:
        """A bug in a group's query: its subscribers are told, and may subscribe again."""
        correlation = next((member.correlation_id for member in group.members), "-")
        if isinstance(error, RequestProblem):
            told = problem(error)
        else:
            told = internal(error, correlation_id=correlation)
        body = _closed(orjson.dumps({"data": None, "errors": [told]}))
        for member in group.members:
            member.outbox.put(member.head, body)
        self._end(group)


class _Stalled(Exception):
    """A member's connection took nothing for too long, or cannot keep up: it is closed, and the client may resume."""


def _resync_required(reason: str) -> RequestProblem:
    return RequestProblem("RESYNC_REQUIRED", reason, remedy="subscribe again without the cursor", retryable=True)


def _closed(encoded: bytes) -> str:
    """The payload with the envelope's end. Text, since a binary frame is none of the protocol's."""
    return encoded.decode() + "}"


def _rate(asked: float, *, at_most: float) -> float:
    if not math.isfinite(asked) or asked <= 0:
        return at_most
    return min(max(asked, 0.01), at_most)


def _too_many_groups(allowed: int) -> Formatted:
    return formatted(
        "LIMIT_EXCEEDED",
        "the server delivers as many different subscriptions as it may",
        remedy="subscribe again in a while",
        limit="subscription groups",
        have=None,
        allowed=allowed,
        retryable=True,
    )
