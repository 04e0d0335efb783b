"""One execution and one encoding for all subscribers who see the same.

Subscribers with the same document, operation, variables (but for the cursor), query and permissions are a group
(`server/groups.py`). When commits arrive, the group's query turns them into events, each is executed once and encoded
once, and every live member's outbox gets its own envelope around the shared text: 15 microseconds a delivery where an
execution for each took 200. Members that are not where their group is are brought there by their own tasks
(`server/catching_up.py`).

`Broadcast.run` is the pump: it follows the feed, and gives each group its turn. The first event after quiet goes out at
once; then the group waits for its interval, and what was committed meanwhile is one event. A group whose events must be
awaited does that in a task, so that no group waits for another.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import orjson
from opentelemetry.trace import INVALID_SPAN, Span

from graph.store import Compacted, StoreUnavailable
from resolvers.live import Feed, LiveEvent
from resolvers.problems import RequestProblem, StoreAway
from server.catching_up import CatchingUp, Stalled
from server.execution import Engine, Prepared, Viewer
from server.field_executor import FieldExecutor
from server.groups import Group, Member, text_of
from server.masking import Formatted, Refused, formatted, internal, problem
from server.tracing import span, start_span, within

V = TypeVar("V", bound=Viewer)

SLOW_READER = 1013
"""Try again later: the client may connect again and resume (RFC 6455 registry)."""
FORBIDDEN = 4403
"""The code of graphql-transport-ws for a caller who may not."""
PAUSE_AFTER_S = 0.005
"""The pump lets others run after so long."""
BUSY_S = 0.02
"""When the pump looks again at a group whose events are being awaited."""


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
        self._catching_up = CatchingUp(engine, feed)
        self._groups: dict[object, Group[V]] = {}
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
            with span("subscription.begin", {"graphql.operation.name": group.name}, parent=member.trace):
                await self._catching_up.begin(group, member)
            while not member.ended:
                await member.turn.wait()
                member.turn.clear()
                if not member.ended:
                    await self._catching_up.go_on(group, member)
        except Stalled:
            member.outbox.close(SLOW_READER, "reading too slowly: connect again and resume")
        except StoreUnavailable as error:
            raise Refused([problem(StoreAway())]) from error
        except RequestProblem as error:
            raise Refused([problem(error)]) from error
        finally:
            self._leave(group, member)

    # --- who is in which group --------------------------------------------------------------------------------------

    def _enter(self, prepared: Prepared, executor: FieldExecutor, member: Member[V]) -> Group[V]:
        cursors = prepared.operation.cursor_variables
        variables = {name: value for name, value in prepared.variables.items() if name not in cursors}
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
            group = self._groups[key] = Group(
                key=key,
                query=member.query,
                executor=executor,
                position=revision,
                follows=revision,
                interval_s=1.0 / _rate(member.query.max_rate_hz, at_most=self._limits.max_rate_hz),
                not_before=now,
                sent_at=now,
                name=prepared.operation.name,
                trace=member.trace,
            )
            self._metrics.groups(1)
        group.users += 1
        self._metrics.subscriptions(1)
        return group

    def _leave(self, group: Group[V], member: Member[V]) -> None:
        group.members.pop(member, None)
        group.users -= 1
        self._metrics.subscriptions(-1)
        if not group.users:
            self._remove(group)

    def _remove(self, group: Group[V]) -> None:
        if self._groups.get(group.key) is group:
            del self._groups[group.key]
            self._metrics.groups(-1)

    def _end(self, group: Group[V]) -> None:
        group.end()
        self._remove(group)

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
            begun = self._clock()
            for group in list(self._groups.values()):
                now = self._clock()
                if now - begun > PAUSE_AFTER_S:
                    await asyncio.sleep(0)
                    begun = now = self._clock()
                due = self._turn(group, now)
                wait_s = min(wait_s, max(due - now, 0.001))

    def _turn(self, group: Group[V], now: float) -> float:
        """Gives a group what is due, and says when it is to be looked at again if no commit comes."""
        if group.busy:
            return now + BUSY_S
        try:
            if self._feed.revision != group.position:
                if now < group.not_before:
                    return group.not_before
                self._advance(group, now)
            elif now - group.sent_at >= self._limits.heartbeat_s:
                self._beat(group, now)
        except Exception as error:  # noqa: BLE001 - one group's bug must not end the others'; it is logged and told
            self._fail(group, error)
        return max(group.sent_at + self._limits.heartbeat_s, now + BUSY_S)

    def _advance(self, group: Group[V], now: float) -> None:
        """Sends a group what was committed since its position."""
        head = self._feed.revision
        reason = "the changes since then are no longer kept"
        try:
            commits = self._feed.since(group.position) if head > group.position else None
        except Compacted:
            commits = None
        if commits is None:
            group.begin_anew(head, reason)
            return
        self._send(group, group.query.delta(commits, follows=group.follows), upto=head, now=now)

    def _beat(self, group: Group[V], now: float) -> None:
        group.sent_at = now
        event = group.query.heartbeat(group.position) if group.members else None
        if event is not None:
            self._send(group, [(event, group.position)], upto=group.position, now=now, beat=True)
        else:
            self._drop_revoked(group)

    def _send(self, group: Group[V], events: Sequence[LiveEvent], *, upto: int, now: float, beat: bool = False) -> None:
        """Encodes events for whoever is live."""
        if events:
            self._drop_revoked(group)
        if not events or not group.members:
            if events:
                # Nobody is live: nothing is encoded, so there is nothing to bring a snapshot forward with.
                group.forget()
                group.follows = max(group.follows, events[-1][1])
            group.passed(upto)
            return
        if not beat:
            group.not_before = now + group.interval_s
        group.sent_at = now
        first = next(iter(group.members))
        work = INVALID_SPAN if beat else _traced(group, events=len(events), revision=upto)
        with within(work):
            encoded = [
                self._engine.event(group.executor, event, first.viewer, first.correlation_id) for event, _ in events
            ]
            revisions = [revision for _, revision in events]
            ready = [text for text in encoded if isinstance(text, bytes)]
            if len(ready) == len(encoded):
                self._deliver(group, ready, revisions, upto=upto, beat=beat)
        if len(ready) < len(encoded) and self._tasks is not None:
            group.busy = True
            self._tasks.create_task(self._deliver_later(group, encoded, revisions, upto=upto, beat=beat, work=work))
        else:
            work.end()

    async def _deliver_later(
        self,
        group: Group[V],
        encoded: list[bytes | Awaitable[bytes]],
        revisions: list[int],
        *,
        upto: int,
        beat: bool,
        work: Span,
    ) -> None:
        try:
            with within(work):
                ready = [text if isinstance(text, bytes) else await text for text in encoded]
                self._drop_revoked(group)
                self._deliver(group, ready, revisions, upto=upto, beat=beat)
            work.end()
        except Exception as error:  # noqa: BLE001 - one group's bug must not end the others'; it is logged and told
            self._fail(group, error)
        finally:
            group.busy = False

    def _deliver(self, group: Group[V], ready: list[bytes], revisions: list[int], *, upto: int, beat: bool) -> None:
        for encoded, revision in zip(ready, revisions, strict=True):
            text = text_of(encoded, revision=revision, beat=beat)
            self._metrics.event(len(encoded), len(group.members))
            for _ in range(group.fan_out(text)):
                self._metrics.behind()
            if not beat:
                group.follows = max(group.follows, revision)
                group.keep(text, max_events=self._limits.max_tail_events, max_bytes=self._limits.max_tail_bytes)
        group.passed(upto)
        if group.query.ended():
            self._end(group)

    def _drop_revoked(self, group: Group[V]) -> None:
        for member in [member for member in group.members if self._revoked(member.viewer)]:
            del group.members[member]
            member.outbox.close(FORBIDDEN, "Forbidden")

    def _fail(self, group: Group[V], error: Exception) -> None:
        """A bug in a group's query: its subscribers are told, and may subscribe again."""
        correlation = next((member.correlation_id for member in group.members), "-")
        told = problem(error) if isinstance(error, RequestProblem) else internal(error, correlation_id=correlation)
        text = text_of(orjson.dumps({"data": None, "errors": [told]}), revision=group.position)
        for member in group.members:
            member.outbox.put(member.head, text.body)
        self._end(group)


def _traced(group: Group[V], *, events: int, revision: int) -> Span:
    """The span of what is done once for a whole group. It belongs to none of the members' traces, and is linked to one."""
    return start_span(
        "subscription.event",
        {
            "graphql.operation.name": group.name,
            "subscription.events": events,
            "subscription.subscribers": len(group.members),
            "graph.revision": revision,
        },
        caused_by=group.trace,
    )


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
