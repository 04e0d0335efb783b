"""How a member that is alone comes to its group's position.

It is sent the group's snapshot, or what was committed since its own revision, and then compares positions; the group may
have moved on, and it goes another way. Between the comparison and the joining nothing is awaited, so nothing can fall
between. What one member was encoded for is kept for the others: after a network's outage all come back from the same
revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from graph.store import Compacted
from resolvers.live import Feed, LiveEvent, Resync
from resolvers.problems import RequestProblem
from server.execution import Engine, Viewer
from server.groups import Group, Member, Text, text_of

V = TypeVar("V", bound=Viewer)

MAX_ROUNDS = 8
"""How often a member tries to catch up with a group that moves on meanwhile, before it begins anew, and then again."""
AHEAD_S = 5.0
"""How long a cursor may be ahead of this process: another one may have applied its commits sooner."""


class Stalled(Exception):
    """The member's connection took nothing for too long, or cannot keep up: it is closed, and the client may resume."""


class CatchingUp(Generic[V]):
    """What is done for one member at a time, in that member's own task."""

    def __init__(self, engine: Engine[V], feed: Feed) -> None:
        self._engine = engine
        self._feed = feed
        self._limits = engine.limits
        self._metrics = engine.metrics

    async def begin(self, group: Group[V], member: Member[V]) -> None:
        """From the subscription to being live. Raises Stalled, RequestProblem, StoreUnavailable."""
        query = member.query
        if query.resync_first is not None:
            await self._restart(group, member, query.resync_first)
        elif query.after is None:
            await self._send_snapshot(group, member)
        elif await self._reached(query.after):
            member.revision = member.known = query.after
        else:
            await self._restart(group, member, "the cursor is ahead of the graph")
        await self._join(group, member)

    async def go_on(self, group: Group[V], member: Member[V]) -> None:
        """From being alone to being live again. Raises as `begin`."""
        reason, member.anew = member.anew, None
        if reason is not None:
            await self._restart(group, member, reason)
        await self._join(group, member)

    async def _join(self, group: Group[V], member: Member[V]) -> None:
        for attempt in range(2 * MAX_ROUNDS):
            if attempt == MAX_ROUNDS:
                await self._restart(group, member, "the changes come faster than they can be caught up with")
            await self._room(member)
            if group.over or group.query.ended() or member.query.ended():
                member.ended = True
                return
            if group.join(member):
                return
            await self._step(group, member)
        raise Stalled

    async def _step(self, group: Group[V], member: Member[V]) -> None:
        """One way from the member's revision to where the group is now."""
        async with group.alone:
            after, upto = member.revision, group.position
            texts = group.caught.get(after)
            if texts is None:
                events = await self._asked(member, after, upto)
                if isinstance(events, Resync):
                    reason = events.reason
                else:
                    texts = [await self._text(group, member, event, revision) for event, revision in events]
                    if group.position == upto:
                        group.caught[after] = texts
        if texts is None:
            await self._restart(group, member, reason)
            return
        for text in texts:
            await self._put(member, text)
            member.revision = member.known = max(member.revision, text.revision)
        member.revision = max(member.revision, upto)

    async def _asked(self, member: Member[V], after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        try:
            async with asyncio.timeout(self._limits.execution_s):
                return await member.query.catch_up(after, upto)
        except Compacted:
            return Resync("the changes since then are no longer kept")
        except TimeoutError:
            return Resync("the changes since then could not be read in time")

    async def _reached(self, revision: int) -> bool:
        """Whether the graph has come to a cursor's revision."""
        try:
            async with asyncio.timeout(AHEAD_S):
                while self._feed.revision < revision:
                    await self._feed.wait(self._feed.revision)
        except TimeoutError:
            return False
        return True

    async def _restart(self, group: Group[V], member: Member[V], reason: str) -> None:
        """Tells a member to forget what it has, and what there is now."""
        self._metrics.resync(reason)
        revision = max(group.position, self._feed.revision)
        event = group.query.resync(reason, revision=revision)
        if event is not None:
            await self._put(member, await self._text(group, member, event, revision))
        if not await self._send_snapshot(group, member, greet=event is None):
            if event is None:
                raise RequestProblem(
                    "RESYNC_REQUIRED", reason, remedy="subscribe again without the cursor", retryable=True
                )
            # It goes on from where it was told to, not from where the graph has come meanwhile.
            member.revision = member.known = revision

    async def _send_snapshot(self, group: Group[V], member: Member[V], *, greet: bool = True) -> bool:
        """Sends the group's snapshot, brought forward. False when there is none.

        Then a heartbeat, if it should be greeted, tells the member where it stands, so that it can resume from there.
        """
        async with group.alone:
            texts = list(group.snapshot)
            found = bool(texts)
            if texts:
                member.known = texts[-1].revision
                member.revision = max(member.known, group.position)
            else:
                position = group.position
                event, revision = group.query.snapshot()
                member.revision = member.known = revision
                found = event is not None
                if event is None and greet:
                    event = group.query.heartbeat(revision)
                if event is not None:
                    texts = [await self._text(group, member, event, revision)]
                    if found and group.position == position:
                        group.snapshot, group.tail_bytes = list(texts), 0
        for text in texts:
            await self._put(member, text)
        return found

    async def _put(self, member: Member[V], text: Text) -> None:
        await self._room(member)
        member.outbox.put(member.head, text.body)

    async def _room(self, member: Member[V]) -> None:
        if not await member.outbox.room(within_s=self._limits.max_behind_s):
            raise Stalled

    async def _text(self, group: Group[V], member: Member[V], event: object, revision: int) -> Text:
        encoded = self._engine.event(group.executor, event, member.viewer, member.correlation_id)
        return text_of(encoded if isinstance(encoded, bytes) else await encoded, revision=revision)
